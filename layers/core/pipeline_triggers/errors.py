"""What can go wrong, split where the behaviour splits.

PipelineTriggersError
├── DocumentsError   trigger documents are wrong: compiling stops, the author mends them
├── Filtered         this event is none that the trigger asks for: say so, and that is all
└── Rejected         this event can never start this pipeline: quarantine it, do not retry

Whatever else is raised while an event is handled (throttling, a lost connection, a bug) goes back to the
queue, and SQS delivers it again.
"""

from __future__ import annotations

from dataclasses import dataclass


class PipelineTriggersError(Exception):
    """The root of the errors that this library raises."""


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing wrong in a trigger document: where it stands, what it is, how to mend it."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"{self.file}:{self.line}", self.field, self.message)))


class DocumentsError(PipelineTriggersError):
    """The trigger documents are wrong; ``problems`` holds everything found, in file and line order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class Filtered(PipelineTriggersError):
    """An event that the trigger does not ask for, though its rule could not tell; the message says why."""


class Rejected(PipelineTriggersError):
    """An event that no retry can make right; the message says what is wrong and how to mend it."""
