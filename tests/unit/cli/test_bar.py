"""The bar fits its terminal, whatever its width and however long its note is."""

import io
import re

import pytest
from rich.console import Console

from mailq.cli.bar import drawn

NOTE = "no server is alive that serves the lane `bulk`; start one with `mailqctl worker`"


def screen(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, height=20, force_terminal=True, color_system=None)


def lines(on: Console) -> list[str]:
    assert isinstance(on.file, io.StringIO)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on.file.getvalue())
    return [line for line in plain.replace("\r", "\n").splitlines() if line.strip()]


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    on = screen(width)

    with drawn("spring sale", on) as bar:
        bar.at(1_234_567, 2_000_000, NOTE)

    frame = lines(on)
    assert any("spring sale" in line for line in frame)
    assert any("no server" in line for line in frame)
    assert all(len(line) <= width for line in frame)


@pytest.mark.parametrize(("width", "counted"), [(60, False), (80, True)])
def test_a_wide_terminal_also_sees_the_numbers(width: int, counted: bool) -> None:
    on = screen(width)

    with drawn("sale", on) as bar:
        bar.at(500, 2_000)

    assert ("500/2000" in on.file.getvalue()) is counted  # type: ignore[attr-defined]


def test_a_name_is_no_markup() -> None:
    on = screen(80)

    with drawn("[bold]sale[/bold]", on) as bar:
        bar.at(1, 2)

    assert "[bold]sale[/bold]" in on.file.getvalue()  # type: ignore[attr-defined]
