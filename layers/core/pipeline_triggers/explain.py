"""What an event would do: which triggers match it, and what each would start with which values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_triggers import aws, definition, start
from pipeline_triggers.conditions import unmet
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events import eventbridge, s3_upload
from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.sources import SOURCES
from pipeline_triggers.stages import resolve


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an event would come to for one pipeline of a trigger whose rule matches it.

    ``outcome`` is the verdict's, short of the start itself; ``parameters`` are the values that would be sent.
    """

    trigger: str
    outcome: str
    pipeline: str | None = None
    reason: str | None = None
    parameters: Mapping[str, str] | None = None


def explain(
    triggers: Iterable[Trigger], event: Mapping[str, Any], pseudo_parameters: Mapping[str, str], *, ask_pipelines: bool
) -> Iterator[Explanation]:
    """Explain an event, trigger by trigger; those whose rule does not match are left out.

    EventBridge itself says what matches (TestEventPattern). With ``ask_pipelines``, the values are held against the
    pipelines' definitions as well.

    Raises:
        Rejected: the event is none that EventBridge delivers.
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked.

    """
    for trigger in triggers:
        if trigger.enabled and _matches(trigger, event, pseudo_parameters):
            yield from _explained(trigger, event, ask_pipelines=ask_pipelines)


def _matches(trigger: Trigger, event: Mapping[str, Any], pseudo_parameters: Mapping[str, str]) -> bool:
    fields = trigger.when.fields
    pattern = SOURCES[trigger.when.source].pattern(fields, lambda text: resolve(text, pseudo_parameters))
    return aws.events().test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"]


def _explained(trigger: Trigger, event: Mapping[str, Any], *, ask_pipelines: bool) -> Iterator[Explanation]:
    occurrence = s3_upload(event) if trigger.when.source == "s3" else eventbridge(event)
    try:
        reason = unmet(trigger, occurrence)
    except Rejected as error:
        yield Explanation(trigger.id, "REJECTED", reason=str(error))
        return
    if reason:
        yield Explanation(trigger.id, "FILTERED", reason=reason)
        return
    for target, wanted in enumerate(trigger.start):
        try:
            values = _values(trigger, target, occurrence, ask_pipelines=ask_pipelines)
        except Rejected as error:
            yield Explanation(trigger.id, "REJECTED", wanted.pipeline, reason=str(error))
        else:
            outcome = "DRY_RUN" if trigger.dry_run else "WOULD START"
            yield Explanation(trigger.id, outcome, wanted.pipeline, parameters=values)


def _values(trigger: Trigger, target: int, occurrence: Occurrence, *, ask_pipelines: bool) -> Mapping[str, str]:
    run = start.plan(trigger, target, occurrence, stack="explain")
    return definition.fit(run.pipeline, run.parameters) if ask_pipelines else run.parameters
