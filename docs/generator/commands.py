"""`cli.md`: every command of mailqctl with its options, and the exit codes from `mailq.errors`."""

import inspect
from collections.abc import Iterator

import click

from docs.generator import markdown
from mailq import errors
from mailq.cli import main

_INTRODUCTION = (
    (
        "`mailqctl` is the console script; `./run WORDS` is `mailqctl WORDS` in the locked environment. Data goes to stdout, progress and "
        "messages to stderr; every reading command has `--json`."
    ),
)
# Those that are not an error of ours: the shell's, click's, and a signal's.
_OTHER_CODES = {
    0: "Done.",
    2: "Wrong usage: unknown command or option.",
    130: "Ctrl-C.",
    141: "Nobody reads the output any more (`| head`).",
}


def page() -> str:
    """The page."""
    parts = [markdown.head("Commands", "mailq/cli", *_INTRODUCTION), "## Exit codes", _exit_codes()]
    for path, command in commands():
        parts += [f"{'#' * min(2 + (len(path) > 1), 3)} mailqctl {' '.join(path)}", markdown.fenced("text", _help(path, command))]
    return markdown.page(*parts)


def commands(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below one, with the words it is called by; hidden ones are left out."""
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and not found.hidden:
            yield (*path, name), found
            yield from commands(found, (*path, name))


def _help(path: tuple[str, ...], command: click.Command) -> str:
    context = None
    for name in ("mailqctl", *path):
        context = click.Context(command, info_name=name, parent=context, terminal_width=100, max_content_width=100)
    formatter = click.HelpFormatter(width=100)
    command.format_help(context or click.Context(command), formatter)
    return formatter.getvalue()


def _exit_codes() -> str:
    ours = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MailqError)]
    own = [kind for kind in ours if "exit_code" in vars(kind)]
    codes = dict(_OTHER_CODES)
    for kind in own:
        codes[kind.exit_code] = "Failed." if kind is errors.MailqError else _first_line(kind)
    return markdown.table(("Code", "Meaning"), [(str(code), codes[code]) for code in sorted(codes)])


def _first_line(kind: type[object]) -> str:
    line = (inspect.getdoc(kind) or "").splitlines()[0]
    return line[:1].upper() + line[1:]
