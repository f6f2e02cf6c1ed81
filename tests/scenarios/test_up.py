"""`./run up --with-worker --with-api`: a stack that an app can be written against."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.support.servers import temporary_home
from tests.support.waiting import eventually


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as made:
        yield made


@pytest.fixture
def shown(home: Path) -> Iterator[dict[str, str]]:
    """What a stack with a worker and the API says of itself once it is up; it is stopped as by Ctrl-C."""
    words = [sys.executable, "-m", "mailq", "up", "--with-worker", "--with-api"]
    with (home / "up.txt").open("w") as out:
        process = subprocess.Popen(words, env=environment(home), stdout=out, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        eventually(lambda: "maildir" in (home / "up.txt").read_text(), within=60)
        yield dict(re.findall(r"^(\w+) +(\S+)$", (home / "up.txt").read_text(), re.MULTILINE))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}
    return kept | {"MAILQ_HOME": str(home)}


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.timeout(150)
def test_a_key_is_made_and_a_message_over_http_is_in_the_sink(home: Path, shown: dict[str, str]) -> None:
    words = [sys.executable, "-m", "mailq", "key", "create", "--name", "app", "--scope", "send"]
    key = subprocess.run(words, env=environment(home), capture_output=True, text=True, check=True).stdout.strip()
    message = {"to": "ada@customer.example", "sender": "shop@shop.example", "subject": "Your order", "text": "Thank you."}
    eventually(lambda: answers(f"{shown['api']}/readyz"), within=30)

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urlopen(Request(f"{shown['api']}/v1/messages", json.dumps(message).encode(), headers)) as answer:
        assert answer.status == 202

    accepted = Path(shown["accepted"])
    eventually(lambda: accepted.exists() and "ada@customer.example" in accepted.read_text(), within=30)
