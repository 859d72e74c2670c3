"""Parameter values: a literal, ``$.a.b[0]`` (a JSONPath as EventBridge reads it) or ``{% … %}`` (JSONata).

The three forms are AWS's own: EventBridge's dynamic parameters and Step Functions' JSONata.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.expressions import ExpressionError, compile_expression
from pipeline_triggers.misfits import FREE, is_constant, misfit
from pipeline_triggers.models import Occurrence

MAX_VALUE_LENGTH = 1024  # StartPipelineExecution: Parameter.Value
MAX_EXPERIMENT_LENGTH = 256  # StartPipelineExecution: MlflowExperimentName

_JSONATA = re.compile(r"\{%(.*)%\}", re.DOTALL)
_EXECUTION = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:pipeline/[^/]+/execution/[^/\s]+")
_PATH = re.compile(r"\$(?:\.(?:[A-Za-z0-9_/-]+|\*)|\[(?:[0-9]+|\*)\])+")
_LIKE_A_VARIABLE = re.compile(r"\s*\$[A-Za-z$\[]|\s+\$")
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+|\*)\]")


def check(source: str, sample: Occurrence | None, wrong: Callable[[Any], str | None] | None = None) -> str | None:
    """Say what is wrong with the value as the document writes it, or None.

    ``sample`` is an occurrence as the trigger's source makes them, where that is known; what the value asks for must
    be there.
    """
    if expression := _JSONATA.fullmatch(source):
        try:
            if sample is None:
                compile_expression(expression[1])
                return None
            return misfit(expression[1], sample.event, sample.bindings, wrong or _unsendable)
        except ExpressionError as error:
            return str(error)
    if "{%" in source or source.rstrip().endswith("%}"):
        return "is half an expression; write {% … %} around the whole value, and join texts in it: {% 'a/' & $b %}"
    if _LIKE_A_VARIABLE.match(source):
        return f"looks like a path or a variable; write {{% {source.strip()} %}}, or {{% '{source}' %}} for the text"
    if source.startswith("$."):
        if not _PATH.fullmatch(source):
            return "is no JSONPath that EventBridge knows; write names, indices and * as in $.detail.items[0].id"
        return None if sample is None else _misled(source, sample.event)
    if not source:
        return "is empty, and SageMaker refuses empty values; leave the parameter out to use its default"
    if len(source) > MAX_VALUE_LENGTH:
        return f"has {len(source)} characters; SageMaker takes {MAX_VALUE_LENGTH} at most"
    return None


def _misled(path: str, event: object) -> str | None:
    """Say that a path leads to nothing, or to no single value; what is under a free name nobody can tell."""
    steps = _PATH_STEP.findall(path)
    names = [name for name, _ in steps]
    if (free := next((at for at, name in enumerate(names) if name in FREE), None)) is not None:
        steps = steps[:free]
    # How long a list is differs from event to event.
    steps = [(name, "0" if index.isdecimal() and "resources" not in names else index) for name, index in steps]
    found = _follow(steps, event)
    if not found:
        return "leads to nothing: such an event does not have it; look at one in events/"
    return _unsendable(found[0]) if free is None and len(found) == 1 else None


def _unsendable(value: Any) -> str | None:
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"gives {kind} on such an event, not one value; name one of it, or write {{% $string(…) %}}"
    return None


def _undecided(value: Any) -> str | None:
    return None if isinstance(value, bool) else "gives neither true nor false on such an event; compare, as in a = 'b'"


def check_condition(source: str, sample: Occurrence | None) -> str | None:
    """Say what is wrong with a document's ``if``, or None."""
    if not _JSONATA.fullmatch(source):
        return "is no expression; write {% … %} around it, as in {% $object.size > 0 %}"
    return check(source, sample, _undecided)


def check_key(source: str, sample: Occurrence | None) -> str | None:
    """Say what is wrong with a document's ``dedupe``, or None."""
    wrong = check(source, sample)
    if wrong is None and (literal(source) is not None or _is_constant(source)):
        return "is the same on every event, and so would start once for ever; write $.a.b or {% … %}"
    return wrong


def no_execution(text: str) -> str | None:
    """Say why a value is no ARN of an execution, or None."""
    if _EXECUTION.fullmatch(text):
        return None
    return "is no execution; write its ARN, arn:aws:sagemaker:…:pipeline/…/execution/…, or $.a.b or {% … %}"


def no_experiment(text: str) -> str | None:
    """Say why a value is no name of an MLflow experiment, or None."""
    if len(text) > MAX_EXPERIMENT_LENGTH:
        return f"has {len(text)} characters; an MLflow experiment's name has {MAX_EXPERIMENT_LENGTH} at most"
    if len(text.splitlines()) > 1:
        return "has several lines; an MLflow experiment's name has one"
    return None


def _is_constant(source: str) -> bool:
    found = expression(source)
    return found is not None and is_constant(found)


def holds(source: str, occurrence: Occurrence) -> bool:
    """Evaluate a document's ``if``.

    Raises:
        Rejected: it gives neither true nor false.

    """
    match _computed(source, occurrence):
        case bool(answer):
            return answer
    raise Rejected(f"if: {source} gives neither true nor false on this event")


def expression(source: str) -> str | None:
    """Return what stands between {% and %}, or None when the value is no expression."""
    found = _JSONATA.fullmatch(source)
    return found[1] if found else None


def literal(source: str) -> str | None:
    """Return the value that is the same on every event, or None when it is computed."""
    return None if source.startswith(("$.", "{%")) else source


def evaluate(source: str, occurrence: Occurrence) -> str:
    """Compute a value for an occurrence.

    Raises:
        Rejected: it can't be computed, or can't be sent.

    """
    return spell(source, _computed(source, occurrence))


def _computed(source: str, occurrence: Occurrence) -> object:
    if expression := _JSONATA.fullmatch(source):
        try:
            return compile_expression(expression[1]).evaluate(occurrence.event, occurrence.bindings)
        except (ExpressionError, Rejected) as error:
            raise Rejected(f"{source} {error}") from error
    return _at(source, occurrence.event) if source.startswith("$.") else source


def _at(path: str, event: object) -> object:
    found = _matches(path, event)
    if len(found) > 1:
        raise Rejected(f"{path} gives {len(found)} values on this event, not one; name one, as in [0]")
    return found[0] if found else None


def _matches(path: str, event: object) -> list[object]:
    """Return what a path leads to: nothing, one value, or with a wildcard any number of them."""
    return _follow(_PATH_STEP.findall(path), event)


def _follow(steps: Iterable[tuple[str, str]], event: object) -> list[object]:
    found = [event]
    for name, index in steps:
        found = [child for parent in found for child in _children(parent, name, index)]
    return [value for value in found if value is not None]


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


def spell(source: str, found: Any) -> str:
    """Write a value as SageMaker's SDK spells it: booleans as True and False, whole numbers without a fraction.

    Raises:
        Rejected: the value is missing, not a single value, empty, too long, or no text; ``source`` names it.

    """
    text = _text(source, found)
    if not text:
        raise Rejected(f"{source} is empty on this event, and SageMaker refuses empty values")
    if len(text) > MAX_VALUE_LENGTH:
        raise Rejected(f"{source} has {len(text)} characters on this event; SageMaker takes {MAX_VALUE_LENGTH}")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Rejected(f"{source} holds half a surrogate pair on this event, which is no text")
    return text


def _text(source: str, found: Any) -> str:
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
