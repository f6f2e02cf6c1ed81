"""Help is quick, complete, and says how."""

import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from mailq.cli import main
from mailq.cli.lazy import LazyGroup

HEAVY = ("sqlalchemy", "celery", "alembic", "kombu", "redis", "pydantic", "rich", "psycopg2", "jinja2")


def every_command(group: click.Group = main, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{name} is listed and cannot be imported"
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += every_command(command, (*path, name))
    return found


COMMANDS = every_command()


@pytest.mark.parametrize("words", [["--help"], ["mailing", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        f"import sys; sys.argv = ['mailqctl', *{words!r}]\n"
        "from mailq.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "LOADED []" in done.stdout
    assert "Commands:" in done.stdout


def test_help_answers_at_once() -> None:
    """Counted in CPU time of the process, so that a busy machine does not fail it."""
    program = "import time\nfrom mailq.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint('CPU', time.process_time())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert float(done.stdout.rpartition("CPU ")[2]) < 0.3
    assert time.process_time() > 0


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_says_what_it_does_and_shows_an_example(path: tuple[str, ...], command: click.Command) -> None:
    shown = CliRunner().invoke(main, [*path, "-h"])

    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"mailqctl {path[0]}" in shown.output
    assert command.help


@pytest.mark.parametrize("group", [main, *(command for _, command in COMMANDS if isinstance(command, LazyGroup))])
def test_the_line_shown_without_import_is_about_the_command_that_is_imported(group: LazyGroup) -> None:
    for name, entry in group.entries.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        assert command.name == name
        assert len(entry.help) < 72
        assert entry.help.endswith(".")


def test_no_line_of_help_is_wider_than_a_small_terminal() -> None:
    for path, _ in COMMANDS:
        shown = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)
        wide = [line for line in shown.output.partition("Example")[0].splitlines() if len(line) > 80]
        assert not wide, f"{path}: {wide}"


def test_a_name_that_is_nearly_a_command_is_answered_with_the_command() -> None:
    result = CliRunner().invoke(main, ["mailing", "sumbit"])

    assert result.exit_code == 2
    assert "did you mean `submit`?" in result.output
