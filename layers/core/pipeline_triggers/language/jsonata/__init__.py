"""JSONata for values: the same on every retry, bounded on every event, and strict about what is missing.

An expression that is accepted gives what the reference implementation (jsonata-js) gives, or is refused with a reason.
The library differs from it in many places; ``parser``, ``evaluator`` and the modules of functions put that right. What
may run is decided before it runs, by ``rules``; what it may do then, by a ``budget``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata.budget import LONG, Budget, Measured
from pipeline_triggers.language.jsonata.data import MAX_NESTING, NULL, Failure, event_number, ordered
from pipeline_triggers.language.jsonata.evaluator import Evaluator
from pipeline_triggers.language.jsonata.parser import parse
from pipeline_triggers.language.jsonata.rules import Check, ExpressionError, is_comparison, typed_otherwise
from pipeline_triggers.language.jsonata.tree import Node, walk

MAX_LENGTH = 4096  # characters of an expression


class Scope:
    """An event and its variables, made ready once for all expressions on them, which share one budget.

    Numbers and names become what JavaScript makes of them, and sizes are known before the first expression asks.
    """

    def __init__(self, event: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """Make them ready.

        Raises:
            Rejected: they are nested too deeply.

        """
        self.budget = Budget()
        self._ready: dict[int, tuple[Any, Any]] = {}
        self.bind(event, variables)

    def bind(self, event: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """Take this event and these variables from now on; what was ready before is not made ready again.

        Raises:
            Rejected: they are nested too deeply.

        """
        self.event = self._made_ready(event)
        self.variables = {name: self._made_ready(value) for name, value in variables.items()}

    def _made_ready(self, value: Any) -> Any:
        if id(value) not in self._ready:
            try:
                copy, size, _ = ready(value, self.budget.known, 0)
            except Failure as failure:
                raise Rejected(f"the event {failure}") from failure
            self._ready[id(value)] = (value, copy)
            self.budget.most += size
        return self._ready[id(value)][1]


def ready(value: Any, known: dict[int, Measured], depth: int) -> Measured:
    """Return a value as expressions see it, its size and its depth, which ``known`` keeps by id.

    Raises:
        Failure: it is nested too deeply.

    """
    if isinstance(value, str):
        entry = (value, len(value), 0)
        if len(value) > LONG:
            known[id(value)] = entry
        return entry
    if isinstance(value, bool):
        return value, 1, 0
    if isinstance(value, int | float):
        return event_number(value), 1, 0
    if not isinstance(value, dict | list):
        return NULL, 1, 0
    if depth > MAX_NESTING:
        raise Failure("is nested too deeply")
    copy: Any
    if isinstance(value, dict):
        fields = {name: ready(item, known, depth + 1) for name, item in ordered(value).items()}
        copy, items = {name: item for name, (item, _, _) in fields.items()}, list(fields.values())
    else:
        items = [ready(item, known, depth + 1) for item in value]
        copy = [item for item, _, _ in items]
    names = sum(map(len, value)) if isinstance(value, dict) else 0
    entry = (copy, 1 + names + sum(size for _, size, _ in items), 1 + max((deep for _, _, deep in items), default=0))
    known[id(copy)] = entry
    return entry


@dataclass(frozen=True, eq=False)
class Expression:
    """An expression that passed the rules.

    ``operands``: nodes that must not resolve to nothing, with their text. ``compared``: those of them that may in a
    condition, where a comparison with nothing is false.
    """

    tree: Node
    operands: Mapping[int, str]
    compared: Container[int]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes of the tree."""
        return tuple(walk(self.tree))

    def evaluate(self, scope: Scope) -> Any:
        """Compute the value: a JSON value, or None when it resolves to nothing or to null.

        A null within a list or an object is ``data.NULL``: nobody sends those, so they are not copied.

        Raises:
            Rejected: it fails on this event, needs what is not there, or would do more than is left of the budget.

        """
        return self._value(Evaluator(scope.budget, self.operands), scope)

    def judge(self, scope: Scope) -> tuple[Any, list[str]]:
        """Compute the value as a condition; return it with what it compares and is not there, as it is written.

        Raises:
            Rejected: it fails on this event, computes with what is not there, or would do more than is left of the
                budget.

        """
        evaluator = Evaluator(scope.budget, self.operands, self.compared)
        value = self._value(evaluator, scope)
        return False if value is None and is_comparison(self.tree) else value, evaluator.missing

    def _value(self, evaluator: Evaluator, scope: Scope) -> Any:
        scope.budget.begin()
        try:
            value = evaluator.evaluate(self.tree, scope.event, scope.variables)
        except Failure as failure:
            raise Rejected(f"{failure}") from failure
        except Exception as error:
            # The library raises its own exceptions and any of Python's. Evaluating is pure, so the same event fails
            # the same way again.
            raise Rejected(f"can't be evaluated on this event: {error}") from error
        return None if value is NULL else value


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """Parse and check an expression.

    Raises:
        ExpressionError: it is not JSONata, or uses what can't be bounded or would differ on a retry.

    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"has {len(source)} characters; write {MAX_LENGTH} at most")
    if not source.strip():
        raise ExpressionError("is empty; write an expression between {% and %}")
    try:
        tree = parse(source)
    except Exception as error:  # the library's own, and Python's where it did not expect such a text
        location = min(getattr(error, "location", -1), len(source))
        where = f" (at character {location})" if location >= 0 else ""
        wrong = typed_otherwise(source)
        remedy = f"it holds {wrong}" if wrong else "check its brackets, quotes and operators"
        raise ExpressionError(f"is not a valid JSONata expression: {error}{where}; {remedy}") from error
    check = Check(tree, source)
    return Expression(tree, check.operands, check.compared)
