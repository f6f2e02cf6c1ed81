"""A database is backed up and restored under its users: a copy takes its place, as a `pg_restore` or a promoted standby would."""

from dataclasses import dataclass

from sqlalchemy import text

from mailq.store.database import Database


@dataclass(frozen=True)
class Backup:
    """How a database stood at a moment. Whoever is connected is thrown out for that moment, and for the restore."""

    url: str

    @classmethod
    def take(cls, url: str) -> "Backup":
        """Back up a database."""
        name = url.rpartition("/")[2]
        _administer(url, *_thrown_out(name), f"CREATE DATABASE {name}_backup TEMPLATE {name}", _let_in(name))
        return cls(url)

    def restore(self) -> None:
        """Put the database back to that moment; the backup stays as it is."""
        name = self.url.rpartition("/")[2]
        _administer(
            self.url,
            *_thrown_out(name),
            f"DROP DATABASE {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {name}_backup",
        )

    def drop(self) -> None:
        """Remove the backup."""
        _administer(self.url, f"DROP DATABASE IF EXISTS {self.url.rpartition('/')[2]}_backup WITH (FORCE)")


def _thrown_out(name: str) -> tuple[str, str]:
    shut = f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"
    return shut, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"


def _let_in(name: str) -> str:
    return f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"


def _administer(url: str, *statements: str) -> None:
    admin = Database(url.rpartition("/")[0] + "/postgres", application="tests", pool_size=1)
    try:
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        admin.close()
