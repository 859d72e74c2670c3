"""Texts that CloudFormation would not take literally, but as its own language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipeline_triggers.documents.document import FieldPath

_DYNAMIC_REFERENCE = re.compile(r"\{\{\s*resolve\s*:", re.IGNORECASE)


def dynamic_references(data: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield each name and value of a document that holds a dynamic reference, and what to do about it."""
    match data:
        case dict():
            for name, value in data.items():
                if message := dynamic_reference(name):
                    yield (*path, name), message
                yield from dynamic_references(value, (*path, name))
        case list():
            for at, value in enumerate(data):
                yield from dynamic_references(value, (*path, at))
        case str():
            if message := dynamic_reference(data):
                yield path, message


def dynamic_reference(text: str) -> str | None:
    """Say that a text holds a dynamic reference, or None."""
    if _DYNAMIC_REFERENCE.search(text):
        return "holds a dynamic reference ({{resolve:…}}), which CloudFormation would replace; write the value itself"
    return None


def intrinsics(pattern: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield each name in an event pattern or filter policy that CloudFormation would take for a function of its own."""
    match pattern:
        case dict():
            for name, value in pattern.items():
                if is_intrinsic(name):
                    yield (
                        (*path, name),
                        f"is the name of a CloudFormation function; match another field, and test {name} in an if",
                    )
                yield from intrinsics(value, (*path, name))
        case list():
            for at, value in enumerate(pattern):
                yield from intrinsics(value, (*path, at))


def is_intrinsic(name: str) -> bool:
    """Whether a name is that of one of CloudFormation's functions."""
    return name == "Ref" or name.startswith("Fn::")
