"""Whether an event is one that a trigger asks for, once what the event leaves out has been asked of AWS."""

from __future__ import annotations

from pipeline_triggers.delivery import monitor
from pipeline_triggers.delivery.conditions import other_name, unmet_if
from pipeline_triggers.delivery.lookup import with_facts
from pipeline_triggers.errors import Filtered
from pipeline_triggers.language.lookups import needed, needs_of
from pipeline_triggers.models import Occurrence, Trigger


def admitted(trigger: Trigger, occurrence: Occurrence) -> Occurrence:
    """Return the occurrence with all that the trigger's expressions may use.

    Raises:
        Filtered: the trigger does not ask for it.
        Rejected: that can't be said of this event.
        botocore.exceptions.ClientError, BotoCoreError: AWS can't be asked now.

    """
    if trigger.when.source == "drift":
        occurrence = monitor.violation(occurrence)
    if reason := other_name(trigger, occurrence):
        raise Filtered(reason)
    # What the condition needs comes first: an event that is not wanted is not asked about any further.
    first = needs_of([trigger.condition] if trigger.condition else [])
    occurrence = with_facts(occurrence, first)
    if reason := unmet_if(trigger, occurrence):
        raise Filtered(reason)
    return with_facts(occurrence, needed(trigger) - first)
