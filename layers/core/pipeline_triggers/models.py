"""The nouns: a trigger, an occurrence, a run to start, and its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pipeline_triggers.text import brief


@dataclass(frozen=True, slots=True)
class When:
    """The events that fire a trigger: their source (``s3``, ``endpoint``, …) and its fields, as the document writes."""

    source: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """One pipeline to start; ``parameters`` maps names to values as the document writes them."""

    pipeline: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an execution besides its parameters; SageMaker decides on those left out.

    ``display_name``, ``source_execution`` and ``mlflow_experiment`` are values as the document writes them, like
    parameters. ``version`` is a version's number or an alias.
    """

    display_name: str | None = None
    max_parallel_steps: int | None = None
    steps: tuple[str, ...] = ()
    source_execution: str | None = None
    version: str | None = None
    mlflow_experiment: str | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a join is incomplete: ``after`` seconds from its first event, or at each time of ``cron`` in ``timezone``.

    ``due`` gives, as the document writes it, the ``by`` that a time of ``cron`` asks for, or a list of them.
    ``start_incomplete`` also starts what is there.
    """

    after: int | None = None
    cron: str | None = None
    timezone: str = "UTC"
    due: str | None = None
    start_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Collect:
    """How a trigger's events become batches. Times are in seconds; expressions are as the document writes them.

    There is one batch for each value of ``by``, or a single one. With ``expect`` it is a join, which closes when its
    parts are complete: the names of the parts, how many distinct ones, or an expression of ``$batch.by`` that gives
    either. ``late`` is ``all``, ``new`` or ``ignore``.
    """

    by: str | None = None
    part: str | None = None
    expect: tuple[str, ...] | int | str | None = None
    quiet: int = 300
    max_open: int = 3600
    max_events: int = 10_000
    only_if: str | None = None
    late: str = "all"
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One source of a trigger with ``when.all``, with what the document says of its events alone."""

    when: When
    condition: str | None = None
    dedupe: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pipeline's document allows at a time; None does not limit. ``min_interval`` is in seconds."""

    max_running: int | None = None
    min_interval: int | None = None
    max_per_day: int | None = None


ALL = "all"  # the source of a trigger that has several

MASK = "***"  # in place of a secret parameter's value
MAX_SHOWN = 8000  # characters of a run's parameters in its verdict

MAX_STARTS = 100  # per trigger and hour, unless the document says otherwise


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger: which events start which pipelines with which parameters.

    ``id`` is ``<team>/<name>``; ``condition`` is the document's ``if`` and ``dedupe`` its business key, both as the
    document writes them. All of ``start`` are started, or with ``one_of`` the one that a publisher names. ``accept``
    holds the parameters that a publisher may set: by name a glob for the value, or the values themselves. A ``direct``
    trigger's pipelines are started by AWS itself, past the handlers. A trigger with ``collect`` starts once per batch.
    ``when_busy`` is ``wait`` or ``skip``. Where ``when.source`` is ``all``, ``all_of`` holds the sources by the name of
    their part, and ``views`` one plain trigger for each, whose ``part`` says which. The parameters in ``secret`` are
    masked in verdicts. ``was`` holds the ids that the trigger had before, the first one last.
    """

    id: str
    when: When
    start: tuple[Start, ...]
    one_of: bool = False
    accept: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    condition: str | None = None
    dedupe: str | None = None
    max_starts: int = MAX_STARTS
    options: Options = Options()
    dry_run: bool = False
    direct: bool = False
    enabled: bool = True
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    collect: Collect | None = None
    when_busy: str = "wait"
    all_of: Mapping[str, Part] = field(default_factory=dict)
    part: str = ""
    secret: tuple[str, ...] = ()
    breaker: int | None = None
    was: tuple[str, ...] = ()

    @property
    def first_id(self) -> str:
        """Return the id by which tables know the trigger and tokens are made, however often it was renamed."""
        return self.was[-1] if self.was else self.id

    def views(self) -> tuple[Trigger, ...]:
        """Return the trigger as each of its sources sees it: itself, or with ``all`` one trigger for each part."""
        if not self.all_of:
            return (self,)
        return tuple(self._view(name, part) for name, part in self.all_of.items())

    @property
    def view_id(self) -> str:
        """Return what a view is called among all others: the trigger's id, and its part where it has several."""
        return f"{self.id}/{self.part}" if self.part else self.id

    def view(self, part: str) -> Trigger | None:
        """Return the trigger as the source of a part sees it, by "" itself; None where it has no such part."""
        return next((view for view in self.views() if view.part == part), None)

    def _view(self, name: str, part: Part) -> Trigger:
        collect = replace(self.collect or Collect(), by=part.by, expect=tuple(self.all_of))
        return replace(
            self,
            when=part.when,
            condition=part.condition,
            dedupe=part.dedupe,
            collect=collect,
            all_of={},
            part=name,
        )


def named(triggers: Mapping[str, Trigger], name: str) -> Trigger | None:
    """Return the trigger with this id, or the one that had it before it was renamed."""
    return triggers.get(name) or next((trigger for trigger in triggers.values() if name in trigger.was), None)


