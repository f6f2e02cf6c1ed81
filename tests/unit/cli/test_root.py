"""Every error of the world becomes one sentence and its own exit code, in one place."""

import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from mailq import errors
from mailq.cli.root import Root


def run(action: Callable[[], None]) -> Result:
    root = Root("mailqctl", entries={})
    command = click.Command("act", callback=action)
    root.get_command = lambda ctx, name: command  # type: ignore[method-assign]
    root.entries = {"act": None}  # type: ignore[dict-item]
    return CliRunner().invoke(root, ["act"])


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.MailqError("it went wrong"), 1),
        (errors.NotFound("it went wrong"), 4),
        (errors.Conflict("it went wrong"), 5),
        (errors.BadInput("it went wrong"), 65),
        (errors.Unavailable("it went wrong"), 69),
        (errors.LeaseError("it went wrong"), 75),
        (errors.Misconfigured("it went wrong"), 78),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_of_the_world_is_a_sentence_on_stderr_and_an_exit_code(error: errors.MailqError, code: int) -> None:
    result = run(raising(error))

    assert result.exit_code == code
    assert result.stderr == "mailqctl: it went wrong\n"
    assert result.stdout == ""


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    result = run(raising(ValueError("ours")))

    assert isinstance(result.exception, ValueError)


def test_ctrl_c_is_130_without_a_word() -> None:
    result = run(raising(KeyboardInterrupt()))

    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_an_error_cannot_speak_to_the_terminal() -> None:
    result = run(raising(errors.BadInput("name \x1b[31mred\x07")))

    assert result.stderr == "mailqctl: name \\x1b[31mred\\x07\n"


def test_a_reader_that_has_seen_enough_ends_us_quietly() -> None:
    program = (
        "from mailq.cli.root import Root\n"
        "import click\n"
        "def act():\n"
        "    for line in range(200_000): print(line)\n"
        "root = Root('x', entries={'act': None})\n"
        "root.get_command = lambda ctx, name: click.Command('act', callback=act)\n"
        "root(['act'])\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        assert writer.stderr
        assert writer.stdout.readline() == "0\n"
        writer.stdout.close()
        assert writer.stderr.read() == ""
        assert writer.wait(30) == 141


def test_no_locale_makes_a_traceback_of_a_name() -> None:
    program = (
        "import click\n"
        "from mailq.cli.root import Root\n"
        "root = Root('x', entries={'act': None})\n"
        "root.get_command = lambda ctx, name: click.Command('act', callback=lambda: click.echo('小明 \\udcff'))\n"
        "root(['act'])\n"
    )
    latin = {"PYTHONIOENCODING": "latin-1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=latin)

    assert done.stdout.decode("utf-8") == "小明 \\udcff\n"
