"""What the commands print.

Everything goes through here: names, reasons and AWS's words may hold control characters, written by publishers or other
users of the account, and none of those reaches the terminal.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

import click
from rich.cells import cell_len, set_cell_size

from pipeline_triggers.errors import Problem
from pipeline_triggers.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

LABEL_WIDTH = 14  # of the column that says what a line is
GAP = "  "  # between columns
BELOW = "    "  # before columns that are below others
MIN_LAST_WIDTH = 30  # of a table's last column
PIPE_WIDTH = 10_000  # what goes into a pipe is not wrapped


class Failed(click.ClickException):
    """The end of a command with exit code 1, and why."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print why; click calls this."""
        del file
        _print(f"Error: {self.message}", stderr=True)


class FoundProblems(click.ClickException):
    """The end of a command with exit code 1, because of problems in the documents; ``summary`` is the first line."""

    def __init__(self, problems: Sequence[Problem], summary: str = "") -> None:
        super().__init__(summary or f"Found {len(problems)} problem{'' if len(problems) == 1 else 's'}")
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


def text(lines: str) -> None:
    """Print a text of several lines as it is."""
    for one in lines.splitlines():
        line(one)


def labelled(label: str, *lines: str) -> None:
    """Print lines with a label before the first; a terminal's are wrapped between words."""
    for text in lines:
        for part in _wrapped(text, LABEL_WIDTH):
            _print(f"{label:<{LABEL_WIDTH}}{part}")
            label = ""


def note(*notes: str) -> None:
    """Print what is good to know, on standard error."""
    for text in notes:
        aside("Note", text)


def problems(found: Iterable[Problem]) -> None:
    """Print warnings and notes about documents, on standard error."""
    for problem in found:
        aside(problem.severity.capitalize(), str(problem))


def aside(label: str, text: str) -> None:
    """Print a line that is not the command's result, on standard error."""
    _print(f"{label}: {text}", stderr=True)


def data(value: Any) -> None:
    """Print JSON, for machines; in ASCII, so that it holds no control characters either."""
    click.echo(json.dumps(value, indent=2))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the last cell of a row may have several lines.

    Only the last column is wrapped, and only between words, so that an ARN can be copied. Columns for which the
    terminal is too narrow go below the others.
    """
    rows = [headings, *rows]
    columns = zip(*([printable(cell) for cell in row[:-1]] for row in rows), strict=True)
    widths = [max(map(cell_len, column)) + len(GAP) for column in columns]
    starts = [*_line_starts([*widths, MIN_LAST_WIDTH]), len(widths)]
    for *cells, last in rows:
        padded = [set_cell_size(printable(cell), width) for cell, width in zip(cells, widths, strict=True)]
        *lines, beside = ["".join(padded[start:end]) for start, end in pairwise(starts)]
        for number, text in enumerate(lines):
            _print((BELOW * bool(number) + text).rstrip())
        _print_beside(BELOW * bool(lines) + beside, last)


def _line_starts(widths: Sequence[int]) -> Iterator[int]:
    """Yield the columns with which lines begin, so that each line fits the terminal."""
    left = 0
    for column, width in enumerate(widths):
        if column == 0 or width > left:
            yield column
            left = _terminal_width() - (len(BELOW) if column else 0)
        left -= width


def _print_beside(text: str, cell: str) -> None:
    """Print a table's last cell to the right of a text."""
    for line in cell.splitlines() or [""]:
        for part in _wrapped(line, cell_len(text)):
            if text.strip() or part:
                _print((text + part).rstrip())
            text = " " * cell_len(text)


def _wrapped(line: str, indent: int) -> list[str]:
    """Break a line between words, so that it fits the terminal beside an indent."""
    width = max(_terminal_width() - indent, 1)
    return textwrap.wrap(printable(line), width, break_long_words=False, break_on_hyphens=False) or [""]


def _terminal_width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


@contextmanager
def progress(total: int | None = None) -> Iterator[Progress]:
    """Show on a terminal how far a command is; the progress's first task counts up to a total."""
    # Here, since it takes a third of the time of a command that shows none.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        shown.add_task("", total=total)
        yield shown


def _print(text: str, *, stderr: bool = False) -> None:
    click.echo(printable(text), err=stderr)
