"""The parts a command works with, wired by `bootstrap` from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mailq import settings, telemetry
from mailq.cli.terminal import say
from mailq.errors import MailqError
from mailq.settings import Settings

if TYPE_CHECKING:
    from mailq.core.mailing import Lane
    from mailq.store.database import Database


def load() -> Settings:
    """The settings; logs go to stderr, and only what is serious unless `--verbose` asks for more.

    Raises:
        Misconfigured: a setting is at fault.
    """
    chosen = settings.load()
    context = click.get_current_context(silent=True)
    verbose = bool(context and context.meta.get("mailq.verbose"))
    telemetry.configure(chosen.log, chosen.log_level if verbose else "ERROR")
    return chosen


@contextmanager
def opened(chosen: Settings, *, checked: bool = False) -> "Iterator[Database]":
    """The database, closed at the end.

    Args:
        checked: whether to ask for the schema's revision first, as who writes must; who only reads learns it from a query
            that fails.

    Raises:
        Misconfigured: no database is set, or its schema does not fit this version of mailq.
        Unavailable: it does not answer.
    """
    from sqlalchemy.exc import ProgrammingError

    from mailq import bootstrap

    database = bootstrap.database(chosen, application="mailqctl")
    try:
        if checked:
            _require_up_to_date(database)
        yield database
    except ProgrammingError:
        _require_up_to_date(database)
        raise
    finally:
        database.close()


def _require_up_to_date(database: "Database") -> None:
    from mailq.store import revision

    revision.require_up_to_date(database)


def ring(chosen: Settings, database: "Database", lane: "Lane") -> None:
    """Ring for a mailing's batches. A broker that is away is a warning: what is committed is rung for by upkeep."""
    from mailq import bootstrap

    try:
        # Asked first: a ring that cannot be put would leave its batches marked as rung.
        _require_broker(chosen)
        bootstrap.dispatcher(chosen, database).top_up(lane)
    except MailqError as error:
        say(f"mailqctl: warning: {error}. Nothing is lost: the servers will find the mailing by themselves.")


def _require_broker(chosen: Settings) -> None:
    from mailq.broker.doorbell import require_noeviction

    require_noeviction(settings.required(chosen.redis_url, "redis_url"))
