"""The triggers that come nearest to an event that none of them gets, and what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pipeline_triggers.delivery.admission import mismatches
from pipeline_triggers.documents.sample_event import changed, sample_event
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import Trigger, When

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Near:
    """A trigger, as one of its sources sees it, and why it does not get an event."""

    trigger: Trigger
    why_not: str


def upload(bucket: str, key: str, **fields: Any) -> dict[str, Any]:
    """Return the event that S3 sends of an upload; ``fields`` are further names of the source's places."""
    event = sample_event(When("s3", {"bucket": bucket}))
    for name, value in {"bucket": bucket, "key": key, **fields}.items():
        event = changed(event, name, value, SOURCES["s3"].places)
    return event


def nearest(views: Iterable[Trigger], event: Mapping[str, Any]) -> list[Near]:
    """Return the triggers on events of this kind that come nearest, the nearest first.

    Of a trigger with an event pattern of its own nobody can say how near it came.
    """
    near = [one for view in views if _is_of_its_kind(view, event) if (one := _near(view, event))]
    return [one for _, one in sorted(near, key=lambda pair: pair[0])[:SHOWN]]


def _is_of_its_kind(view: Trigger, event: Mapping[str, Any]) -> bool:
    return view.when.source != "sns" and sample_event(view.when)["detail-type"] == event.get("detail-type")


def _near(view: Trigger, event: Mapping[str, Any]) -> tuple[tuple[int, int], Near] | None:
    """Return a trigger that does not match an event, with the number of differences and how much agrees."""
    try:
        occurrence = eventbridge.read(event, view.when.source)
        differing = list(mismatches(view, occurrence))
    except Rejected:  # what only a handler knows, such as the monitoring schedule of a job
        return None
    if not differing:
        return None if view.enabled else ((0, 0), Near(view, "it is disabled"))
    agreeing = max(_common_beginning(expected, str(actual)) for _, expected, actual in differing)
    words = ", ".join(f"its {name} is {expected}" for name, expected, _ in differing)
    return (len(differing), -agreeing), Near(view, words)


def _common_beginning(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
