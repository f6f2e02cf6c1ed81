"""`settings.md`: every setting, from the models in `mailq.settings`."""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.generator import markdown
from mailq.settings import Settings

_INTRODUCTION = (
    "Settings are read once, when a process starts. The strongest source wins, setting by setting:",
    (
        "1. variables of the environment, such as `MAILQ_RELAY__SESSIONS=20`;\n"
        "2. files in `/run/secrets`, named like the variable in lower case: `/run/secrets/mailq_database_url`;\n"
        "3. `mailq.toml` in the working directory;\n"
        "4. `stack.toml` in `MAILQ_HOME`, which a running local stack (`mailqctl up`) leaves there."
    ),
    "In a file a part is a table:",
    markdown.fenced(
        "toml", 'relay_url = "smtp://relay.example:25"\nstop_grace = "45s"\n\n[relay]\nsessions = 50\ndot_timeout = "12m"'
    ),
    (
        "A duration is `250ms`, `90s`, `5m`, `72h` or `3d`, ISO 8601, or a bare number of seconds. A key of a file that is not in these "
        "tables is refused by name; `mailqctl doctor` names unknown variables. `mailqctl config show` prints what is in force. "
        "No message ever shows the value of a setting."
    ),
)
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)), ("s", timedelta(seconds=1)))


class Setting(NamedTuple):
    """One setting: its variable, and what its field says."""

    variable: str
    default: str
    meaning: str


def page() -> str:
    """The page."""
    parts = [markdown.head("Settings", "mailq/settings.py", *_INTRODUCTION)]
    for title, about, prefix, model in _models():
        parts += [f"## {title}", *([about] if about else []), _table(model, prefix)]
    return markdown.page(*parts)


def variables() -> list[str]:
    """The name of every variable that is a setting."""
    return [setting.variable for _, _, prefix, model in _models() for setting in _settings(model, prefix)]


def _models() -> Iterator[tuple[str, str, str, type[BaseModel]]]:
    yield "General", "", "MAILQ_", Settings
    for name, field in Settings.model_fields.items():
        if part := _part(field):
            yield f"`[{name}]`", inspect.getdoc(part) or "", f"MAILQ_{name.upper()}__", part


def _part(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _table(model: type[BaseModel], prefix: str) -> str:
    rows = [(markdown.code(each.variable), each.default, each.meaning) for each in _settings(model, prefix)]
    return markdown.table(("Variable", "Default", "Meaning"), rows)


def _settings(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if _part(field) is None:
            yield Setting(f"{prefix}{name.upper()}", _default(field.default), "; ".join(filter(None, _meaning(field))))


def _meaning(field: FieldInfo) -> Iterator[str]:
    yield field.description or ""
    if get_origin(field.annotation) is Literal:
        yield " or ".join(markdown.code(word) for word in get_args(field.annotation))
    if field.annotation is not timedelta:
        yield _span(field.metadata)


def _span(limits: list[Any]) -> str:
    low = next(
        (limit.ge for limit in limits if isinstance(limit, Ge)),
        next((limit.gt for limit in limits if isinstance(limit, Gt)), None),
    )
    high = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    if low is None:
        return ""
    return f"{low} to {high}" if high is not None else f"at least {low}"


def _default(value: object) -> str:
    match value:
        case None:
            return "none"
        case timedelta():
            return markdown.code(duration(value))
        case _:
            return markdown.code(value)


def duration(span: timedelta) -> str:
    """A time span as people write it in settings: in the largest unit that divides it, days only from a week on."""
    for unit, size in _UNITS:
        if span % size == timedelta(0) and (unit != "d" or span >= timedelta(days=7)):
            return f"{span // size}{unit}"
    return f"{span / timedelta(milliseconds=1):g}ms"
