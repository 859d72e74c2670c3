"""Event patterns and filter policies: what could never match, or would fail the deploy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.literal import intrinsics
from pipeline_triggers.text import did_you_mean

FIELDS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail", "replay-name")

OPERATORS = ("prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr")


def problems(pattern: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Yield (a path in it, what is wrong and how to fix it); EventBridge itself checks the operators' values."""
    yield from intrinsics(pattern)
    yield from _fields(pattern, ())
    yield from _in_object(pattern, ())


def filter_problems(policy: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Yield the same of a filter policy of SNS, which is written like a pattern."""
    yield from intrinsics(policy)
    yield from _in_object(policy, ())


def uses(pattern: object, operator: str) -> bool:
    """Whether a pattern uses an operator anywhere."""
    match pattern:
        case dict():
            return operator in pattern or any(uses(value, operator) for value in pattern.values())
        case list():
            return any(uses(value, operator) for value in pattern)
        case _:
            return False


def _fields(pattern: Mapping[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    for name, value in pattern.items():
        here = (*path, name)
        match value:
            case list() if name == "$or":
                for at, alternative in enumerate(value):
                    if isinstance(alternative, dict):
                        yield from _fields(alternative, (*here, at))
            case _ if name not in (*FIELDS, "$or"):
                yield here, f"is not a field of an event; {did_you_mean(name, (*FIELDS, '$or'))}"
            case [_, *_] if name == "detail":
                yield here, "is a list; write fields and their values, as in {status: [failed]}"
            case dict() if value and name not in ("detail", "$or"):
                yield here, "is a mapping; only detail has fields, so write a list of values"
            case list():  # outside of its detail, an event holds texts only
                for at, matcher in enumerate(value):
                    if not isinstance(matcher, str | dict | list):
                        message = f'is {_json(matcher)}, but {name} is a text; write "{_json(matcher)}"'
                        yield (*here, at), message


def _in_object(pattern: Mapping[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    for name, value in pattern.items():
        here = (*path, name)
        match value:
            case list() | dict() | "" if not value:
                yield here, "is empty, which EventBridge refuses; leave it out, or write what to match"
            case list() if name == "$or":
                yield from _alternatives(value, here)
            case _ if name == "$or":
                example = "[{source: [acme]}, {account: ['123456789012']}]"
                yield here, f"is not a list; write patterns side by side, as in {example}"
            case list():
                for at, matcher in enumerate(value):
                    if message := _matcher(matcher):
                        yield (*here, at), message
            case dict():
                yield from _in_object(value, here)
            case _:
                yield here, f"is {_json(value)}; a pattern's values are lists: {_json([value])}"


def _alternatives(value: list[Any], path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if len(value) == 1:
        yield path, "has one alternative; write two or more, or leave out $or"
    for at, alternative in enumerate(value):
        if isinstance(alternative, dict) and alternative:
            yield from _in_object(alternative, (*path, at))
        else:
            yield (*path, at), "is not a pattern; write fields and their values, as in {source: [acme]}"


def _matcher(matcher: object) -> str | None:
    match matcher:
        case list():
            return "is a list in a list; write its values side by side"
        case dict() if len(matcher) != 1:
            return f"has {len(matcher)} operators; write one, as in {{prefix: acme.}}"
        case dict():
            (operator,) = matcher
            if operator not in OPERATORS:
                return f"has an unknown operator, {operator}; {did_you_mean(operator, OPERATORS)}"
    return None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
