"""A document's shape, by the JSON Schema, which is its one source for editors and for this check."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from pipeline_triggers.documents.yaml_reader import Source
from pipeline_triggers.text import brief, did_you_mean


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    text = resources.files("pipeline_triggers.documents").joinpath("schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def _validator() -> Draft202012Validator:
    strict: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": _pattern}
    )
    return strict(schema())


def _pattern(_validator: object, pattern: str, found: object, _schema: object) -> Iterator[ValidationError]:
    """Match as JSON Schema does; Python's ``$`` would let a line break follow."""
    if isinstance(found, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), found):
        yield ValidationError(f"{found!r} does not match {pattern!r}")


def note_shape(source: Source) -> None:
    """Note what in a document's shape is wrong; what is right can be read for its meaning."""
    for error in _validator().iter_errors(source.data):
        path = tuple(error.absolute_path)
        if error.validator == "oneOf" and not isinstance(error.instance, dict):
            continue  # that it is no mapping is told by itself
        if error.validator == "dependentRequired":
            continue  # for editors; the check says which goes with which
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in [key for key in error.instance if key not in known]:
                source.problem((*path, key), f"is not known here; {did_you_mean(key, known)}")
        elif "propertyNames" in error.absolute_schema_path:
            source.problem((*path, error.instance), f"is no name that works here; {error.schema['remedy']}")
        else:
            source.problem(path, _message(error))


def _message(error: Any) -> str:
    expected, found = error.validator_value, error.instance
    what = _description(error)
    match error.validator:
        case "required":
            return f"lacks {', '.join(name for name in expected if name not in found)}; add it"
        case "oneOf":
            names = [name for option in expected for name in option["required"]]
            given = [name for name in names if name in found]
            return f"has {' and '.join(given)}; keep one" if given else f"lacks {' or '.join(names)}; add one"
        case "type":
            return f"is {_kind(found)}; write {_WANTED[str(expected)]}: {what}"
        case "minLength" | "minProperties" | "minItems":
            return f"is empty; write it: {what}"
        case "maxLength" | "maxProperties" | "maxItems":
            return f"has {len(found)} {_COUNTED[error.validator]}; write {expected} at most"
        case _:
            return f"is {_kind(found)}; {error.schema['remedy']}"


def _description(error: Any) -> str:
    """Return the node's description; that beside a reference says more than that of what it refers to."""
    node: Any = schema()
    for step in [*list(error.absolute_schema_path)[:-1], "description"]:
        # The path leaves the references out.
        while step not in node:
            node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
        node = node[step]
    return str(node)


_COUNTED = {"maxLength": "characters", "maxProperties": "names", "maxItems": "items"}

_WANTED = {
    "array": "a list",
    "object": "names with values under them",
    "['string', 'array']": "a text or a list",
    "['string', 'integer']": "a whole number",
    "['string', 'number', 'boolean']": "a single value",
    "['string', 'number', 'boolean', 'array']": "a single value or a list",
    "['string', 'number', 'object']": "a pipeline's name, or names with parameters under them",
}


def _kind(found: object) -> str:
    match found:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return brief(str(found)) if found else "empty"
