"""The nouns of batches: table items, rules, limits. Times are Unix seconds unless a name ends in _ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_EVENTS = 100_000  # per batch
MAX_STORED_BYTES = 200_000_000  # of one batch's members
CORRECTION_QUIET = 300  # seconds without an event that close a correction


class Ending(StrEnum):
    """The final verdict of a batch for one pipeline."""

    STARTED = "STARTED"
    SKIPPED = "SKIPPED"
    DRY_RUN = "DRY_RUN"
    FILTERED = "FILTERED"
    REJECTED = "REJECTED"


class Late(StrEnum):
    """What becomes of an event that comes after its join was sealed."""

    ALL = "all"
    NEW = "new"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Rules:
    """When a batch closes, as the document said when it opened.

    ``expect`` holds the names of the parts, or how many distinct ones; None means that it is not a join.
    ``deadline_after`` and the other times are seconds. A ``dry_run`` batch starts nothing.
    """

    quiet: int = CORRECTION_QUIET
    max_open: int | None = 3600
    max_events: int = 10_000
    expect: tuple[str, ...] | int | None = None
    late: Late = Late.ALL
    deadline_after: int | None = None
    start_incomplete: bool = False
    dry_run: bool = False

    @property
    def is_join(self) -> bool:
        """Whether the batch closes when its parts are complete."""
        return self.expect is not None


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of a trigger's ``start``: its pipeline, and how many entries before it name the same one."""

    pipeline: str
    same: int = 0

    @property
    def key(self) -> str:
        """Return the target's name within its batch."""
        return f"{self.pipeline}#{self.same}"


@dataclass(frozen=True, slots=True)
class Event:
    """One event on its way into a batch.

    ``mark`` identifies it among all events of the stack and does not depend on the batch. ``message`` is the SQS
    message that brought it, ``at`` its own time, ``data`` what the batch keeps of it, ``size`` the bytes of that.
    """

    mark: str
    message: str
    trigger: str
    by: str
    rules: Rules
    data: Mapping[str, Any]
    part: str = ""
    at: str = ""
    depth: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """The batch that an event was joined to, and the SQS message that brought it."""

    batch: str
    message: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A batch that takes events.

    ``due_ms`` and ``targets`` are set once its tickets are written. ``missed`` is when the deadline found it
    incomplete, ``reported`` whether that was reported. ``gone_since`` is when its trigger was first not deployed.
    A correction has a ``previous`` batch, whose parts count as ``inherited``.
    """

    key: str
    id: str
    trigger: str
    by: str
    rules: Rules
    count: int
    stored: int
    parts: frozenset[str]
    opened_at: int
    last_at: int
    revision: int = 1
    previous: str = ""
    inherited: frozenset[str] = frozenset()
    due_ms: int = 0
    targets: tuple[Target, ...] = ()
    missed: int = 0
    reported: bool = False
    gone_since: int = 0
    why: str = ""

    @property
    def is_due(self) -> bool:
        """Whether its tickets are written; it still takes events."""
        return bool(self.targets)


@dataclass(frozen=True, slots=True)
class Last:
    """The batch that was sealed last for a trigger's join with one ``by``, and all parts up to its revision."""

    id: str
    revision: int
    parts: frozenset[str]
    expect: tuple[str, ...] | int


@dataclass(frozen=True, slots=True)
class Member:
    """One event of a batch."""

    mark: str
    part: str
    at: str
    depth: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """A sealed batch: its members no longer change.

    ``ends`` maps the targets' keys to the final verdict. ``files`` are the noted S3 URIs of what its executions read.
    """

    id: str
    trigger: str
    by: str
    targets: tuple[Target, ...]
    revision: int = 1
    previous: str = ""
    expect: tuple[str, ...] | int | None = None
    ends: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue of a pipeline.

    ``run`` holds the computed start of an event that is not collected; a batch computes it at its turn. ``skip``
    says that it does not wait for a limit. ``tries`` counts the starts that crashed in a row. ``forced`` ignores
    interval and daily limit.
    """

    target: Target
    trigger: str
    batch: str
    ready_ms: int
    by: str = ""
    slot: str = ""
    run: Mapping[str, Any] | None = None
    skip: bool = False
    dry_run: bool = False
    forced: bool = False
    tries: int = 0
    gone_since: int = 0


class Phase(StrEnum):
    """What is known of a ticket whose turn has come."""

    BEGUN = "begun"  # a start may be on its way
    RUNNING = "running"  # the execution is known, its end is not
    ENDING = "ending"  # it ended without a start; what follows from that is still to be done


@dataclass(frozen=True, slots=True)
class Turn:
    """A ticket whose turn has come. ``tried`` is when; ``nonce`` tells this attempt from others of the ticket.

    ``unanswered`` says that the function did not crash: SageMaker gave no answer, so the start may have been made.
    """

    ticket: Ticket
    phase: Phase
    tried: int
    nonce: str
    execution: str = ""
    ending: str = ""
    reason: str = ""
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the table knows of a pipeline.

    ``version`` changes with each turn. ``starts`` maps attempts to the times of our latest starts. No execution that
    was created before ``ended_before`` is still going.
    """

    name: str
    version: int
    starts: Mapping[str, int]
    ended_before: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a pipeline as ListPipelineExecutions shows it; ``token`` is "" where we did not start it."""

    arn: str
    status: str
    created_at: int
    token: str = ""

    @property
    def is_going(self) -> bool:
        """Whether it counts against ``max_running``."""
        return self.status in {"Executing", "Stopping"}


@dataclass(frozen=True, slots=True)
class Listing:
    """The executions of a pipeline since ``since``, in the order of their creation.

    ``is_complete`` is False where the function's time did not suffice for all pages.
    """

    since: int
    executions: tuple[Execution, ...]
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """What holds starts back: ``kind`` is trigger, pipeline or all. After ``until`` it only keeps the order."""

    kind: str
    name: str
    until: int | None
    who: str
    reason: str
    since: int
    resumed: bool = False

    def holds(self, now: float) -> bool:
        """Whether nothing may start."""
        return not self.resumed and (self.until is None or now < self.until)

    def concerns(self, trigger: str, pipeline: str) -> bool:
        """Whether it is about a start of this pipeline by this trigger."""
        return {"all": True, "trigger": self.name == trigger, "pipeline": self.name == pipeline}[self.kind]
