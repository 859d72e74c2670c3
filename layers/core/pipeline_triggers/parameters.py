"""Parameter values: a literal, ``$.a.b[0]`` (a JSONPath as EventBridge reads it) or ``{% … %}`` (JSONata).

The three forms are AWS's own: EventBridge's dynamic parameters and Step Functions' JSONata.
"""

from __future__ import annotations

import math
import re
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.expressions import ExpressionError, compile_expression
from pipeline_triggers.misfits import FREE, misfit
from pipeline_triggers.models import Occurrence

MAX_VALUE_LENGTH = 1024  # StartPipelineExecution: Parameter.Value

_JSONATA = re.compile(r"\{%(.*)%\}", re.DOTALL)
_PATH = re.compile(r"\$(?:\.[A-Za-z0-9_/-]+|\[[0-9]+\])+")
_LIKE_A_VARIABLE = re.compile(r"\s*\$[A-Za-z$\[]|\s+\$")
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")


def check(source: str, sample: Occurrence | None) -> str | None:
    """Say what is wrong with the value as the document writes it, or None.

    ``sample`` is an occurrence as the trigger's source makes them, where that is known; what the value asks for must
    be there.
    """
    if expression := _JSONATA.fullmatch(source):
        try:
            if sample is None:
                compile_expression(expression[1])
                return None
            return misfit(expression[1], sample.event, sample.bindings)
        except ExpressionError as error:
            return str(error)
    if "{%" in source or source.rstrip().endswith("%}"):
        return "is half an expression; write {% … %} around the whole value, and join texts in it: {% 'a/' & $b %}"
    if _LIKE_A_VARIABLE.match(source):
        return f"looks like a path or a variable; write {{% {source.strip()} %}}, or {{% '{source}' %}} for the text"
    if source.startswith("$."):
        if not _PATH.fullmatch(source):
            return "is no JSONPath that EventBridge knows; write names and indices as in $.detail.items[0].id"
        if sample is not None and _at(source, sample.event) is None and not FREE.intersection(source.split(".")):
            return "leads to nothing: such an event does not have it"
        return None
    if not source:
        return "is empty, and SageMaker refuses empty values; leave the parameter out to use its default"
    if len(source) > MAX_VALUE_LENGTH:
        return f"has {len(source)} characters; SageMaker takes {MAX_VALUE_LENGTH} at most"
    return None


def check_condition(source: str, sample: Occurrence | None) -> str | None:
    """Say what is wrong with a document's ``if``, or None."""
    if not _JSONATA.fullmatch(source):
        return "is no expression; write {% … %} around it, as in {% $object.size > 0 %}"
    return check(source, sample)


def holds(source: str, occurrence: Occurrence) -> bool:
    """Evaluate a document's ``if``.

    Raises:
        Rejected: it gives neither true nor false.

    """
    match _computed(source, occurrence):
        case bool(answer):
            return answer
    raise Rejected(f"if: {source} gives neither true nor false on this event")


def literal(source: str) -> str | None:
    """Return the value that is the same on every event, or None when it is computed."""
    return None if source.startswith(("$.", "{%")) else source


def evaluate(source: str, occurrence: Occurrence) -> str:
    """Compute a value for an occurrence, spelt as SageMaker's own SDK spells it.

    Raises:
        Rejected: the value is missing, not a single value, empty or too long.

    """
    found = _computed(source, occurrence)
    text = _spell(source, found)
    if not text:
        raise Rejected(f"{source} is empty on this event, and SageMaker refuses empty values")
    if len(text) > MAX_VALUE_LENGTH:
        raise Rejected(f"{source} has {len(text)} characters on this event; SageMaker takes {MAX_VALUE_LENGTH}")
    return text


def _computed(source: str, occurrence: Occurrence) -> object:
    if expression := _JSONATA.fullmatch(source):
        try:
            return compile_expression(expression[1]).evaluate(occurrence.event, occurrence.bindings)
        except (ExpressionError, Rejected) as error:
            raise Rejected(f"{source} {error}") from error
    return _at(source, occurrence.event) if source.startswith("$.") else source


def _at(path: str, event: object) -> object:
    found = event
    for name, index in _PATH_STEP.findall(path):
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and index and int(index) < len(found):
            found = found[int(index)]
        else:
            return None
    return found


def _spell(source: str, found: Any) -> str:
    """Write a value as text: booleans as True and False, whole numbers without a fraction."""
    match found:
        case str():
            return found
        case bool() | int():
            return str(found)
        case float() if math.isfinite(found):
            return str(int(found) if found.is_integer() else found)
        case None:
            raise Rejected(f"{source} resolves to nothing on this event; guard it, as in {{% $exists(a) ? a : 'b' %}}")
        case dict() | list():
            kind = "an object" if isinstance(found, dict) else "a list"
            raise Rejected(f"{source} gives {kind}, not one value; {{% $string(…) %}} makes it a text")
        case _:
            raise Rejected(f"{source} gives neither a text nor a finite number nor a boolean on this event")
