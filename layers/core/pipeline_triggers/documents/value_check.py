"""Values as a document writes them: what is wrong with one, found on a sample before anything is deployed."""

from __future__ import annotations

import re
from typing import Any

from pipeline_triggers.documents.dry_evaluation import FREE, is_constant, problem_on_sample
from pipeline_triggers.language import values
from pipeline_triggers.language.jsonata import compile_expression
from pipeline_triggers.language.jsonata.rules import ExpressionError
from pipeline_triggers.models import Occurrence

_LIKE_A_VARIABLE = re.compile(r"\s*\$[A-Za-z$\[]|\s+\$")
_PATH = re.compile(r"\$(?:\.(?:[A-Za-z0-9_/-]+|\*)|\[(?:[0-9]+|\*)\])+")


def check(source: str, sample: Occurrence | None, *, condition: bool = False) -> str | None:
    """Say what is wrong with the value as the document writes it, or None.

    ``sample`` is an occurrence as the trigger's source makes them, where that is known; it must have what the value
    names.
    """
    if expression := values.JSONATA.fullmatch(source):
        try:
            if sample is None:
                compile_expression(expression[1])
                return None
            unusable = _undecided if condition else _unsendable
            return problem_on_sample(expression[1], sample.event, sample.bindings, unusable, condition=condition)
        except ExpressionError as error:
            return str(error)
    if "{%" in source or source.rstrip().endswith("%}"):
        return "has {% or %} inside; write {% … %} around the whole value, and join texts in it: {% 'a/' & $b %}"
    if _LIKE_A_VARIABLE.match(source):
        return f"looks like a path or a variable; write {{% {source.strip()} %}}, or {{% '{source}' %}} for the text"
    if source.startswith("$."):
        if not _PATH.fullmatch(source):
            return "is not a JSONPath that EventBridge accepts; write names, indices and * as in $.detail.items[0].id"
        return None if sample is None else _wrong_path(source, sample.event)
    if not source:
        return "is empty, and SageMaker refuses empty values; leave the parameter out to use its default"
    if len(source) > values.MAX_VALUE_LENGTH:
        return f"has {len(source)} characters; SageMaker takes {values.MAX_VALUE_LENGTH} at most"
    return None


def _wrong_path(path: str, event: object) -> str | None:
    """Say that a path leads to nothing, or not to one value; what is under a free name is not known."""
    steps = values.PATH_STEP.findall(path)
    names = [name for name, _ in steps]
    if (free := next((at for at, name in enumerate(names) if name in FREE), None)) is not None:
        steps = steps[:free]
    # How long a list is differs from event to event.
    steps = [(name, "0" if index.isdecimal() and "resources" not in names else index) for name, index in steps]
    targets = values.follow(steps, event)
    if not targets:
        return "leads to nothing: such an event does not have it; see the samples in events/"
    return _unsendable(targets[0]) if free is None and len(targets) == 1 else None


def _unsendable(value: Any) -> str | None:
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"gives {kind} on such an event, not one value; name one item or field, or write {{% $string(…) %}}"
    return None


def _undecided(value: Any) -> str | None:
    return None if isinstance(value, bool) else "does not give true or false on such an event; compare, as in a = 'b'"


def check_condition(source: str, sample: Occurrence | None) -> str | None:
    """Say what is wrong with a document's ``if``, or None."""
    if not values.JSONATA.fullmatch(source):
        return "is not an expression; write {% … %} around it, as in {% $object.size > 0 %}"
    return check(source, sample, condition=True)


def check_key(source: str, sample: Occurrence | None) -> str | None:
    """Say what is wrong with a document's ``dedupe``, or None."""
    wrong = check(source, sample)
    if wrong is None and is_the_same(source):
        return "is the same on every event, so only one execution would ever start; write $.a.b or {% … %}"
    return wrong


def is_the_same(source: str) -> bool:
    """Whether a value without a problem is the same on every event."""
    text = values.expression(source)
    return values.literal(source) is not None if text is None else is_constant(text)
