"""Publishers' requests: what a document lets them start, with which parameters and values."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import topic
from pipeline_triggers.models import Occurrence, Request, Trigger


def targets(trigger: Trigger, occurrence: Occurrence) -> Sequence[int]:
    """Return which of ``trigger.start`` to start: all of them, or the one that a publisher asks for and may have.

    Raises:
        Rejected: the document does not allow what the publisher asks for.

    """
    request = occurrence.request
    if request is None:
        return range(len(trigger.start))
    if trigger.when.source != "sns" or topic(trigger.when):
        raise Rejected(f"{trigger.id} takes no requests; those that do have when: {{sns: {{}}}}")
    if not trigger.enabled:
        raise Rejected(f"{trigger.id} is switched off")
    for name, value in request.parameters.items():
        if wrong := _refused(trigger, name, value):
            raise Rejected(f"the request's parameter {name} {wrong}")
    if not trigger.one_of:
        if request.pipeline is not None:
            raise Rejected(f"the request names a pipeline, but {trigger.id} says itself what it starts; leave it out")
        return range(len(trigger.start))
    return [_chosen(trigger, request)]


def _chosen(trigger: Trigger, request: Request) -> int:
    names = [start.pipeline for start in trigger.start]
    if request.pipeline is None:
        raise Rejected(f"the request names no pipeline; {trigger.id} starts one of {', '.join(names)}")
    if request.pipeline not in names:
        raise Rejected(f"the request's pipeline {request.pipeline!r} is none of {', '.join(names)}")
    return names.index(request.pipeline)


def _refused(trigger: Trigger, name: str, value: str) -> str | None:
    accepted = trigger.accept.get(name)
    if accepted is None:
        names = ", ".join(trigger.accept) or "none"
        return f"may not be set; {trigger.id} accepts {names}"
    # JSON's true is sent as True, whichever way the document spells it.
    spellings = {value, value.lower()} if value in ("True", "False") else {value}
    if isinstance(accepted, str):
        matches = any(globs.matches(accepted, spelt) for spelt in spellings)
        return None if matches else f"does not match {accepted}"
    return None if spellings & set(accepted) else f"is none of {', '.join(accepted)}"
