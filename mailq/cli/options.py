"""Options and arguments that several commands share, and the command class that shows an example."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def examples(*lines: str) -> str:
    """The end of a command's help: how it is called."""
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n".join([head, *(f"  mailqctl {line}" for line in lines)])


def json_option(what: str = "Print JSON.") -> Callable[[Function], Function]:
    """`--json`, as every reading command has it."""
    return click.option("--json", "as_json", is_flag=True, help=what)


reference_argument = click.argument("reference", metavar="MAILING")


class Words(click.Choice[Any]):
    """The words of a core enum as tables and books write them: click would ask for the names, `IN_DOUBT`."""

    def normalize_choice(self, choice: Any, ctx: click.Context | None) -> str:
        """The word that is typed for a choice."""
        return str(choice)


class Moment(click.ParamType[datetime]):
    """A moment in ISO 8601 with a time zone."""

    name = "MOMENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment; write 2026-12-24T18:00+01:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} needs a time zone, such as 2026-12-24T18:00+01:00", param, ctx)
        return moment
