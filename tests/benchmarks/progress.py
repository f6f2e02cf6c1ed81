"""What a person sees while it runs: a bar on a terminal, else a line for each part."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Say = Callable[[str], None]


@contextmanager
def shown(steps: int) -> Iterator[Say]:
    """Give a function that is told of each step as it begins."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda what: click.echo(f"… {what}", err=True)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as drawing:
        bar = drawing.add_task("starting", total=steps)
        begun = -1

        def say(what: str) -> None:
            nonlocal begun
            begun += 1
            drawing.update(bar, description=what, completed=begun)

        yield say
