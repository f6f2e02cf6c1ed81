"""mailqctl as a function: words in, exit code and output out, on a real database."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from mailq.cli import main
from mailq.store.database import Database
from mailq.store.tables import batch, delivery, mailing

CONTENT = 'subject = "Hi {{ name }}"\nsender = "Shop <shop@x.example>"\ntext = "Dear {{ name }}, hello."\n'
PEOPLE = "email,name\nann@x.example,Ann\nbob@x.example,Bob\nANN@X.EXAMPLE,Ann again\nno address,Nobody\n"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def bare() -> Iterator[Command]:
    """Run mailqctl with nothing set but what is given as `env`."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*words: str, env: dict[str, str] | None = None, stdin: str | bytes | None = None) -> Done:
        result = CliRunner(env=env).invoke(main, [str(word) for word in words], input=stdin)
        assert "Traceback" not in result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    yield run
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def mailqctl(bare: Command, database_url: str, redis_url: str) -> Command:
    """Run mailqctl on this test's own database."""
    ours = {"MAILQ_DATABASE_URL": database_url, "MAILQ_REDIS_URL": redis_url, "MAILQ_RELAY_URL": "smtp://127.0.0.1:9"}

    def run(*words: str, env: dict[str, str] | None = None, stdin: str | bytes | None = None) -> Done:
        return bare(*words, env=ours | (env or {}), stdin=stdin)

    return run


@pytest.fixture
def content(tmp_path: Path) -> str:
    """A content file."""
    path = tmp_path / "content.toml"
    path.write_text(CONTENT)
    return str(path)


@pytest.fixture
def people(tmp_path: Path) -> str:
    """Four rows: two recipients, a duplicate, an invalid one."""
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return str(path)


@pytest.fixture
def submitted(mailqctl: Command, people: str, content: str) -> str:
    """The public id of a mailing that runs, with nobody to work it."""
    done = mailqctl("mailing", "submit", people, "--content", content, "--key", "spring", "--json")
    assert done.code == 0, done.err
    return str(done.document["mailing"])


@pytest.fixture
def stored(database: Database) -> Callable[[], tuple[int, int, int]]:
    """How many mailings, batches and deliveries there are."""

    def count() -> tuple[int, int, int]:
        with database.begin() as tx:
            counts = [tx.execute(select(func.count()).select_from(table)).scalar_one() for table in (mailing, batch, delivery)]
        return counts[0], counts[1], counts[2]

    return count
