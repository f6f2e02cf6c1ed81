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
    for context in commands():
        depth = "##" if context.parent and context.parent.parent is None else "###"
        parts += [f"{depth} {context.command_path}", markdown.fenced("text", _help(context))]
    return markdown.page(*parts)


def commands(below: click.Context | None = None) -> Iterator[click.Context]:
    """Every command, as a context that knows the words it is called by; hidden ones are left out."""
    context = below or click.Context(main, info_name="mailqctl", **main.context_settings)
    if not isinstance(context.command, click.Group):
        return
    for name in context.command.list_commands(context):
        found = context.command.get_command(context, name)
        if found is not None and not found.hidden:
            child = click.Context(found, info_name=name, parent=context, **found.context_settings)
            yield child
            yield from commands(child)


def _help(context: click.Context) -> str:
    formatter = click.HelpFormatter(width=100)
    context.command.format_help(context, formatter)
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
