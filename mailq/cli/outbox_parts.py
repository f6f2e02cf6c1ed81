"""What the commands about outboxes share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from mailq.cli.terminal import say
from mailq.errors import Misconfigured
from mailq.settings import Settings

if TYPE_CHECKING:
    from mailq.store.outbox import Head

_Function = TypeVar("_Function", bound=Callable[..., object])


def url_option(name: str) -> Callable[[_Function], _Function]:
    """The option that names a database. Its password would stand in the list of processes: the setting is the better place."""
    return click.option(
        name, "url", metavar="URL", help="The producer's database, as SQLAlchemy names it.  [default: MAILQ_OUTBOX_URL]"
    )


def url_or_setting(url: str | None, chosen: Settings, option: str) -> str:
    """The database that is meant.

    Args:
        option: how the command calls it.

    Raises:
        Misconfigured: nobody has said.
    """
    if url:
        return url
    if chosen.outbox_url is None:
        raise Misconfigured(f"no database of a producer: set MAILQ_OUTBOX_URL, or give {option}")
    return chosen.outbox_url.get_secret_value()


def tell_refusal(head: "Head", reason: str) -> None:
    """Say what mailq did not take."""
    say(f"refused: {head.kind} {head.id}: {reason}")
