"""The setting MAILQ: where mailq is, as seen from a Django project.

MAILQ = {"DATABASE": "default"}                                # a database of DATABASES that holds mailq's tables, or
MAILQ = {"DATABASE": "https://mailq.example", "KEY": "mq_…"}   # the address of another door
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from mailq.contrib.kept import Entrance

NAMES = ("DATABASE", "OUTBOX", "KEY", "ORGANIZATION", "SCHEMA")
_URL = re.compile(r"[a-z0-9+]+://")
_POSTGRES = re.compile(r"postgres(ql)?(\+psycopg2?)?://")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the setting says.

    Attributes:
        alias: the database of Django in whose transaction mail is written, or None.
        entrance: the door elsewhere, if it is none of Django's databases.
        by_outbox: whether that database holds an outbox instead of mailq's tables.
    """

    alias: str | None
    entrance: Entrance | None
    organization: str
    schema: str | None
    by_outbox: bool = False

    @property
    def books(self) -> str | None:
        """The database of Django that holds mailq's tables, or None."""
        return None if self.by_outbox else self.alias


def configured(**options: str | None) -> Configuration:
    """The setting, with what a mailer's OPTIONS say instead of it.

    Raises:
        ImproperlyConfigured: something of it cannot be.
    """
    said, instead = given(), {name.upper(): value for name, value in options.items() if value is not None}
    if isinstance(said, Mapping):
        said = {**said, **instead, **({"OUTBOX": None} if "DATABASE" in instead else {})}
    for fault in faults(said):
        raise ImproperlyConfigured(f"MAILQ: {fault}")
    if said.get("OUTBOX"):
        return Configuration(said["OUTBOX"], None, "default", None, by_outbox=True)
    database, key = said.get("DATABASE") or DEFAULT_DB_ALIAS, said.get("KEY")
    organization, schema = said.get("ORGANIZATION") or "default", said.get("SCHEMA")
    if _URL.match(database):
        return Configuration(None, Entrance(database, key, organization, schema), organization, schema)
    return Configuration(database, None, organization, schema)


def given() -> Any:
    """The setting as it stands in the project."""
    return getattr(settings, "MAILQ", {})


def faults(said: Any) -> Iterator[str]:
    """What is wrong with a setting, without connecting to anything."""
    if not isinstance(said, Mapping):
        yield f"it must be a dict, not {type(said).__name__}"
        return
    shape = list(_shape_faults(said))
    yield from shape or _faults_together(said)


def _shape_faults(said: Mapping[str, Any]) -> Iterator[str]:
    for name, value in said.items():
        if name not in NAMES:
            yield f"there is no {name}; there are {', '.join(NAMES)}"
        elif value is not None and not isinstance(value, str):
            yield f"{name} must be a string"


def _faults_together(said: Mapping[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", said.get("SCHEMA") or "public"):
        yield "SCHEMA must be the name of a schema, in letters, digits and underscores"
    outbox = said.get("OUTBOX")
    if outbox is None:
        yield from _door_faults(said.get("DATABASE") or DEFAULT_DB_ALIAS, said.get("KEY"))
    elif others := [name for name in NAMES if name != "OUTBOX" and said.get(name) is not None]:
        yield f"with OUTBOX it is the relay that knows where mailq is, and {others[0]} says nothing"
    elif outbox not in settings.DATABASES:
        yield f"OUTBOX is none of DATABASES ({', '.join(sorted(settings.DATABASES))}): {outbox}"


def _door_faults(database: str, key: str | None) -> Iterator[str]:
    if not _URL.match(database):
        yield from _alias_faults(database)
    elif database.startswith(("http://", "https://")):
        if not key:
            yield "DATABASE is an address of the HTTP API, and there is no KEY for it"
    elif not _POSTGRES.match(database):
        # The address itself may carry a password.
        yield f"DATABASE has the scheme {database.partition(':')[0]}; it must be postgresql, https, or the name of a database of DATABASES"


def _alias_faults(alias: str) -> Iterator[str]:
    database = settings.DATABASES.get(alias)
    if database is None:
        yield f"DATABASE is neither an address nor one of DATABASES ({', '.join(sorted(settings.DATABASES))}): {alias}"
    elif "postg" not in database.get("ENGINE", ""):
        yield f"DATABASES[{alias!r}] is no PostgreSQL; give it an OUTBOX, or name the address of mailq"