def all_views(triggers: Iterable[Trigger]) -> list[Trigger]:
    """Return all triggers as each of their sources sees them."""
    return [view for trigger in triggers for view in trigger.views()]


@dataclass(frozen=True, slots=True)
class Request:
    """A publisher's request: a trigger, one of its pipelines, parameters, and a business key."""

    trigger: str
    pipeline: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    dedupe: str | None = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened once, however often it is delivered.

    ``identity`` is what the source means by "the same" (for S3 the bucket, key, version and sequencer), so it does not
    change with a redelivery. ``bindings`` are the variables that expressions may use, such as ``object`` for
    ``$object``; ``event`` is the whole EventBridge event, as it arrived. ``subject`` names it for people: an object's
    URI, a resource's ARN. ``request`` is the publisher's, on the stack's own topic. ``depth`` counts the executions
    that led to it, each started by the end of the one before. ``again`` tells it from the same occurrence before, when
    somebody runs it once more by hand. ``memo`` keeps what was made of it once, also for the occurrences that are made
    of this one.
    """

    event_id: str
    subject: str
    identity: tuple[str, ...]
    event: Mapping[str, Any]
    bindings: Mapping[str, Any]
    request: Request | None = None
    depth: int = 0
    again: str = ""
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def happened_at(self) -> str:
        """When it happened, as the event says; "" where it does not say."""
        time = self.event.get("time") or self.event.get("Timestamp")  # SNS's
        return time if isinstance(time, str) else ""

    @property
    def version(self) -> str:
        """The version of the object that it is about, else the object's ETag; "" where it is about something else."""
        return self.identity[3] if self.identity[:1] == ("s3",) else ""


@dataclass(frozen=True, slots=True)
class Run:
    """One call of StartPipelineExecution, decided in full.

    ``options`` are the call's further arguments, as boto3 takes them. ``occurrence`` tells what it is started for from
    other occurrences with the same ``token``, which a business key may give them. The parameters in ``secret`` are
    masked where people read them.
    """

    pipeline: str
    parameters: Mapping[str, str]
    token: str
    options: Mapping[str, Any]
    occurrence: str = ""
    secret: Sequence[str] = ()

    @property
    def shown(self) -> dict[str, str]:
        """The parameters as verdicts show them: secret ones masked, and long ones cut, so that a record stays small."""
        room = max(40, MAX_SHOWN // max(1, len(self.parameters)))
        return {
            name: MASK if name in self.secret else value if len(value) <= room else f"{value[: room - 1]}…"
            for name, value in self.parameters.items()
        }

    def masked(self, text: str) -> str:
        """Return a text without the values of secret parameters; one of fewer than four letters only where quoted."""
        for value in filter(None, map(self.parameters.get, self.secret)):
            text = text.replace(brief(value), MASK)
            text = text.replace(value, MASK) if len(value) > 3 else text
        return text

    @property
    def version(self) -> str | None:
        """The pipeline's version that will start, a number or an alias; None for the latest."""
        version = self.options.get("PipelineVersionId") or self.options.get("PipelineVersionAlias")
        return None if version is None else str(version)


class Outcome(StrEnum):
    """How an event ended for one pipeline; WAITING says that it has not ended yet.

    A COLLECTED event has ended, its batch has not. MISSED is about a batch that a deadline finds incomplete. DISCARDED
    is a rejected event whose dead letter somebody discarded. SUCCEEDED, FAILED and STOPPED say how a started execution
    ended, PAUSED that the breaker of its trigger paused that. PROBED is about a message that only asked whether it
    arrives.
    """

    STARTED = "STARTED"
    DUPLICATE = "DUPLICATE"
    WAITING = "WAITING"
    FILTERED = "FILTERED"
    REJECTED = "REJECTED"
    DRY_RUN = "DRY_RUN"
    COLLECTED = "COLLECTED"
    SKIPPED = "SKIPPED"
    MISSED = "MISSED"
    DISCARDED = "DISCARDED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    PAUSED = "PAUSED"
    PROBED = "PROBED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an event, or of a batch, for a pipeline, and why.

    ``batch`` is the batch that an event was collected into, or that the verdict is about; its ``event_id`` is then the
    same, and its ``subject`` what the trigger collects ``by``. ``count`` is how many events the batch has.
    ``event_time`` is the event's own, in ISO 8601, ``version`` that of the object that it is about. ``parameters`` are
    the computed values as ``Run.shown`` gives them. ``seconds`` is how long
    an execution took that has ended.
    """

    outcome: Outcome
    trigger: str
    event_id: str
    subject: str | None = None
    pipeline: str | None = None
    reason: str | None = None
    execution_arn: str | None = None
    batch: str | None = None
    count: int | None = None
    event_time: str | None = None
    version: str | None = None
    parameters: Mapping[str, str] | None = None
    seconds: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether SQS need not deliver the event again: it has ended, or waits in a batch."""
        return self.outcome is not Outcome.WAITING or self.batch is not None
