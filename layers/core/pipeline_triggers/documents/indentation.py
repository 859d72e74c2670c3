"""Fields on a wrong level of a document: indented too little or too far."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.models import ALL

Properties = Mapping[str, Mapping[str, Any]]
Outer = Sequence[tuple[str, Properties]]  # what is further outside, with what it is called


def misplaced(data: Any, schema: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Yield each field that belongs to another level than the one where it is, and where to move it."""
    document: Properties = schema["properties"]
    trigger: Properties = schema["$defs"]["trigger"]["properties"]
    sources: Properties = schema["$defs"]["when"]["properties"]
    collect: Properties = schema["$defs"]["collect"]["properties"]
    deadline: Properties = schema["$defs"]["deadline"]["properties"]
    with_fields = {"triggers", "limits", "when", "collect", "deadline", *_taking_fields(trigger), *sources}
    yield from _too_little(_mapping(data), (), document, with_fields, trigger)
    triggers = _mapping(_mapping(data).get("triggers"))
    for name, value in triggers.items():
        path: FieldPath = ("triggers", name)
        if name in trigger and "when" not in _mapping(value):
            yield path, "is a field of a trigger; indent it further, like the trigger's other fields"
            continue
        fields = _mapping(value)
        yield from _too_little(fields, path, trigger, with_fields)
        yield from _too_far(fields, path, trigger, [("the document", document)])
        outer: Outer = [("the trigger", trigger), ("the document", document)]
        place, inside = (*path, "collect"), _mapping(fields.get("collect"))
        yield from _within(inside, place, collect, with_fields, outer)
        place, inside = (*place, "deadline"), _mapping(inside.get("deadline"))
        yield from _within(inside, place, deadline, with_fields, [("collect", collect), *outer])
        for place, when in _whens(_mapping(fields.get("when")), (*path, "when")):
            yield from _within(when, place, sources, with_fields, outer)
            for source in (when.keys() & sources.keys()) - {ALL}:
                yield from _too_far(_mapping(when[source]), (*place, source), sources[source]["properties"], outer)


def _whens(when: Mapping[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, Mapping[str, Any]]]:
    """Yield a ``when``, and those of its parts."""
    yield path, when
    for part, one in _mapping(when.get(ALL)).items():
        yield (*path, ALL, part), _mapping(one)


def _within(
    fields: Mapping[str, Any], path: FieldPath, known: Properties, with_fields: Collection[str], outer: Outer
) -> Iterator[tuple[FieldPath, str]]:
    """Yield what is indented too little or too far among the fields of a mapping."""
    yield from _too_little(fields, path, known, with_fields)
    yield from _too_far(fields, path, known, outer)


def _too_little(
    fields: Mapping[str, Any],
    path: FieldPath,
    known: Properties,
    with_fields: Collection[str],
    inner: Collection[str] = (),
) -> Iterator[tuple[FieldPath, str]]:
    """Yield what may belong to the empty field above it, or is known only further inside."""
    empty = None
    for name, value in fields.items():
        if name in known:
            empty = name if value == "" and name in with_fields else None
        elif empty:
            yield (*path, name), f"is not a known field; if it belongs to {empty}, indent it further"
        elif name in inner:
            yield (*path, name), "is a field of a trigger; indent it further, like the trigger's other fields"


def _too_far(
    fields: Mapping[str, Any], path: FieldPath, known: Properties, outer: Outer
) -> Iterator[tuple[FieldPath, str]]:
    """Yield what is known only further outside."""
    for name in fields.keys() - known.keys():
        if owner := next((owner for owner, properties in outer if name in properties), None):
            yield (*path, name), f"is a field of {owner}; indent it less, like {owner}'s other fields"


def _taking_fields(properties: Properties) -> Iterator[str]:
    """Yield the properties that hold fields of their own."""
    for name, schema in properties.items():
        if "object" in schema.get("type", "") or schema.get("$ref") == "#/$defs/parameters":
            yield name


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
