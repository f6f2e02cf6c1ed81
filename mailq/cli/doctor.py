"""`doctor`."""

from collections.abc import Iterator
from dataclasses import asdict

import click

from mailq.cli import parts
from mailq.cli.findings import Finding, Level, asked, fail
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import clean, console, print_json, print_line, stdout_is_terminal
from mailq.errors import Misconfigured

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


@click.command(context_settings=CONTEXT, epilog=examples("doctor", "doctor --json"))
@json_option("Print a JSON array.")
def doctor(*, as_json: bool) -> None:
    """Look for what is wrong, and say how to fix it. Exit code 1 if something cannot work."""
    found = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in found])
    if any(finding.level is Level.FAIL for finding in found):
        raise SystemExit(1)


def examine() -> Iterator[Finding]:
    """Everything there is to look at, as it is found. Settings at fault end it: all else depends on them."""
    from mailq.cli import checks_here, checks_services

    yield from checks_here.of_python()
    yield from checks_here.of_environment()
    try:
        chosen = parts.load()
    except Misconfigured as error:
        yield fail("settings", str(error), "correct them")
        return
    yield from checks_here.of_home(chosen.home)
    start = "start it, or correct {}; `mailqctl up` brings one"
    for what, fix, ask in (
        ("database", start.format("MAILQ_DATABASE_URL"), checks_services.of_database),
        ("broker", start.format("MAILQ_REDIS_URL"), checks_services.of_broker),
        ("relay", start.format("MAILQ_RELAY_URL"), checks_services.of_relay),
    ):
        yield from asked(what, fix, lambda ask=ask: ask(chosen))  # type: ignore[misc]


def _print(finding: Finding) -> None:
    text = _in_one_line(clean(finding.text))
    if stdout_is_terminal():
        from rich.text import Text

        line = Text(f"{finding.level:<5}", style=_STYLES[finding.level]) + Text(f"{finding.what:<9} {text}", style="")
        console().print(line)
    else:
        print_line(f"{finding.level:<5}{finding.what:<9} {text}")
    if finding.fix:
        print_line(f"     {'':<9} → {finding.fix}")


def _in_one_line(text: str) -> str:
    """Several lines as one: a heading that ends with a colon is followed by what it announces."""
    lines = [line.strip() for line in text.splitlines()]
    return "; ".join(lines).replace(":; ", ": ")
