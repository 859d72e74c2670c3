"""A document's shape, by the JSON Schema, which is its one source for editors and for this check."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from pipeline_triggers.documents.document import Document, FieldPath
from pipeline_triggers.documents.indentation import misplaced
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


def _pattern(_validator: object, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    """Match as JSON Schema does; Python's ``$`` would let a line break follow."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def check_shape(document: Document) -> None:
    """Add what is wrong with a document's shape; the rest of it can be read for its meaning."""
    elsewhere = dict(misplaced(document.data, schema()))
    for path, message in elsewhere.items():
        document.problem(path, message)
    for error in _validator().iter_errors(document.data):
        if error.validator == "dependentRequired":
            continue  # for editors; the check of the trigger says which field goes with which
        if _follows(error, elsewhere):
            document.mark_wrong(tuple(error.absolute_path))
            continue
        for path, message in _problems(error):
            if path not in elsewhere:
                document.problem(path, message)


def _follows(error: Any, elsewhere: Collection[FieldPath]) -> bool:
    """Whether an error only follows from another one, such as a field elsewhere."""
    path = tuple(error.absolute_path)
    match error.validator:
        case "oneOf" if not isinstance(error.instance, dict):
            return True  # its type is wrong
        case "required" | "oneOf":
            follows = any(field[-1] in _missing(error) for field in elsewhere)
        case "maxProperties":
            follows = any(field[:-1] == path for field in elsewhere)
        case _:
            follows = False
    return follows or any(path[: len(field)] == field for field in elsewhere)


def _missing(error: Any) -> list[str]:
    """Return the fields that a mapping needs, all of them or one of them."""
    match error.validator:
        case "required":
            return [name for name in error.validator_value if name not in error.instance]
        case _:
            return [name for option in error.validator_value for name in option["required"]]


def _problems(error: Any) -> Iterator[tuple[FieldPath, str]]:
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for name in [name for name in error.instance if name not in known]:
            yield (*path, name), f"is not a known field; {did_you_mean(name, known)}"
    elif "propertyNames" in error.absolute_schema_path:
        yield (*path, error.instance), f"is not a valid name; {error.schema['remedy']}"
    else:
        yield path, _message(error)


def _message(error: Any) -> str:
    limit, value = error.validator_value, error.instance
    match error.validator:
        case "required":
            return f"needs {', '.join(_missing(error))}"
        case "oneOf":
            given = [name for name in _missing(error) if name in value]
            return f"has {' and '.join(given)}; keep one" if given else f"needs {' or '.join(_missing(error))}"
        case "type":
            return f"is {_kind(value)}; write {_KINDS[str(limit)]}: {_description(error)}"
        case "minLength" | "minProperties" | "minItems":
            return f"is empty; fill it in: {_description(error)}"
        case "maxLength" | "maxProperties" | "maxItems":
            return f"has {len(value)} {_COUNTED[error.validator]}; the limit is {limit}"
        case _:
            return f"is {_kind(value)}; {error.schema['remedy']}"


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

_KINDS = {
    "array": "a list",
    "object": "names with values under them",
    "['string', 'array']": "a text or a list",
    "['string', 'object']": "fields with values under them, or a file's name",
    "['string', 'array', 'object']": "pipelines with parameters under them",
    "['string', 'integer']": "a whole number",
    "string": "a text",
    "['string', 'integer', 'array']": "a whole number, {% … %} or a list",
    "['string', 'number', 'boolean']": "a single value",
    "['string', 'number', 'boolean', 'object']": "a single value, or one for each part of when.all",
    "['string', 'number', 'boolean', 'array']": "a single value or a list",
    "['string', 'number', 'object']": "a pipeline's name, or names with parameters under them",
}


def _kind(value: object) -> str:
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return brief(str(value)) if value else "empty"
