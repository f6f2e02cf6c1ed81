"""The progress bar of a terminal: one line that fits its width, and below it what else a watcher should know."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

NARROW = 70


class BarWithNote(Progress):
    """A bar whose note has a line of its own, cut to the width."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, then the note."""
        yield from super().get_renderables()
        if self.note:
            yield Text(f"  {self.note}", style="yellow", no_wrap=True, overflow="ellipsis")


class Bar:
    """A meter that moves a bar."""

    def __init__(self, drawing: BarWithNote, what: str) -> None:
        self._drawing = drawing
        self._task = drawing.add_task(what, total=None, rate="")

    def at(self, done: int, total: int, note: str = "") -> None:
        """Move the bar."""
        self._drawing.note = note
        self._drawing.update(self._task, completed=done, total=total)
        speed = self._drawing.tasks[0].speed
        self._drawing.update(self._task, rate=f"{speed:,.0f}/s" if speed else "")


@contextmanager
def drawn(what: str, screen: Console, *, in_bytes: bool = False) -> Iterator[Bar]:
    """Draw a bar while this lasts; a narrow terminal gets the share alone."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
    ]
    if screen.width >= NARROW:
        columns.append(DownloadColumn() if in_bytes else MofNCompleteColumn())
        columns += [] if in_bytes else [TextColumn("{task.fields[rate]}")]
        columns.append(TimeRemainingColumn())
    with BarWithNote(*columns, console=screen, expand=True) as drawing:
        yield Bar(drawing, what)
