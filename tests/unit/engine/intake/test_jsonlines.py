"""JSON Lines: what is taken, and what costs its line."""

from pathlib import Path

import pytest

from mailq.engine.intake import Record, open_source
from mailq.errors import BadInput


def read(tmp_path: Path, content: str, name: str = "people.jsonl", **options: str) -> list[Record]:
    path = tmp_path / name
    path.write_text(content, newline="")
    with open_source(path, **options) as source:
        return list(source.records())


def test_nested_values_are_variables(tmp_path: Path) -> None:
    found = read(tmp_path, '{"Email": "a@example.org", "items": [{"n": 1.5}], "ok": null}\r\n\n')

    assert found == [Record(1, "a@example.org", {"items": [{"n": 1.5}], "ok": None})]


def test_it_is_recognised_without_its_extension(tmp_path: Path) -> None:
    assert read(tmp_path, '{"email": "a@example.org"}\n', "people")[0].address == "a@example.org"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "it is no JSON"),
        ("[1]", "no object"),
        ('"a@example.org"', "no object"),
        ('{"name": "A"}', "it has no `email`"),
        ('{"email": 7}', "`email` is no string"),
        ('{"email": "a@example.org", "x": NaN}', "NaN"),
        ('{"email": "a@example.org", "x": -Infinity}', "Infinity"),
        ('{"email": "a@example.org", "x": 1e999}', "too large"),
        ('{"email": "a@example.org", "x": ' + "9" * 5000 + "}", "too many digits"),
        ('{"email": "a@example.org", "x": "\\u0000"}', "NUL"),
        ('{"email": "a@example.org", "x": {"\\\\\\u0000": 1}}', "NUL"),
        ('{"email": "a@example.org", "x": "\\ud800"}', "surrogate"),
        ('{"email": "a@example.org", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"email": "a@example.org", "x": "' + "y" * 1_000_001 + '"}', "longer than 1,000,000"),
        ('{"email": "a@example.org", "x": "' + "y" * 10_000_000 + '"}', "longer than 4,000,000"),
    ],
)
def test_a_line_at_fault_says_why_and_leaves_the_others_alone(tmp_path: Path, line: str, reason: str) -> None:
    found = read(tmp_path, f'{{"email": "first@example.org"}}\n{line}\n{{"email": "last@example.org"}}\n')

    assert [each.line for each in found] == [1, 2, 3]
    assert [each.address for each in found if each.fault is None] == ["first@example.org", "last@example.org"]
    assert reason in str(found[1].fault)


def test_what_only_looks_like_a_nul_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, '{"email": "a@example.org", "x": "\\\\u0000 \\ud83c\\udf37"}\n')[0].variables == {"x": "\\u0000 🌷"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('[{"email": "a@example.org"}]', "JSON array"),
        ('{"name": "A"}\n', "no address column"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_no_json_lines_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read(tmp_path, content)


def test_the_user_may_name_the_key(tmp_path: Path) -> None:
    found = read(tmp_path, '{"work": "w@example.org", "email": "p@example.org"}\n', address_column="work")

    assert found == [Record(1, "w@example.org", {"email": "p@example.org"})]
