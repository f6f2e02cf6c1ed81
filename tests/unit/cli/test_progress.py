"""Off a terminal progress is a line every ten seconds, with rate and time left."""

import pytest

from mailq.cli.progress import LINE_EVERY_S, Lines, describe, shown


class Watch:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_a_line_comes_every_ten_seconds_and_not_more_often(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    lines = Lines("sale", "recipients", watch)

    for second in range(31):
        watch.time = 100.0 + second
        lines.at(second * 100, 5_000)

    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert said[0] == "sale: 1,000 of 5,000 recipients (20 %), 100/s, 40 s left"
    assert LINE_EVERY_S == 10


def test_what_was_done_before_we_looked_does_not_count_as_speed(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    lines = Lines("sale", "recipients", watch)

    lines.at(1_000_000, 2_000_000)
    watch.time += 10
    lines.at(1_000_100, 2_000_000, "the relay rests")

    assert ", 10/s, " in (said := capsys.readouterr().err)
    assert said.endswith("; the relay rests\n")


def test_nothing_done_promises_no_end() -> None:
    assert describe(0, 100, 0.0, "recipients") == "0 of 100 recipients (0 %)"
    assert describe(0, 0, 0.0, "bytes") == "0 of 0 bytes"


def test_off_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("sale", "recipients") as meter:
        meter.at(1, 2)

    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
