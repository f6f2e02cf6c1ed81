"""The HTTP door needs two packages that nobody else does."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules[{missing!r}] = None
from mailq import Client
from mailq.errors import Misconfigured
try:
    Client("https://mailq.example", key="mq_secret")
except Misconfigured as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["httpx2", "stamina"])
def test_without_them_the_extra_is_named(missing: str) -> None:
    """In a process of its own: here they are imported already."""
    done = subprocess.run([sys.executable, "-c", WITHOUT.format(missing=missing)], capture_output=True, text=True, check=True)

    assert f"`{missing}`" in done.stdout
    assert "pip install 'mailq[client]'" in done.stdout


def test_who_takes_another_door_imports_neither() -> None:
    program = "import sys, mailq.client; from mailq import Client, Outbox; print({'httpx2', 'stamina', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
