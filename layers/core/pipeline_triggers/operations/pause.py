"""Pause and resume starts, without a deploy: what a pause can't hold, who set it, what still holds after a resume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.batches import pauses
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations.batches import Batches, iso


@dataclass(frozen=True, slots=True)
class Subject:
    """What is paused: ``kind`` is trigger, pipeline or all, and ``name`` its name, "" for all."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return "everything" if self.kind == "all" else f"{self.kind} {self.name}"


def unheld(subject: Subject, triggers: Iterable[Trigger]) -> list[str]:
    """Return the direct triggers that a pause can't hold, since AWS starts their pipelines without a handler."""
    return [trigger.id for trigger in triggers if trigger.direct and trigger.enabled and _is_about(subject, trigger)]


def pause(subjects: Iterable[Subject], until: float | None, reason: str, batches: Batches, now: float) -> list[Pause]:
    """Pause, and return the pauses.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    who = aws.sts().get_caller_identity()["Arn"]
    made = []
    for subject in subjects:
        one = Pause(
            subject.kind, subject.name, None if until is None else int(until), who=who, reason=reason, since=int(now)
        )
        pauses.pause(one, batches.store, batches.records)
        made.append(one)
    return made


def resume(subjects: Iterable[Subject], batches: Batches) -> list[Pause]:
    """Resume, and return the pauses that held.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    resumed = (pauses.resume(subject.kind, subject.name, batches.records) for subject in subjects)
    return [one for one in resumed if one]


def holding(batches: Batches, now: float) -> list[Pause]:
    """Return the pauses in force.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    return [one for one in batches.records.pauses() if one.holds(now)]


def still_held(subject: Subject, triggers: Iterable[Trigger], holding: Sequence[Pause]) -> list[Pause]:
    """Return the other pauses that hold what was resumed, or a part of it."""
    concerned = [trigger for trigger in triggers if _is_about(subject, trigger)]
    pairs = [(trigger.first_id, start.pipeline) for trigger in concerned for start in trigger.start]
    return [one for one in holding if any(one.concerns(*pair) for pair in pairs)]


def as_json(one: Pause) -> dict[str, Any]:
    """Return a pause as the commands print it for machines."""
    known = asdict(one)
    del known["resumed"]
    return {**known, "since": iso(one.since), "until": None if one.until is None else iso(one.until)}


def _is_about(subject: Subject, trigger: Trigger) -> bool:
    if subject.kind == "pipeline":
        return any(start.pipeline == subject.name for start in trigger.start)
    return subject.kind == "all" or subject.name == trigger.first_id
