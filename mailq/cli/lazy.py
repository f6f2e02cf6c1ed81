"""Groups whose commands are imported when they are called: `mailqctl --help` must not wait for SQLAlchemy."""

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """Where a command lives (`module:attribute`), and the line that help shows for it without importing it."""

    place: str
    help: str


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order they were written down: the everyday ones first."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a name that is nearly one is answered with a suggestion."""
        if args and not args[0].startswith("-") and args[0] not in self.entries:
            near = difflib.get_close_matches(args[0], self.entries, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(self.entries)}"
            raise click.UsageError(f"no command `{args[0]}`; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])
