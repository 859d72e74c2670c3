"""What a trigger asks of an event beyond what its EventBridge rule can match."""

from __future__ import annotations

from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.sources import SOURCES


def unmet(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say which condition the event does not meet, or None when it meets all."""
    condition = SOURCES[trigger.when.source].name
    if condition is None:
        return None
    field, value_of, matches = condition
    glob = trigger.when.fields.get(field)
    if glob is not None and not matches(glob, value_of(occurrence.event)):
        return f"the {field} does not match {glob}"
    return None
