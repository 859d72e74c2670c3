"""Former names of triggers (``was``): each belongs to one trigger, and to none that is still there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.models import Trigger


def problems(triggers: Sequence[Trigger]) -> Iterator[tuple[str, FieldPath, str]]:
    """Yield (a trigger, a path in it, what is wrong there) where a former name is another trigger's as well."""
    owners = {trigger.id: trigger.id for trigger in triggers}
    for trigger in triggers:
        for name in trigger.was:
            if owner := owners.get(name):
                remedy = "a former name belongs to one trigger, and to none that exists"
                yield trigger.id, ("was",), f"{name} is {'its own name' if owner == trigger.id else owner}; {remedy}"
            owners[name] = trigger.id
