"""Modules and functions stay small enough to be read at one sitting."""

import ast
from collections.abc import Iterator

from tests.architecture.tree import modules, named, parsed

MODULE_LINES = {"mailq": 400, "workers": 400, "docs": 400, "tests": 600}
FUNCTION_LINES = 40

# A schema as it was run, and a table of settings with a reason each.
TABLES = {"mailq/store/migrations/versions", "mailq/broker/config.py"}


def test_no_module_is_longer_than_400_lines() -> None:
    """Past that there is a second noun in it. Tests, which are read one at a time, may have 600."""
    sizes = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*MODULE_LINES)}
    longest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    print("longest modules:", *(f"{lines:4} {name}" for name, lines in longest), sep="\n  ")

    assert [f"{name}: {lines}" for name, lines in sizes.items() if lines > MODULE_LINES[name.split("/")[0]]] == []


def test_no_function_body_is_longer_than_40_lines() -> None:
    """Counted from the first statement after the docstring: documentation is never too long, and signatures are not code."""
    sizes = {f"{where} {name}": lines for where, name, lines in _functions()}
    longest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    print("longest functions:", *(f"{lines:4} {name}" for name, lines in longest), sep="\n  ")

    assert [f"{name}: {lines}" for name, lines in sizes.items() if lines > FUNCTION_LINES] == []


def _functions() -> Iterator[tuple[str, str, int]]:
    for path in modules(*MODULE_LINES):
        if named(path).startswith(tuple(TABLES)):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[ast.get_docstring(node) is not None :]
                yield f"{named(path)}:{node.lineno}", node.name, (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
