"""Fields on a wrong level of a document: indented too little or too far."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline_triggers.documents.document import FieldPath

Properties = Mapping[str, Mapping[str, Any]]


def misplaced(data: Any, schema: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Give each field that belongs to another level than the one where it is, and where to move it."""
    document: Properties = schema["properties"]
    trigger: Properties = schema["$defs"]["trigger"]["properties"]
    sources: Properties = schema["$defs"]["when"]["properties"]
    with_fields = {"triggers", "when", *_taking_fields(trigger), *sources}
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
        when = _mapping(fields.get("when"))
        outer = [("the trigger", trigger), ("the document", document)]
        yield from _too_little(when, (*path, "when"), sources, with_fields)
        yield from _too_far(when, (*path, "when"), sources, outer)
        for source in when.keys() & sources.keys():
            yield from _too_far(_mapping(when[source]), (*path, "when", source), sources[source]["properties"], outer)


def _too_little(
    fields: Mapping[str, Any],
    path: FieldPath,
    known: Properties,
    with_fields: Collection[str],
    inner: Collection[str] = (),
) -> Iterator[tuple[FieldPath, str]]:
    """Give what may belong to the empty field above it, or is known only further inside."""
    empty = None
    for name, value in fields.items():
        if name in known:
            empty = name if value == "" and name in with_fields else None
        elif empty:
            yield (*path, name), f"is not a known field; if it belongs to {empty}, indent it further"
        elif name in inner:
            yield (*path, name), "is a field of a trigger; indent it further, like the trigger's other fields"


def _too_far(
    fields: Mapping[str, Any], path: FieldPath, known: Properties, outer: Sequence[tuple[str, Properties]]
) -> Iterator[tuple[FieldPath, str]]:
    """Give what is known only further outside."""
    for name in fields.keys() - known.keys():
        if owner := next((owner for owner, properties in outer if name in properties), None):
            yield (*path, name), f"is a field of {owner}; indent it less, like {owner}'s other fields"


def _taking_fields(properties: Properties) -> Iterator[str]:
    """Give the properties that hold fields of their own."""
    for name, schema in properties.items():
        if "object" in schema.get("type", "") or schema.get("$ref") == "#/$defs/parameters":
            yield name


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
