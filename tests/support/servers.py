"""One PostgreSQL and one Redis for a test run, each started when the first test asks for it; a database per test from a template."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import text

from mailq.local import place
from mailq.local.postgres import Postgres
from mailq.local.redis import Redis
from mailq.local.supervisor import Supervisor
from mailq.store import migrate
from mailq.store.database import Database

TEMPLATE = "mailq_template"
# What a crash of the machine would lose is of no use to anybody after a test run.
_FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30  # twice the max_wal_size of a cluster


class Servers:
    """The servers of one test run in a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._supervisor = Supervisor(home / "log")

    def postgres(self) -> str:
        """Start PostgreSQL; returns its URL."""
        return Postgres(place.find(self.home), overrides=_FAST).start(self._supervisor)[1]

    def redis(self) -> str:
        """Start Redis; returns its URL."""
        return Redis(place.find(self.home)).start(self._supervisor)[1]

    def stop(self) -> None:
        """Stop what was started."""
        self._supervisor.stop()


def memory() -> Path | None:
    """A directory in memory, if this machine has one with room for a cluster; None means the disk.

    A database is some 300 files: to make them on a disk takes longer than most tests.
    """
    return _MEMORY if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


@contextmanager
def temporary_home(within: Path | None = None) -> Iterator[Path]:
    """A home that the servers' user can reach, gone afterwards; on the disk unless told where."""
    home = Path(tempfile.mkdtemp(prefix="mailq-tests-", dir=within))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Databases:
    """Makes databases: migrated ones are copies of a template, which costs some 50 ms instead of a migration."""

    def __init__(self, url: str) -> None:
        self._admin = Database(url, application="tests", pool_size=1)
        self._numbers = count(1)
        self._copying = ""

    def url(self, name: str) -> str:
        """The address of a database."""
        return self._admin.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)

    def create_empty(self) -> str:
        """A new database without tables; returns its URL."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def create(self) -> str:
        """A new database with today's schema; returns its URL."""
        if not self._copying:
            self._copying = self._make_template()
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} {self._copying}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self._execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def close(self) -> None:
        """Close the administrator's connection."""
        self._admin.close()

    def _make_template(self) -> str:
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        database = Database(self.url(TEMPLATE), application="tests")
        migrate.upgrade(database)
        with database.begin() as tx:
            version = int(tx.execute(text("SHOW server_version_num")).scalar_one())
        database.close()
        # From 15 on a copy goes through the log, page by page, unless told otherwise.
        return f"TEMPLATE {TEMPLATE} STRATEGY FILE_COPY" if version >= 150_000 else f"TEMPLATE {TEMPLATE}"

    def _execute(self, statement: str) -> None:
        with self._admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
