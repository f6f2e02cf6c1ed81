"""What is printed can be read by people and by programs."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from mailq.cli import terminal


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 3600 * 4 + 59, "3 d 4 h"),
    ],
)
def test_a_span_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert terminal.span(seconds) == said


@pytest.mark.parametrize("text", ["Grüße", "小明", "🌷", "👩‍🌾", "a\nb\tc"])
def test_foreign_text_stays_as_it_is(text: str) -> None:
    assert terminal.clean(text) == text


@pytest.mark.parametrize("code", [0, 7, 8, 13, 27, 127, 155, 0x202E])
def test_no_character_of_foreign_text_steers_the_terminal(code: int) -> None:
    assert chr(code) not in terminal.clean(f"a{chr(code)}b")


def test_a_table_off_a_terminal_is_aligned_and_cuts_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_table(("name", "sent"), [("x" * 300, 5), ("short", 1_234_567)], right=["sent"])

    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "SENT"]
    assert first == f"{'x' * 300}          5"
    assert second.endswith("  1,234,567")
    assert "\x1b" not in head + first + second


def test_json_has_moments_in_iso_8601_and_spans_in_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({"at": datetime(2026, 12, 24, 18, tzinfo=UTC), "for": timedelta(minutes=2), "name": "Zoë"})

    out = capsys.readouterr().out
    assert json.loads(out) == {"at": "2026-12-24T18:00:00+00:00", "for": 120.0, "name": "Zoë"}
    assert "Zoë" in out


def test_a_streamed_document_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_ndjson({"reply": "two\nlines"})

    assert capsys.readouterr().out.count("\n") == 1


def test_facts_that_are_not_there_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_facts({"state": "running", "finished": None})

    assert capsys.readouterr().out == "state  running\n"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_on_a_terminal_never_cuts_an_id_or_a_number(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)
    columns = ("mailing", "name", "state", "profiles", "sent", "errors", "created")
    row = ("mlg_5k4z369bc5gnfwnz", "a long name of a sale", "running", 2_000_000, 1_234_567, 19, "2026-11-21 20:08:02")

    terminal.print_table(columns, [row], right=columns[3:6], optional=["created"])

    out = capsys.readouterr().out
    assert "mlg_5k4z369bc5gnfwnz" in out
    assert "1,234,567" in out
    assert all(len(line) <= width for line in out.splitlines())
    assert ("2026-11-21" in out) is (width != 80)


@pytest.mark.parametrize("width", [70, 80, 90, 120])
def test_a_table_on_a_terminal_folds_between_words(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)
    columns = ("server", "state", "host", "pid", "slots", "leased", "since", "renewed")
    moment = "2026-11-21 23:47:23"
    row = ("vm:8851", "silent", "vm", "29882", "bulk 2, normal 2, transactional 2", 0, moment, moment)

    terminal.print_table(columns, [row], right=["leased"], optional=["since", "slots", "pid"])

    assert "transactional" in capsys.readouterr().out
