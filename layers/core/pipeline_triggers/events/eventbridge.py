"""Events as EventBridge delivers them → Occurrences, each as the trigger's source reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.sources import DETAIL_TYPES, SOURCES
from pipeline_triggers.language.sources.sagemaker import iso
from pipeline_triggers.models import Occurrence

# The end of the description that ``starts`` gives an execution.
_DEPTH = re.compile(r"(?:, depth ([0-9]{1,4}))?, identity [0-9a-f]{64}$")


def read(event: Mapping[str, Any], source: str) -> Occurrence:
    """Read an event for a trigger of this source (``s3``, ``endpoint``, …).

    Raises:
        Rejected: the event is not one that the source or EventBridge sends.

    """
    return (SOURCES[source].read or _by_detail_type)(event)


def _by_detail_type(event: Mapping[str, Any]) -> Occurrence:
    """Bind variables and identify the change as the event's detail-type says, or identify it by the event's id."""
    match event:
        case {"id": str(event_id), "detail-type": str(name), "detail": dict(detail)}:
            pass
        case _:
            raise Rejected("the event is not one of EventBridge: it lacks id, detail-type or detail")
    try:
        subject = next(iter(event.get("resources") or []), name)
        identity: tuple[str, ...] = ("event", event_id)
        bindings: Mapping[str, Any] = {}
        if detail_type := DETAIL_TYPES.get(name):
            bindings = detail_type.bindings(event)
            change = detail_type.change(event)
            if None not in change:
                identity = (name, *map(str, change))
    except (AttributeError, KeyError, TypeError) as error:
        raise Rejected(f"the event is not a {name} as AWS sends it: {error}") from error
    # SageMaker's events have milliseconds here.
    event = {**event, "time": iso(event["time"])} if "time" in event else event
    return Occurrence(event_id, str(subject), identity, event, bindings, depth=_depth(detail))


def _depth(detail: Mapping[str, Any]) -> int:
    """Return how many executions led to this one: one more than the description of an execution of ours says."""
    depth = _DEPTH.search(str(detail.get("pipelineExecutionDescription", "")))
    return int(depth[1] or 0) + 1 if depth else 0
