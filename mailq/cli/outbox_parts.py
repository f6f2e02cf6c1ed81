"""What the commands about outboxes share."""

from collections.abc import Callable
from typing import TypeVar

import click

from mailq import settings
from mailq.settings import Settings

_Function = TypeVar("_Function", bound=Callable[..., object])


def url_option(name: str) -> Callable[[_Function], _Function]:
    """The option that names a database. Its password would stand in the list of processes: the setting is the better place."""
    return click.option(
        name, "url", metavar="URL", help="The producer's database, as SQLAlchemy names it.  [default: MAILQ_OUTBOX_URL]"
    )


def url_or_setting(url: str | None, chosen: Settings) -> str:
    """The database that is meant.

    Raises:
        Misconfigured: nobody has said.
    """
    return url or settings.required(chosen.outbox_url, "outbox_url")
