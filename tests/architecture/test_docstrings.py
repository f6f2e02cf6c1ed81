"""Everything public says what it is for."""

import ast
from collections.abc import Iterator

from tests.architecture.tree import ROOT, files, modules, named, parsed

# Documented where they come from: asyncio's protocols, alembic's revisions, Django's models.
ELSEWHERE = {"connection_made", "data_received", "connection_lost", "upgrade", "downgrade", "Meta"}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_everything_public_has_a_docstring() -> None:
    """Modules, packages, classes, functions and methods; a dunder explains itself."""
    silent = [
        f"{named(path)}: {name}"
        for path in modules("mailq", "workers")
        for name, node in _public(parsed(path), path.stem)
        if not ast.get_docstring(node) and name.rpartition(".")[2] not in ELSEWHERE
    ]

    assert silent == []


def test_a_docstring_begins_with_one_sentence() -> None:
    """Help texts, and the generated pages, show the first line alone."""
    loose = [
        f"{named(path)}: {name}: {first}"
        for path in modules("mailq", "workers", "docs", "tests")
        for name, node in _public(parsed(path), path.stem)
        if (first := (ast.get_docstring(node) or "").split("\n\n")[0]) and first[-1] not in ".:!?`"
    ]

    assert loose == []


def test_every_directory_of_code_is_a_package_that_introduces_itself() -> None:
    """Whoever opens a directory reads there what it is for."""
    directories = {path.parent for package in ("mailq", "workers") for path in files(ROOT / package) if path.suffix == ".py"}
    silent = [
        named(directory)
        for directory in sorted(directories)
        if not (directory / "__init__.py").exists() or not ast.get_docstring(parsed(directory / "__init__.py"))
    ]

    assert [name for name in silent if name != "mailq/store/migrations/versions"] == []


def _public(module: ast.Module, stem: str) -> Iterator[tuple[str, Documented]]:
    yield stem, module
    yield from _public_within(module, "")


def _public_within(node: Documented, prefix: str) -> Iterator[tuple[str, Documented]]:
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield prefix + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from _public_within(child, f"{prefix}{child.name}.")
