"""What can go wrong, split where the behaviour splits.

PipelineTriggersError
├── DocumentsError   trigger documents are wrong: compiling stops, the author fixes them
├── Waiting          this can't be done now: report it, and retry later, until the event is too old
│   ├── MaxStarts    the trigger has started as many executions in this hour as it may
│   ├── Held         a pause or a limit came into force while a start was retried: it waits in line
│   └── Undecided    an earlier start may have worked: retry until that is known, even when the event is old
├── Filtered         the trigger does not ask for this event: report it, and that is all
│   └── Probed       the message holds no event: it asks only whether it arrives
└── Rejected         this event can never start this pipeline: quarantine it, do not retry

AWS's own errors that pass by themselves (throttling, a lost connection) make an event wait, too. Whatever else is
raised while an event is handled (a denial, a bug) goes back to the queue a few times, and is then quarantined.
"""

from __future__ import annotations

from dataclasses import dataclass


class PipelineTriggersError(Exception):
    """The root of the errors that this library raises."""


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing wrong in a trigger document: where it is, what it is, how to fix it.

    A problem whose ``severity`` is ``warning`` or ``note`` does not keep the documents from being deployed.
    """

    file: str
    line: int
    field: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"{self.file}:{self.line}", self.field, self.message)))


class DocumentsError(PipelineTriggersError):
    """The trigger documents are wrong; ``problems`` holds everything found, in file and line order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class Waiting(PipelineTriggersError):
    """What can't be done now and may be done later; the message says why."""


class MaxStarts(Waiting):
    """A trigger would start more in an hour than its document allows."""


class Held(Waiting):
    """A start that was not made, and that has to wait in line now."""


class Undecided(Waiting):
    """An earlier delivery may have started it, and that can't be known yet."""


class Filtered(PipelineTriggersError):
    """An event that the trigger does not ask for, though its rule could not tell; the message says why."""


class Probed(Filtered):
    """A message of ``triggers doctor --probe``, which holds no event; the message says what it showed."""


class Rejected(PipelineTriggersError):
    """An event that no retry can make right; the message says what is wrong and how to fix it."""
