"""`state-machines.md`: a diagram and a table of every machine of the core, from its `NEXT` and the words below its states."""

import ast
import inspect
from collections.abc import Mapping
from enum import StrEnum
from types import ModuleType

from docs.generator import markdown
from mailq.core import batch, call, conversation, delivery, mailing, notification, server

MACHINES: tuple[ModuleType, ...] = (mailing, batch, delivery, server, conversation, call, notification)

_INTRODUCTION = (
    (
        "Every legal step is written down once, in the mapping `NEXT` of the module named below. A step that is not there is refused "
        "before anything is written, the `CHECK` constraints of the [schema](schema.md) are made from the same states, and so is this page."
    ),
    "The counters of a mailing follow the states of its deliveries, and balance at every moment:",
    "`num_profiles = num_pending + num_deferred + num_sent + num_errors + num_skipped + num_in_doubt`",
)


def page() -> str:
    """The page."""
    return markdown.page(
        markdown.head("State machines", "`NEXT` in mailq/core", *_INTRODUCTION),
        *(part for module in MACHINES for part in _section(module)),
        *_words_for("Why a recipient is skipped", delivery.Skip),
    )


def _section(module: ModuleType) -> list[str]:
    name = module.__name__.rpartition(".")[2]
    steps: Mapping[StrEnum, frozenset[StrEnum]] = module.NEXT
    meanings = meanings_of(type(next(iter(steps))))
    rows = [(markdown.code(state), meanings.get(state.name, ""), _listed(steps, state)) for state in steps]
    return [
        f"## {name.capitalize()}",
        f"{inspect.getdoc(module)} (`mailq/core/{name}.py`)",
        markdown.fenced("mermaid", _diagram(steps)),
        markdown.table(("State", "Meaning", "Next"), rows),
    ]


def _diagram(steps: Mapping[StrEnum, frozenset[StrEnum]]) -> str:
    arrows = [f"    [*] --> {next(iter(steps))}"]
    for before in steps:
        arrows += [f"    {before} --> {after}" for after in steps if after in steps[before]]
        if not steps[before]:
            arrows.append(f"    {before} --> [*]")
    return "\n".join(["stateDiagram-v2", "    direction LR", *arrows])


def _listed(steps: Mapping[StrEnum, frozenset[StrEnum]], state: StrEnum) -> str:
    return ", ".join(markdown.code(after) for after in steps if after in steps[state]) or "(the end)"


def _words_for(title: str, words: type[StrEnum]) -> list[str]:
    return [f"## {title}", ", ".join(markdown.code(word) for word in words) + "."]


def meanings_of(states: type[StrEnum]) -> dict[str, str]:
    """The string below each member of an enum in its source, by the member's name."""
    body = ast.parse(inspect.getsource(states)).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{states} is no class")
    found: dict[str, str] = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        match statement, following:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
