"""The nouns: what a trigger is, what happened, what is to be started, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class When:
    """What fires a trigger: a source of the documents (``s3``, ``endpoint``, …) and what it asks for, by field."""

    source: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """One pipeline to start; ``parameters`` maps names to value sources as the document writes them."""

    pipeline: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts which pipelines with which parameters.

    ``id`` is ``<team>/<name>``; ``condition`` is the document's ``if``, the source of an expression.
    """

    id: str
    when: When
    start: tuple[Start, ...]
    condition: str | None = None
    dry_run: bool = False
    enabled: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened once, however often it is delivered.

    ``identity`` is what the source means by "the same" (for S3 the bucket, key, version and sequencer), so
    it does not change with a redelivery. ``bindings`` are the variables that expressions may use, such as
    ``object`` for ``$object``; ``event`` is the whole EventBridge event, as it arrived. ``subject`` is what a user
    calls it by: an object's URI, a resource's ARN.
    """

    event_id: str
    subject: str
    identity: tuple[str, ...]
    event: Mapping[str, Any]
    bindings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One StartPipelineExecution call to make, decided in full."""

    pipeline: str
    parameters: Mapping[str, str]
    token: str
    display_name: str
    description: str


class Outcome(StrEnum):
    """How an event ended for one pipeline."""

    STARTED = "STARTED"
    FILTERED = "FILTERED"
    REJECTED = "REJECTED"
    DRY_RUN = "DRY_RUN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one final answer to "what became of this event for this pipeline, and why?"."""

    outcome: Outcome
    trigger: str
    event_id: str
    subject: str | None = None
    pipeline: str | None = None
    reason: str | None = None
    execution_arn: str | None = None
