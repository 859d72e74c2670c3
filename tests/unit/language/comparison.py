"""What our evaluation makes of an expression, held against the answer of the reference implementation.

An answer is a line: ``=`` and the value as JSON, ``-`` for no value, ``!`` and the code of an error, or ``?`` for a
value that JSON does not have (a function, an infinite number).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata import Scope, compile_expression
from pipeline_triggers.language.jsonata.data import NULL, is_function
from pipeline_triggers.language.jsonata.rules import ExpressionError

from tests.unit.language.expressions import Case

RECORDING = Path(__file__).with_name("jsonata_reference.txt")

EQUAL, REFUSED, DIFFERENT = "equal", "refused with a reason", "different"


def compared(expression: str, event: Mapping[str, Any], variables: Mapping[str, Any], answer: str) -> tuple[str, Any]:
    """Return how our evaluation compares with an answer, and what it gives: a value, or why there is none."""
    try:
        value = plain(compile_expression(expression).evaluate(Scope(event, variables)))
    except (ExpressionError, Rejected) as refusal:
        return (REFUSED, str(refusal)) if str(refusal) else (DIFFERENT, "refused without a reason")
    match answer[:1]:
        case "=":
            is_equal = _same(value, json.loads(answer[1:]))
        case "-":
            is_equal = value is None
        case "?":
            is_equal = _holds_function(value)
        case _:
            is_equal = False
    return EQUAL if is_equal else DIFFERENT, value


def plain(value: Any) -> Any:
    """Return what an expression gives as JSON has it in Python."""
    match value:
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return None if value is NULL else value


def _holds_function(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return is_function(value) or any(map(_holds_function, items))


def _same(ours: Any, theirs: Any) -> bool:
    """Whether two values are the same, down to the order of an object's names."""
    match ours, theirs:
        case dict(), dict():
            return list(ours) == list(theirs) and all(_same(ours[name], theirs[name]) for name in ours)
        case list(), list():
            return len(ours) == len(theirs) and all(map(_same, ours, theirs))
        case int() | float(), int() | float():
            return isinstance(ours, bool) == isinstance(theirs, bool) and float(ours) == float(theirs)
        case _:
            return bool(ours == theirs)


def digest(cases: Iterable[Case]) -> str:
    """Return a hash of all expressions and of the positions of their events."""
    return hashlib.sha256(json.dumps(list(cases)).encode()).hexdigest()
