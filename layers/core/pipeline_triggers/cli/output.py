"""What the commands print.

Everything goes through here: names, reasons and AWS's words may hold control characters, written by publishers or other
users of the account, and none of those reaches the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from pipeline_triggers.errors import Problem
from pipeline_triggers.text import printable

LABEL_WIDTH = 14  # of the column that says what a line is
PIPE_WIDTH = 1000  # what goes into a pipe is not wrapped


class Failed(click.ClickException):
    """The end of a command with exit code 1, and why."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print why; click calls this."""
        del file
        _print(f"Error: {self.message}", stderr=True)


class FoundProblems(click.ClickException):
    """The end of a command with exit code 1, because of problems in the documents."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"Found {len(problems)} problem{'' if len(problems) == 1 else 's'}")
        self.problems = problems

    def show(self, file: IO[Any] | None = None) -> None:
        """Print each problem on its line; click calls this."""
        del file
        for text in (self.message, *map(str, self.problems)):
            _print(text, stderr=True)


def usage_error(message: str) -> click.UsageError:
    """Return the end of a command with exit code 2: what is wrong with the command line."""
    return click.UsageError(printable(message))


def line(text: str) -> None:
    """Print one line."""
    _print(text)


def labelled(label: str, *lines: str) -> None:
    """Print lines with a label before the first."""
    for text in lines:
        _print(f"{label:<{LABEL_WIDTH}}{text}")
        label = ""


def note(*notes: str) -> None:
    """Print what is good to know, on standard error."""
    for text in notes:
        aside("Note", text)


def aside(label: str, text: str) -> None:
    """Print a line that is not the command's result, on standard error."""
    _print(f"{label}: {text}", stderr=True)


def data(value: Any) -> None:
    """Print JSON, for machines; in ASCII, so that it holds no control characters either."""
    click.echo(json.dumps(value, indent=2))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; a cell may have several lines.

    Only the last column is wrapped, and only between words: what does not fit, such as an ARN, goes on beyond the
    terminal's width instead of being broken.
    """
    cells = [["\n".join(map(printable, cell.splitlines())) for cell in row] for row in rows]
    grid = Table(box=None, pad_edge=False)
    for column, heading in enumerate(headings):
        widest = max(cell_len(text) for row in [headings, *cells] for text in row[column].splitlines() or [""])
        is_last = column == len(headings) - 1
        grid.add_column(heading, no_wrap=not is_last, min_width=None if is_last else widest)
    for row in cells:
        grid.add_row(*map(Text, row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    needed = Measurement.get(console, console.options.update(max_width=PIPE_WIDTH), grid).minimum
    console.width = max(console.width, needed)
    console.print(grid)


@contextmanager
def progress(total: int | None = None) -> Iterator[Progress]:
    """Show on a terminal how far a command is; the progress's first task counts up to a total."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        shown.add_task("", total=total)
        yield shown


def _print(text: str, *, stderr: bool = False) -> None:
    click.echo(printable(text), err=stderr)
