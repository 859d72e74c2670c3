"""Whether an event is one that a trigger asks for, beyond what its EventBridge rule can match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline_triggers.delivery import monitor
from pipeline_triggers.delivery.lookup import with_lookups
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language.lookups import named_by, needed
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.values import unmet
from pipeline_triggers.models import Occurrence, Trigger


def admitted(trigger: Trigger, occurrence: Occurrence) -> Occurrence:
    """Return the occurrence with all that the trigger's expressions may use.

    Raises:
        Filtered: the trigger does not ask for it.
        Rejected: the event is not one of the trigger's source, or can't be judged.
        botocore.exceptions.ClientError, BotoCoreError: AWS can't answer now.

    """
    if trigger.when.source == "drift":
        occurrence = monitor.violation(occurrence)
    occurrence = SOURCES[trigger.when.source].complete(occurrence, trigger.when.fields)
    match_fields(trigger, occurrence)
    # What the condition needs comes first: nothing more is looked up for an event that does not meet it.
    first = named_by([trigger.condition]) if trigger.condition else set()
    occurrence = with_lookups(occurrence, first)
    meet_condition(trigger, occurrence)
    return with_lookups(occurrence, needed(trigger) - first)


def match_fields(trigger: Trigger, occurrence: Occurrence) -> None:
    """Match the fields of a trigger's ``when``: the rest of a glob, and whatever the rule of a former document let in.

    Raises:
        Filtered: a field does not match.
        Rejected: the event is not one of the trigger's source.

    """
    for name, expected, _ in mismatches(trigger, occurrence):
        raise Filtered(f"the {name} does not match {expected}")


def mismatches(trigger: Trigger, occurrence: Occurrence) -> Iterator[tuple[str, str, Any]]:
    """Yield each field of a trigger's ``when`` that does not match, what the document asks for, what the event has.

    Raises:
        Rejected: the event is not one of the trigger's source.

    """
    source = SOURCES[trigger.when.source]
    for name, expected in trigger.when.fields.items():
        field = source.fields[name]
        if field.value is None:
            continue
        try:
            actual = field.value(occurrence)
            matches = field.matches(expected, actual)
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"it lacks {error}, or that has another shape"
            raise Rejected(f"the event is not one of {source.name} as AWS sends it: {reason}") from error
        if not matches:
            yield name, expected if isinstance(expected, str) else " or ".join(expected), actual


def meet_condition(trigger: Trigger, occurrence: Occurrence) -> None:
    """Evaluate a trigger's ``if``.

    Raises:
        Filtered: it is false.
        Rejected: it gives neither true nor false on this event.

    """
    if trigger.condition and (reason := unmet(trigger.condition, occurrence)):
        raise Filtered(reason)
