"""A content comes from a file, from options, or from both, and faults are named by their place."""

from pathlib import Path

import pytest

from mailq.cli.content_file import body, read_content, read_text
from mailq.errors import BadInput

FILE = """
subject = "Hi {{ name }}"
sender = "Shop <shop@x.example>"
text_file = "body.txt"
[headers]
X-A = "1"
X-B = "2"
"""


@pytest.fixture
def content(tmp_path: Path) -> Path:
    (tmp_path / "body.txt").write_text("Grüße, {{ name }}\n", encoding="utf-8")
    path = tmp_path / "content.toml"
    path.write_text(FILE)
    return path


def test_files_are_found_beside_the_content_file(content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")

    read = read_content(content, {})

    assert (read.subject, read.text, dict(read.headers)) == ("Hi {{ name }}", "Grüße, {{ name }}\n", {"X-A": "1", "X-B": "2"})


def test_an_option_wins_over_the_file(content: Path) -> None:
    read = read_content(content, {"subject": "Other", "html": None}, ["X-B=3", "X-C = a=b"])

    assert read.subject == "Other"
    assert read.html is None
    assert dict(read.headers) == {"X-A": "1", "X-B": "3", "X-C": "a=b"}


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        ("subject = 5\n", "subject"),
        ("colour = 'red'\n", "colour"),
        ("text = 'also'\n", "both text and text_file"),
        ("html_file = 3\n", "html_file must be the name"),
        ("html_file = 'none.html'\n", "none.html cannot be read: no such file"),
        ("= broken", "is no TOML"),
    ],
)
def test_a_content_file_at_fault_is_refused_by_name(content: Path, addition: str, reason: str) -> None:
    old = content.read_text()
    content.write_text(addition + (old.replace('subject = "Hi {{ name }}"', "") if addition.startswith("subject") else old))

    with pytest.raises(BadInput, match=reason):
        read_content(content, {})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "no content"),
        ({"subject": "x", "text": "y"}, "--from"),
        ({"sender": "a@x.example", "text": "y"}, "--subject"),
        ({"sender": "a@x.example", "subject": "x"}, "neither a text nor an html"),
    ],
)
def test_what_is_missing_is_said_with_its_option(given: dict[str, str | None], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_content(None, given)


@pytest.mark.parametrize("header", ["X-A", "=x", " = x"])
def test_a_header_option_needs_a_name_and_a_value(header: str) -> None:
    with pytest.raises(BadInput, match="NAME=VALUE"):
        read_content(None, {"sender": "a@x.example", "subject": "x", "text": "y"}, [header])


def test_a_body_may_be_a_file_or_the_text_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello").write_text("from the file")

    assert body("hello") == "from the file"
    assert body("@hello") == "from the file"
    assert body("hello, you") == "hello, you"
    assert body("{{ text }}") == "{{ text }}"


@pytest.mark.parametrize("value", ["missing.txt", "dir/missing.html", "@missing"])
def test_a_file_that_was_meant_and_is_not_there_is_no_text(value: str) -> None:
    with pytest.raises(BadInput, match="missing"):
        body(value)


def test_a_byte_that_is_no_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"one\ntwo \xe4\n")

    with pytest.raises(BadInput, match="line 2: byte 0xe4 is not UTF-8"):
        read_text(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.txt"
    path.write_bytes("\ufeffhello".encode())

    assert read_text(path) == "hello"
