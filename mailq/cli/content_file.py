"""What a mailing says, from options and a content file.

subject = "{{ first_name }}, spring is here"
sender = "Blumen Fröhlich <hello@shop.example>"
text_file = "spring.txt"          # or text = "…"; paths are relative to this file
html_file = "spring.html"
[headers]
List-Unsubscribe = "<https://shop.example/u/{{ token }}>"
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mailq.core.message import Content
from mailq.errors import BadInput

_BODIES = ("text", "html")
_LONGEST_BODY = 10_000_000


def read_content(path: Path | None, given: Mapping[str, str | None], headers: Sequence[str] = ()) -> Content:
    """The content that a file and options make together; an option wins over the file.

    Args:
        given: parts of a content by name; None where the option was not used.
        headers: `NAME=VALUE` each.

    Raises:
        BadInput: a file cannot be read, or a part is missing or at fault.
    """
    parts = _from_file(path) if path is not None else {}
    parts |= {name: value for name, value in given.items() if value is not None}
    if headers:
        parts["headers"] = {**(parts.get("headers") or {}), **dict(_header(each) for each in headers)}
    if not parts:
        raise BadInput("no content: name a content file with --content, or give --subject, --from and --text or --html")
    for part, option in (("subject", "--subject"), ("sender", "--from")):
        if parts.get(part) is None:
            raise BadInput(f"no {part}: give {option}, or `{part} = …` in the content file")
    return Content.from_mapping(parts)


def body(value: str) -> str:
    """A body given on the command line: `@FILE` or the name of a file is read, everything else is the text itself.

    Raises:
        BadInput: the file cannot be read, or a name was meant and there is no such file.
    """
    if value.startswith("@"):
        return read_text(Path(value[1:]))
    looks_like_a_name = len(value) < 1000 and value.isprintable() and not any(c.isspace() for c in value)
    if looks_like_a_name and Path(value).is_file():
        return read_text(Path(value))
    if looks_like_a_name and Path(value).suffix.lower() in {".txt", ".html", ".htm", ".j2", ".jinja", ".md"}:
        raise BadInput(f"there is no file {value}")
    return value


def read_text(path: Path) -> str:
    """A file of UTF-8 text.

    Raises:
        BadInput: it is missing, unreadable, too large, or not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) > _LONGEST_BODY:
        raise BadInput(f"{path} has {len(content):,} bytes; a body has at most {_LONGEST_BODY:,}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8") from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        parts = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is no TOML: {error}") from None
    for name in _BODIES:
        file = parts.pop(f"{name}_file", None)
        if file is None:
            continue
        if name in parts:
            raise BadInput(f"{path} has both {name} and {name}_file; leave one out")
        if not isinstance(file, str):
            raise BadInput(f"{path}: {name}_file must be the name of a file")
        parts[name] = read_text(path.parent / file)
    return parts


def _header(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (name.strip() and equals):
        raise BadInput(f"--header {given!r} is not NAME=VALUE")
    return name.strip(), value.strip()
