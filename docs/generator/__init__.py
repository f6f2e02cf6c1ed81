"""Makes the pages of this directory that follow from the code: `.venv/bin/python -m docs.generator`.

A test holds every page to what its maker says, so a page is never out of date.
"""

from collections.abc import Callable
from pathlib import Path

from docs.generator import commands, objects, openapi, picture, schema, settings, states

HERE = Path(__file__).parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "call-objects.md": objects.page,
    "cli.md": commands.page,
    "img/at-a-glance-dark.svg": lambda: picture.page(picture.DARK),
    "img/at-a-glance-light.svg": lambda: picture.page(picture.LIGHT),
    "openapi.json": openapi.page,
    "schema.md": schema.page,
    "settings.md": settings.page,
    "state-machines.md": states.page,
}


def write_all(directory: Path = HERE) -> list[str]:
    """Write the pages that differ from what is there; their names."""
    changed = []
    for name, make in PAGES.items():
        path, text = directory / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed
