"""What a trigger asks of an event beyond what its EventBridge rule can match."""

from __future__ import annotations

from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.parameters import holds
from pipeline_triggers.sources import SOURCES


def unmet(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say which condition the event does not meet, or None when it meets all.

    Raises:
        Rejected: the trigger's ``if`` gives neither true nor false on this event.

    """
    if named := SOURCES[trigger.when.source].name:
        field, value_of, matches = named
        glob = trigger.when.fields.get(field)
        if glob is not None and not matches(glob, value_of(occurrence)):
            return f"the {field} does not match {glob}"
    if trigger.condition and not holds(trigger.condition, occurrence):
        return f"if is false: {trigger.condition}"
    return None
