"""The examples of the pages, as their readers would copy them: each fence behind `<!-- example: NAME -->`."""

import re
from functools import cache
from pathlib import Path

from tests.architecture.tree import ROOT

_MARKED = re.compile(r"^<!-- example: (\S+) -->\n+```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def of_page(page: str) -> dict[str, str]:
    """The examples of a page (`docs/doors/http.md`) by their names, which have the ending of a file.

    Raises:
        AssertionError: a mark is followed by no fence, or two have one name.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    found = _MARKED.findall(text)
    assert len(dict(found)) == text.count("<!-- example: "), f"{page}: a mark without a fence, or a name that is there twice"
    return dict(found)


def write(page: str, name: str, directory: Path) -> Path:
    """An example as a file of its own, to be run."""
    path = directory / name
    path.write_text(of_page(page)[name], encoding="utf-8")
    return path
