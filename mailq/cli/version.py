"""`version`."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import click

from mailq import __version__
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_facts, print_json

PACKAGES = ("celery", "kombu", "redis", "sqlalchemy", "psycopg2-binary", "alembic", "flower", "uvloop")


@click.command(context_settings=CONTEXT, epilog=examples("version --json"))
@json_option()
def version(*, as_json: bool) -> None:
    """Show the versions of mailq, Python and what it stands on."""
    facts = versions()
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def versions() -> dict[str, str | None]:
    """Versions by name; None for an optional package that is not installed."""
    return {"mailq": __version__, "python": platform.python_version(), **{name: _of(name) for name in PACKAGES}}


def _of(name: str) -> str | None:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return None
