"""The dry run finds what a submit would find, shows the first mail, and stores nothing."""

from pathlib import Path

import pytest

from mailq.core.message import Content
from mailq.engine.intake import open_source
from mailq.engine.intake import preview as preview_module
from mailq.engine.intake.preview import Fault
from mailq.engine.producer import MailingOrder, Preview, preview
from mailq.errors import BadInput


def look(tmp_path: Path, recipients: str, text: str = "Dear {{ name }}\n", name: str = "people.csv", **options: int) -> Preview:
    path = tmp_path / name
    path.write_text(recipients)
    content = Content(subject="Hi {{ name }}", sender="Shop <shop@example.org>", text=text)
    with open_source(path) as source:
        return preview(MailingOrder("Spring", content), source, **options)


def test_it_counts_everything_and_renders_the_first_valid_recipients_mail(tmp_path: Path) -> None:
    found = look(tmp_path, "email,name\nbad,B\na@example.org,Ann\nA@example.org,Ann\nb@example.org\n")

    assert (found.num_records, found.num_valid, found.num_invalid, found.num_duplicates) == (4, 1, 2, 1)
    assert found.duplicates_exact
    assert [fault.line for fault in found.faults] == [2, 5]
    assert found.address == "a@example.org"
    assert found.message is not None
    assert b"Subject: Hi Ann\r\n" in found.message
    assert found.message.endswith(b"Dear Ann\r\n")


def test_a_recipient_that_lacks_a_variable_is_found_first(tmp_path: Path) -> None:
    lines = '{"email": "a@example.org"}\n{"email": "b@example.org", "name": "Bob"}\n'

    found = look(tmp_path, lines, name="people.jsonl")

    assert found.num_incomplete == 1
    assert found.faults == [Fault(1, "it lacks `name`, which the content needs")]
    assert found.address == "b@example.org"


def test_a_mail_that_cannot_be_made_is_a_fault_with_its_line(tmp_path: Path) -> None:
    found = look(tmp_path, "email,name\na@example.org,Ann\n", "{{ 1 // (name | length - 3) }}")

    assert found.message is None
    assert [fault.line for fault in found.faults] == [2]


def test_only_so_many_faults_are_kept(tmp_path: Path) -> None:
    found = look(tmp_path, "email,name\n" + "bad,B\n" * 50, most_faults=3)

    assert (found.num_invalid, len(found.faults)) == (50, 3)


def test_beyond_its_memory_it_says_that_duplicates_are_a_lower_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "MOST_REMEMBERED", 2)

    found = look(tmp_path, "email,name\n" + "".join(f"{letter}@example.org,X\n" for letter in "abcca"))

    assert (found.num_duplicates, found.duplicates_exact) == (1, False)


def test_an_unknown_variable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="`town`"):
        look(tmp_path, "email,name\na@example.org,Ann\n", "{{ town }}")
