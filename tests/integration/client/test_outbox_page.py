"""What the page of the outbox shows, as its reader would copy it."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailq.store.call_tables import call
from mailq.store.database import Database
from mailq.store.tables import delivery, inbox
from tests.integration.client.test_carrier import count
from tests.support import examples

PAGE = "docs/doors/outbox.md"

Run = Callable[[str], str]


@pytest.fixture
def run(tmp_path: Path, database_url: str) -> Run:
    """Run an example in a directory where a shop has its data, and return what it says."""
    settings = {"MAILQ_OUTBOX_URL": "sqlite:///shop.db", "MAILQ_DATABASE_URL": database_url, "MAILQ_HOME": str(tmp_path)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def example(name: str) -> str:
        file = examples.write(PAGE, name, tmp_path)
        if name.endswith(".sql"):
            words = [
                sys.executable,
                "-c",
                f"import sqlite3; sqlite3.connect('shop.db').executescript(open({str(file)!r}).read())",
            ]
        else:
            words = [sys.executable if name.endswith(".py") else "sh", str(file)]
        done = subprocess.run(words, cwd=tmp_path, env=settings | {"PATH": path}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return example


def test_the_examples_of_the_page_work_one_after_the_other(run: Run, database: Database) -> None:
    names = list(examples.of_page(PAGE))

    said = {name: run(name) for name in names}

    assert names == ["create.sh", "order.py", "newsletter.py", "call.py", "relay.sh", "list.sh", "again.sql"]
    assert "has the table mailq_outbox" in said["create.sh"]
    assert said["call.py"] == "spooled\n"
    assert "3 handed over, 0 refused" in said["relay.sh"]
    assert "done     3" in said["list.sh"]
    assert count(database, call) == 1
    assert count(database, inbox) == 1
    assert count(database, delivery) == 1


def test_a_refused_row_that_waits_again_is_tried_again(run: Run, tmp_path: Path, database: Database) -> None:
    run("create.sh")
    run("order.py")
    shop = sqlite3.connect(tmp_path / "shop.db")
    shop.execute("UPDATE mailq_outbox SET id = 17, state = 'refused', reason = 'a test'")
    shop.commit()
    assert "0 handed over" in run("relay.sh")

    run("again.sql")

    assert "1 handed over" in run("relay.sh")
    assert count(database, inbox) == 1
    shop.close()
