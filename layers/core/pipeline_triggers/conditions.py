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
    return other_name(trigger, occurrence) or unmet_if(trigger, occurrence)


def other_name(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say that the event's name does not match the trigger's glob, or None.

    Raises:
        Rejected: the event is of another source.

    """
    if not (named := SOURCES[trigger.when.source].name):
        return None
    field, value_of, matches = named
    try:
        value = value_of(occurrence)
    except (KeyError, TypeError, AttributeError) as error:
        raise Rejected(f"the event is none of {trigger.when.source}: it has no {field}") from error
    glob = trigger.when.fields.get(field)
    return None if glob is None or matches(glob, value) else f"the {field} does not match {glob}"


def unmet_if(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say that the trigger's ``if`` is false, or None.

    Raises:
        Rejected: it gives neither true nor false on this event.

    """
    if trigger.condition and not holds(trigger.condition, occurrence):
        return f"if is false: {trigger.condition}"
    return None
