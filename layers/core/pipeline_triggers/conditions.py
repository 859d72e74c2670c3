"""What a trigger asks of an event beyond what its EventBridge rule can match."""

from __future__ import annotations

from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.parameters import holds
from pipeline_triggers.sources import SOURCES


def unmet(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say which condition the event does not meet, or None when it meets all.

    Raises:
        Rejected: the event is of another source, or the trigger's ``if`` gives neither true nor false on it.

    """
    if named := SOURCES[trigger.when.source].name:
        field, value_of, matches = named
        glob = trigger.when.fields.get(field)
        try:
            value = value_of(occurrence)
        except (KeyError, TypeError, AttributeError) as error:
            raise Rejected(f"the event is none of {trigger.when.source}: it has no {field}") from error
        if glob is not None and not matches(glob, value):
            return f"the {field} does not match {glob}"
    if trigger.condition and not holds(trigger.condition, occurrence):
        return f"if is false: {trigger.condition}"
    return None
