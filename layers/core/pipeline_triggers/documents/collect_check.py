"""``collect`` and what goes with it: a Collect and the sources it collects from, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from pipeline_triggers.documents import batch_check, value_check
from pipeline_triggers.documents.batch_sample import BatchSample
from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.section import Section
from pipeline_triggers.models import Collect, Deadline, Occurrence, Part, When
from pipeline_triggers.text import did_you_mean

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}

# Each source of a trigger, and an event of each where one is known, by the name of its part; a single one by "".
Sources = Mapping[str, When]
Events = Mapping[str, Occurrence | None]


def seconds(duration: str) -> int:
    """Return the seconds of a time span as documents write it, as in 5 minutes."""
    number, unit = duration.split()
    return int(number) * _SECONDS[unit.removesuffix("s")]


def by_part(
    section: Section, raw: Mapping[str, Any], path: FieldPath, parts: Collection[str]
) -> dict[str, tuple[FieldPath, str]]:
    """Return the path and text of a field for each part; a single text is that of all parts."""
    value: Any = raw
    for name in path:
        value = value.get(name, {})
    if not isinstance(value, dict):
        return dict.fromkeys(parts, (path, value))
    for name in value.keys() - parts:
        remedy = did_you_mean(name, sorted(parts)) if "" not in parts else "write one value"
        section.problem((*path, name), f"is not a name in when.all; {remedy}")
    return {part: ((*path, part), text) for part, text in value.items() if part in parts}


def read_parts(raw: Mapping[str, Any], sources: Sources) -> dict[str, Part]:
    """Read the sources of a trigger that has several, with what a document says of the events of each."""

    def of(part: str, fields: Mapping[str, Any], name: str) -> str | None:
        value = fields.get(name)
        return value.get(part) if isinstance(value, dict) else value

    collect = raw.get("collect", {})
    return {
        name: Part(when, of(name, raw, "if"), of(name, raw, "dedupe"), of(name, collect, "by"))
        for name, when in sources.items()
    }


def read_collect(section: Section, raw: Mapping[str, Any], sources: Sources, events: Events) -> Collect | None:
    """Read and check the ``collect`` of a trigger, whose section this is."""
    if "collect" not in raw or not sources:
        return None
    collect = _collect(raw["collect"], sources)
    for part, (path, text) in by_part(section, raw, ("collect", "by"), events).items():
        section.check(path, text, partial(value_check.check, sample=events[part]))
    section.check(("collect", "part"), collect.part, partial(value_check.check, sample=events.get("")))
    return collect


def check_batches(section: Section, collect: Collect, batches: Sequence[BatchSample]) -> None:
    """Check what ``collect`` computes of a batch."""
    section.check(("collect", "only_if"), collect.only_if, partial(batch_check.check_condition, batches=batches))


def _collect(raw: Mapping[str, Any], sources: Sources) -> Collect:
    expect = raw.get("expect")
    if isinstance(expect, list):
        expect = tuple(expect)
    elif expect is not None and expect.isdecimal():
        expect = int(expect)
    by = raw.get("by")
    return Collect(
        by=by if "" in sources else None,
        part=raw.get("part"),
        expect=expect if "" in sources else tuple(sources),
        **{name: seconds(raw[name]) for name in ("quiet", "max_open") if name in raw},
        max_events=int(raw.get("max_events", Collect().max_events)),
        only_if=raw.get("only_if"),
        late=raw.get("late", "all" if "" in sources else "new"),
        deadline=_deadline(raw["deadline"]) if "deadline" in raw else None,
    )


def _deadline(raw: Mapping[str, Any]) -> Deadline:
    return Deadline(
        after=seconds(raw["after"]) if "after" in raw else None,
        cron=raw.get("cron"),
        timezone=raw.get("timezone", "UTC"),
        due=raw.get("due"),
        start_incomplete=raw.get("start_incomplete") == "true",
    )
