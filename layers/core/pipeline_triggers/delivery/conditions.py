"""What a trigger asks of an event beyond what its EventBridge rule can match."""

from __future__ import annotations

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.values import holds
from pipeline_triggers.models import Occurrence, Trigger


def other_name(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say that the event is not the one that the trigger's rule asks for, or None.

    Raises:
        Rejected: the event is of another source.

    """
    if not (named := SOURCES[trigger.when.source].name):
        return None
    field, value_of, matches = named
    glob = trigger.when.fields.get(field)
    try:
        value = value_of(occurrence)
        if glob is not None and not matches(glob, value):
            return f"the {field} does not match {glob}"
        return _other_word(trigger, occurrence)
    except (KeyError, TypeError, AttributeError) as error:
        told = f"it lacks {error}, or that has another shape"
        raise Rejected(f"the event is no {trigger.when.source} as AWS sends it: {told}") from error


def _other_word(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say that the event is of another bucket or status: it came by the rule of a former document."""
    for field, value_of in SOURCES[trigger.when.source].exact.items():
        if (wanted := trigger.when.fields.get(field)) is None:
            continue
        found = value_of(occurrence)
        if not {found} & {wanted} if isinstance(wanted, str) else not set(found) & set(wanted):
            return f"the {field} is not {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
    return None


def unmet_if(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say that the trigger's ``if`` is false, or None.

    Raises:
        Rejected: it gives neither true nor false on this event.

    """
    if trigger.condition and not holds(trigger.condition, occurrence):
        return f"if is false: {trigger.condition}"
    return None
