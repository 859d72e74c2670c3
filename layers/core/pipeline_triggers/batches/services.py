"""What the way of a batch needs from outside: the table, the documents, SageMaker, S3, SQS, the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline_triggers.batches.manifest import View
from pipeline_triggers.batches.models import Listing, Target, Ticket, Turn
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.store import Store
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Limits, Run


class Documents(Protocol):
    """The deployed triggers and limits."""

    def targets(self, trigger: str) -> tuple[Target, ...] | None:
        """Return what a trigger starts, None where no document holds it."""

    def limits(self, pipeline: str) -> Limits:
        """Return the limits of a pipeline."""

    def plan(self, ticket: Ticket, view: View, token: str) -> Run:
        """Compute a batch's start.

        Raises:
            Filtered: the trigger's ``only_if`` is false.
            Rejected: a value can't be computed.

        """

    def expected(self, trigger: str, scheduled: str) -> Mapping[str, tuple[str, ...] | int | Rejected]:
        """Return which ``by`` a deadline asks for, each with the parts that it expects, or why there are none."""


class Door(Protocol):
    """The one place that starts executions and looks for them."""

    def start(self, run: Run, trigger: str) -> str:
        """Start, and return the execution's ARN.

        Raises:
            Rejected: SageMaker refuses it for good; nothing was started.
            Waiting: it may be started later (MaxStarts: not in this hour); nothing was started.
            Exception: nobody knows whether it was started.

        """

    def need_room(self, trigger: str) -> None:
        """Raise MaxStarts while the trigger may start nothing in this hour."""

    def executions(self, pipeline: str, since: int) -> Listing:
        """Return the executions that were created since a time; a pipeline that does not exist has none."""


class Outside(Protocol):
    """The queue of batches, the dead-letter queue, the bucket, and the log."""

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Put messages into the queue of ``on_batch``."""

    def send_dead_letter(self, turn: Turn) -> None:
        """Put a rejected start into the dead-letter queue, with its reason."""

    def put(self, key: str, content: bytes) -> str:
        """Write an object into the bucket of manifests, and return its URI."""

    def report(self, notice: Notice) -> None:
        """Write a verdict or a notice into the log, and count it."""

    def report_age(self, seconds: float) -> None:
        """Report for how long the first start in a pipeline's queue has waited."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What users read about a batch: a final verdict for one pipeline, or MISSED.

    ``count`` is how many events an execution was started for, 0 where that is not known. ``id`` is the same whenever
    the same is reported again. ``parameters`` are shown ones.
    """

    outcome: str
    trigger: str
    batch: str = ""
    by: str = ""
    pipeline: str = ""
    reason: str = ""
    execution: str = ""
    count: int = 0
    id: str = ""
    parameters: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """All of these; ``time_left`` are the seconds in which the function may begin something more."""

    store: Store
    records: Records
    documents: Documents
    door: Door
    outside: Outside
    now: Callable[[], float]
    time_left: Callable[[], float]
    sleep: Callable[[float], None]
