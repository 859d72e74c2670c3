"""``collect`` and what goes with it: a Collect and the sources it collects from, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pipeline_triggers.documents import batch_check, value_check
from pipeline_triggers.documents.batch_sample import BatchSample
from pipeline_triggers.documents.deadline_check import check_deadline, read_deadline
from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.durations import seconds
from pipeline_triggers.documents.schema_check import schema
from pipeline_triggers.documents.section import Section
from pipeline_triggers.language import values
from pipeline_triggers.language.batch_values import MAX_EVENTS, MAX_EXPECTED, MAX_EXPECTED_BYTES
from pipeline_triggers.language.sources import takes_requests
from pipeline_triggers.models import ALL, Collect, Occurrence, Part, When
from pipeline_triggers.text import brief, did_you_mean

_DEADLINE = "deadline: {after: 7 days}"
_FIELDS = tuple(schema()["$defs"]["collect"]["properties"])

# Each source of a trigger, and an event of each where one is known, by the name of its part; a single one by "".
Sources = Mapping[str, When]
Events = Mapping[str, Occurrence | None]


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
    """Read and check the ``collect`` of a trigger, whose section this is; ``events`` has an event of each source."""
    joins = bool(sources) and "" not in sources
    if "collect" not in raw or not sources:
        if joins and section.is_right("collect"):
            section.problem(("when", ALL), f"needs a collect with a deadline; write collect: {{{_DEADLINE}}}")
        return None
    place, fields = section.at("collect"), raw["collect"]
    if not joins and takes_requests(sources[""]):
        place.problem((), "does not apply to requests on the stack's own topic, which are not collected; leave it out")
    if raw.get("when_busy") == "skip":
        section.problem(("when_busy",), "skips single events, but a batch waits for its turn; leave it out")
    # What has a wrong shape is there, too.
    has = frozenset(name for name in _FIELDS if name in fields or not place.is_right(name))
    for path, message in [*_misplaced(has, joins=joins), *_out_of_range(fields)]:
        if not path or place.is_right(*path):
            place.problem(path, message)
    _check_events(section, raw, events)
    collect = _collect(fields, sources)
    if "deadline" in fields:
        check_deadline(place.at("deadline"), fields["deadline"], has_by="by" in fields)
    return collect


def _misplaced(has: frozenset[str], *, joins: bool) -> Iterator[tuple[FieldPath, str]]:
    """Yield (a field, what is wrong with it) of those that do not go together."""
    if joins:
        for name in {"part", "expect"} & has:
            yield (name,), "is for one source; the names in when.all are the parts, so leave it out"
    elif "expect" in has and "part" not in has:
        yield ("expect",), "needs part, which identifies the parts, as in {% $split($object.key, '/')[2] %}"
    if not joins and "expect" not in has:
        for name in {"late", "deadline"} & has:
            yield (name,), "is for a batch that expects parts; write expect, or leave it out"
        return
    for name in {"quiet", "max_open", "max_events"} & has:
        yield (name,), "does not apply to a batch that closes when its parts are there; leave it out"
    if "deadline" not in has:
        yield (), f"needs a deadline, because a part may never come; write {_DEADLINE}"


def _out_of_range(fields: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    if int(fields.get("max_events", 1)) > MAX_EVENTS:
        yield ("max_events",), f"is {fields['max_events']}; a batch holds {MAX_EVENTS} events at most"
    if "expect" in fields and (message := _expect_problem(fields["expect"])):
        yield ("expect",), message


def _expect_problem(expect: str | list[str]) -> str | None:
    """Say why no batch can ever have what a literal ``expect`` names, or None."""
    if isinstance(expect, list):
        twice = [name for name in expect if expect.count(name) > 1]
        size = sum(len(name.encode()) for name in expect)
        if size > MAX_EXPECTED_BYTES:
            return f"has names of {size} bytes; a batch holds {MAX_EXPECTED_BYTES}, so shorten them"
        return f"names {brief(twice[0])} twice; name each part once" if twice else None
    if expect.isdecimal():
        return None if 1 <= int(expect) <= MAX_EXPECTED else f"is {expect}; a batch expects 1 to {MAX_EXPECTED} parts"
    if values.expression(expect) is None:
        return f"is {brief(expect)}; write a list of names, a whole number, or {{% … %}} of $batch.by"
    return None


def _check_events(section: Section, raw: Mapping[str, Any], events: Events) -> None:
    """Check what ``collect`` computes of each event."""
    fields = raw["collect"]
    of_parts = by_part(section, raw, ("collect", "by"), events)
    for part, (path, text) in of_parts.items():
        section.check(path, text, partial(value_check.check, sample=events[part]))
    if "" not in events:
        if missing := sorted(events.keys() - of_parts.keys()) if "by" in fields else []:
            section.problem(("collect", "by"), f"lacks {', '.join(missing)}; write the by of each part in when.all")
        return
    section.check(("collect", "part"), fields.get("part"), partial(_part_problem, sample=events.get("")))


def _part_problem(text: str, sample: Occurrence | None) -> str | None:
    if message := value_check.check(text, sample):
        return message
    if value_check.is_the_same(text):
        return "is the same on every event, so no batch has several parts; write $.a.b or {% … %}"
    return None


def check_batches(section: Section, collect: Collect, batches: Sequence[BatchSample]) -> None:
    """Check what ``collect`` computes of a batch."""
    section.check(("collect", "only_if"), collect.only_if, partial(batch_check.check_condition, batches=batches))
    if isinstance(collect.expect, str) and section.is_right("collect", "expect"):
        section.check(("collect", "expect"), collect.expect, partial(batch_check.check_expect, batches=batches))


def _collect(raw: Mapping[str, Any], sources: Sources) -> Collect:
    expect = raw.get("expect")
    if isinstance(expect, list):
        expect = tuple(expect)
    elif expect is not None and expect.isdecimal():
        expect = int(expect)
    by = raw.get("by")
    return Collect(
        by=by if "" in sources and isinstance(by, str) else None,
        part=raw.get("part"),
        expect=expect if "" in sources else tuple(sources),
        **{name: seconds(raw[name]) for name in ("quiet", "max_open") if name in raw},
        max_events=int(raw.get("max_events", Collect().max_events)),
        only_if=raw.get("only_if"),
        late=raw.get("late", "all" if "" in sources else "new"),
        deadline=read_deadline(raw["deadline"]) if "deadline" in raw else None,
    )
