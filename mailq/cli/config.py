"""`config show`: the settings in force, secrets blotted out."""

from datetime import timedelta
from typing import Any

import click
from pydantic import SecretStr

from mailq import urls
from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import plain, print_facts, print_json
from mailq.errors import Misconfigured
from mailq.settings import Settings


@click.group(context_settings=CONTEXT, epilog=examples("config show"))
def config() -> None:
    """Show the settings in force."""


@config.command("show", context_settings=CONTEXT, epilog=examples("config show --json"))
@json_option()
def show(*, as_json: bool) -> None:
    """Show every setting and its value, passwords blotted out."""
    facts = described(parts.load())
    if as_json:
        print_json(facts)
    else:
        print_facts({name: "-" if value is None else str(value) for name, value in facts.items()})


def described(chosen: Settings) -> dict[str, Any]:
    """Settings by the names of their environment variables."""
    return {f"MAILQ_{name.upper()}": value for name, value in _flat(chosen.model_dump())}


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}__")
        else:
            found.append((f"{prefix}{name}", _shown(value)))
    return found


def _shown(value: object) -> object:
    match value:
        case SecretStr():
            return redacted(value.get_secret_value())
        case None | bool() | int() | float():
            return value
        case timedelta():
            return f"{value.total_seconds():g}s"
        case _:
            return plain(value)


def redacted(url: str) -> str:
    """A URL as it may be shown; one that cannot be read is three stars, for who knows what it holds."""
    try:
        return urls.shown(url, "it")
    except Misconfigured:
        return "***"
