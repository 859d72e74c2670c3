"""Which pipelines of a trigger to start, and what a publisher may request: which one, with which values."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import takes_requests
from pipeline_triggers.models import Occurrence, Request, Trigger


def targets(trigger: Trigger, occurrence: Occurrence) -> Sequence[int]:
    """Return the positions in ``trigger.start`` to start: all, or the one that a publisher requests and may have.

    Raises:
        Rejected: the document does not allow it.

    """
    request = occurrence.request
    if not trigger.enabled:
        raise Rejected(f"{trigger.id} is disabled; enable it, then redrive this")
    if request is None:
        if takes_requests(trigger.when):
            raise Rejected(f"{trigger.id} starts only what a publisher requests on the stack's own topic")
        return range(len(trigger.start))
    if not takes_requests(trigger.when):
        raise Rejected(f"{trigger.id} does not accept requests; name a trigger that has when: {{sns: {{}}}}")
    for name, value in request.parameters.items():
        if problem := _refusal(trigger, name, value):
            raise Rejected(f"the request's parameter {name} {problem}")
    if not trigger.one_of:
        if request.pipeline is not None:
            raise Rejected(f"the request names a pipeline, but {trigger.id} does not offer a choice; leave it out")
        return range(len(trigger.start))
    return [_chosen(trigger, request)]


def _chosen(trigger: Trigger, request: Request) -> int:
    names = [start.pipeline for start in trigger.start]
    if request.pipeline is None:
        raise Rejected(f"the request names no pipeline; {trigger.id} starts one of {', '.join(names)}")
    if request.pipeline not in names:
        raise Rejected(f"the request's pipeline {request.pipeline!r} is not one of {', '.join(names)}")
    return names.index(request.pipeline)


def _refusal(trigger: Trigger, name: str, value: str) -> str | None:
    accepted = trigger.accept.get(name)
    if accepted is None:
        names = ", ".join(trigger.accept) or "none"
        return f"may not be set; {trigger.id} accepts {names}"
    # JSON's true is sent as True, whichever way the document spells it.
    spellings = {value, value.lower()} if value in ("True", "False") else {value}
    if isinstance(accepted, str):
        matches = any(globs.matches(accepted, spelt) for spelt in spellings)
        return None if matches else f"does not match {accepted}"
    return None if spellings & set(accepted) else f"is not one of {', '.join(accepted)}"
