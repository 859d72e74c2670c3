"""Parameter values: a literal, ``$.a.b[0]`` (a JSONPath as EventBridge reads it) or ``{% … %}`` (JSONata).

The three forms are AWS's own: EventBridge's dynamic parameters and Step Functions' JSONata.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata import Expression, Scope, compile_expression
from pipeline_triggers.language.jsonata.rules import ExpressionError
from pipeline_triggers.models import Occurrence

MAX_VALUE_LENGTH = 1024  # StartPipelineExecution: Parameter.Value
MAX_EXPERIMENT_LENGTH = 256  # StartPipelineExecution: MlflowExperimentName

JSONATA = re.compile(r"\{%(.*)%\}", re.DOTALL)
_EXECUTION = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:pipeline/[^/]+/execution/[^/\s]+")
PATH_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+|\*)\]")


def no_execution(text: str) -> str | None:
    """Say why a value is not the ARN of an execution, or None."""
    if _EXECUTION.fullmatch(text):
        return None
    return "is not an execution; write its ARN, arn:aws:sagemaker:…:pipeline/…/execution/…, or $.a.b or {% … %}"


def no_experiment(text: str) -> str | None:
    """Say why a value is not the name of an MLflow experiment, or None."""
    if len(text) > MAX_EXPERIMENT_LENGTH:
        return f"has {len(text)} characters; an MLflow experiment's name has {MAX_EXPERIMENT_LENGTH} at most"
    if len(text.splitlines()) > 1:
        return "has several lines; an MLflow experiment's name has one"
    return None


def holds(source: str, occurrence: Occurrence, field: str = "if") -> bool:
    """Evaluate a document's ``if`` or another condition: a comparison with something that is not there is false.

    Raises:
        Rejected: it does not give true or false.

    """
    answer, _ = _judged(source, occurrence, field)
    return answer


def unmet(source: str, occurrence: Occurrence) -> str | None:
    """Say why a document's ``if`` is not met, with what it compares and is not there; None when it is met.

    Raises:
        Rejected: it does not give true or false.

    """
    answer, missing = _judged(source, occurrence, "if")
    if answer:
        return None
    absent = f"; {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing on this event"
    return f"condition not met: {source}{absent if missing else ''}"


def _judged(source: str, occurrence: Occurrence, field: str) -> tuple[bool, list[str]]:
    answer: object
    missing: list[str] = []
    if expression(source) is None:
        answer = computed(source, occurrence)
    else:
        answer, missing = _run(source, occurrence, Expression.judge)
    if isinstance(answer, bool):
        return answer, missing
    raise Rejected(f"{field}: {source} does not give true or false on this event")


def expression(source: str) -> str | None:
    """Return the text between {% and %}, or None when the value is not an expression."""
    match = JSONATA.fullmatch(source)
    return match[1] if match else None


def literal(source: str) -> str | None:
    """Return the value that is the same on every event, or None when it is computed."""
    return None if source.startswith(("$.", "{%")) else source


def evaluate(source: str, occurrence: Occurrence) -> str:
    """Compute a value for an occurrence.

    Raises:
        Rejected: it can't be computed, or can't be sent.

    """
    return spell(source, computed(source, occurrence))


def computed(source: str, occurrence: Occurrence) -> object:
    """Return what a value is on an occurrence, of whichever type; None where there is nothing.

    Raises:
        Rejected: it can't be computed.

    """
    if expression(source) is not None:
        return _run(source, occurrence, Expression.evaluate)
    return _at(source, occurrence.event) if source.startswith("$.") else source


def _run(source: str, occurrence: Occurrence, run: Callable[[Expression, Scope], Any]) -> Any:
    try:
        return run(compile_expression(expression(source) or ""), _scope(occurrence))
    except (ExpressionError, Rejected) as error:
        raise Rejected(f"{source} {error}") from error


def _scope(occurrence: Occurrence) -> Scope:
    """Return what expressions see of an occurrence, made ready once for all of them."""
    if "scope" not in occurrence.memo:
        occurrence.memo["scope"] = Scope(occurrence.event, occurrence.bindings)
    scope: Scope = occurrence.memo["scope"]
    # What AWS was asked since then is bound, too.
    scope.bind(occurrence.event, occurrence.bindings)
    return scope


def _at(path: str, event: object) -> object:
    targets = follow(PATH_STEP.findall(path), event)
    if len(targets) > 1:
        raise Rejected(f"{path} gives {len(targets)} values on this event, not one; name one, as in [0]")
    return targets[0] if targets else None


def follow(steps: Iterable[tuple[str, str]], event: object) -> list[object]:
    """Return what the steps of a path lead to: nothing, one value, or with a wildcard any number of them."""
    values = [event]
    for name, index in steps:
        values = [child for parent in values for child in _children(parent, name, index)]
    return [value for value in values if value is not None]


def _children(parent: object, name: str, index: str) -> Iterable[object]:
    match parent:
        case dict() if name == "*":
            return parent.values()
        case dict() if name in parent:
            return [parent[name]]
        case list() if index == "*":
            return parent
        case list() if index and int(index) < len(parent):
            return [parent[int(index)]]
        case _:
            return []


def spell(source: str, value: Any) -> str:
    """Write a value as SageMaker's SDK spells it: booleans as True and False, whole numbers without a fraction.

    Raises:
        Rejected: the value is missing, not a single value, empty, too long, or not text; ``source`` names it.

    """
    spelt = text(source, value)
    if not spelt:
        raise Rejected(f"{source} is empty on this event, and SageMaker refuses empty values")
    if len(spelt) > MAX_VALUE_LENGTH:
        raise Rejected(f"{source} has {len(spelt)} characters on this event; SageMaker takes {MAX_VALUE_LENGTH}")
    return spelt


def text(source: str, value: Any) -> str:
    """Write a value as text of any length, spelt in the same way.

    Raises:
        Rejected: the value is missing, not a single value, or not text; ``source`` names it.

    """
    match value:
        case str() if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise Rejected(f"{source} holds half a surrogate pair on this event, which is not text")
        case str():
            return value
        case bool() | int():
            return str(value)
        case float() if math.isfinite(value):
            return str(int(value) if value.is_integer() else value)
        case None:
            raise Rejected(f"{source} resolves to nothing on this event; guard it, as in {{% $exists(a) ? a : 'b' %}}")
        case dict() | list():
            kind = "an object" if isinstance(value, dict) else "a list"
            raise Rejected(f"{source} gives {kind}, not one value; {{% $string(…) %}} turns it into text")
        case _:
            raise Rejected(f"{source} does not give text, a finite number or a boolean on this event")
