"""JSONata for parameters: the same on every retry, bounded on every event, and strict about what is missing.

Checked before it runs: no function whose answer changes by itself (``$now``, ``$random``), no regular expression
(Python's engine, and with it the library's, can take exponential time), no recursion, and only functions whose work
is bounded by the size of what they get. What is left ends by itself; how much it may do is bounded by a budget of
steps and sizes. The library's own time limit would not do: it is looked at between steps only, and a clock decides
differently on every retry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from jsonata import Jsonata

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata.rules import (
    FUNCTIONS,
    HUGE_WIDTH,
    MAX_LITERAL,
    MOST_ARGUMENTS,
    SHORT_LITERALS,
    Check,
    ExpressionError,
)
from pipeline_triggers.language.jsonata.tree import Node

MAX_LENGTH = 4096  # characters of an expression
MAX_GROWTH = 100_000  # characters and items that a value on the way may have beyond those of the event
MAX_INTEGER = 2**1023  # JSONata's numbers are doubles
BUDGET = 1_000_000  # of work: about a microsecond each

_STEP_COST = 20  # and a fifth of the size of its result
_SIZE_PER_COST = 5
_COPIED_PER_COST = 100  # items, where the library copies all that there is for each item to come
_TEXT_COPIED_PER_COST = 10_000  # the same of characters


@dataclass(frozen=True, eq=False)
class Expression:
    """An expression that passed the checks.

    ``operands``: nodes that must not resolve to nothing, with their text. ``keys``: nodes that items are grouped by.
    """

    jsonata: Jsonata
    operands: Mapping[int, str]
    keys: frozenset[int]

    def evaluate(self, event: Mapping[str, Any], bindings: Mapping[str, Any]) -> Any:
        """Compute the value: a JSON value, or None when it resolves to nothing.

        Raises:
            Rejected: it fails on this event, needs what is not there, or would do more than it may.

        """
        work = _Work(self.operands, self.keys)
        hooks = {"__evaluate_entry": work.enter, "__evaluate_exit": work.leave}
        try:
            # The library adds to empty lists of what it gets, which the next expression would see.
            event, bindings = _copy(event), _copy(bindings)
            work.most += work.size(event) + sum(map(work.size, bindings.values()))
            return self.jsonata.evaluate(event, {**bindings, **_counted(work), **hooks})
        except Exception as error:
            # The library raises its own exceptions and any of Python's. Evaluating is pure, so the same event fails
            # the same way again. What stopped the work is asked of the work: the library hides some exceptions.
            raise Rejected(work.stopped or f"can't be evaluated on this event: {error}") from error


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """Parse and check an expression.

    Raises:
        ExpressionError: it is not JSONata, or uses what can't be bounded or would differ on a retry.

    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"has {len(source)} characters; write {MAX_LENGTH} at most")
    try:
        jsonata = Jsonata(source)
    except Exception as error:  # the library's own, and Python's where it did not expect such a text
        location = getattr(error, "location", -1)
        where = f" (at character {location})" if location >= 0 else ""
        remedy = "check its brackets, quotes and operators"
        raise ExpressionError(f"is not a valid JSONata expression: {error}{where}; {remedy}") from error
    check = Check(jsonata.ast)
    return Expression(jsonata, check.operands, frozenset(check.keys))


def _copy(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copy(item) for key, item in value.items()}
        case list():
            return [_copy(item) for item in value]
        case _:
            return value


class _Stop(Exception):
    """Ends an evaluation."""


@dataclass
class _Work:
    """What one evaluation has done, and may not do; ``stopped`` says why it was ended."""

    operands: Mapping[int, str]
    keys: Set[int]
    most: int = MAX_GROWTH
    spent: int = 0
    # How many items each key has grouped.
    grouped: Counter[int] = field(default_factory=Counter)
    stopped: str | None = None
    # A value is kept with its size, so that its id can't become another value's.
    sizes: dict[int, tuple[Any, int]] = field(default_factory=dict)

    def enter(self, node: Node, context: Any, _environment: Any) -> None:
        self._spend(_STEP_COST)
        if id(node) in self.keys:
            self.grouped[id(node)] += 1
            self._spend(self.grouped[id(node)] // _COPIED_PER_COST)
        if node.type == "wildcard" and isinstance(context, list | dict):
            items = context.values() if isinstance(context, dict) else context
            lists = sum(isinstance(item, list) for item in items)
            self._spend(lists * self.size(context) // _COPIED_PER_COST)

    def call(self, name: str, arguments: list[Any]) -> None:
        """Count a call of a function, whoever calls it, and hold its arguments against what the check could not see."""
        self._spend(_STEP_COST + sum(map(self._work, arguments)))
        if any(argument is not None for argument in arguments[MOST_ARGUMENTS.get(name, len(arguments)) :]):
            self._stop(f"gives ${name} too many arguments")
        for position in SHORT_LITERALS.get(name, ()):
            if position < len(arguments) and not _is_short(arguments[position]):
                self._stop(f"gives ${name} an argument {position + 1} of more than {MAX_LITERAL}")
        match name, arguments:
            case "replace", [str(text), str(pattern), *_]:
                self._spend(text.count(pattern) * (5 + len(text) // _TEXT_COPIED_PER_COST))
            case "fromMillis", [_, str(picture), *_] if HUGE_WIDTH.search("".join(picture.split())):
                self._stop("gives $fromMillis a picture with a width of more than four digits")

    def _work(self, argument: Any) -> int:
        # The library looks at every item of a list, and looks at its type by asking for attributes.
        return self.size(argument) // (_SIZE_PER_COST if isinstance(argument, str) else 1)

    def leave(self, node: Node, _input: Any, _environment: Any, result: Any) -> None:
        size = self.size(result)
        if size > self.most:
            self._stop("makes a value that is too large")
        # The items of a range are made one by one, each time that somebody looks at them.
        self._spend(size if node.value == ".." else size // _SIZE_PER_COST)
        if isinstance(result, int) and abs(result) > MAX_INTEGER:
            self._stop("makes a number that is too large")
        if (text := self.operands.get(id(node))) is not None and _is_nothing(result):
            self._stop(f"needs {text}, which is not there on this event; guard it, as in $exists(a) ? a : 'b'")

    def _stop(self, reason: str) -> NoReturn:
        self.stopped = reason
        raise _Stop(reason)

    def _spend(self, cost: int) -> None:
        self.spent += cost
        if self.spent > BUDGET:
            self._stop("does more work than an expression may on one event")

    def size(self, value: Any) -> int:
        match value:
            case str():
                return len(value)
            case list() | dict():
                if id(value) not in self.sizes:
                    items = value.values() if isinstance(value, dict) else value
                    keys = sum(map(len, value)) if isinstance(value, dict) else 0
                    self.sizes[id(value)] = (value, 1 + keys + sum(map(self.size, items)))
                return self.sizes[id(value)][1]
            case _:
                return 1


class _Counted(Jsonata.JFunction):  # type: ignore[misc]  # no type information published
    """A function of the library, whose calls count: a higher-order one calls it without a step."""

    def __init__(self, function: Any, work: _Work) -> None:
        super().__init__(function, None)
        self.signature = function.signature
        self.function_name = function.function_name
        self.work = work

    def call(self, context: Any, arguments: list[Any]) -> Any:
        self.work.call(self.function_name, arguments)
        return super().call(context, arguments)


def _counted(work: _Work) -> dict[str, _Counted]:
    return {name: _Counted(Jsonata.static_frame.lookup(name), work) for name in FUNCTIONS}


def _is_nothing(value: Any) -> bool:
    # An empty sequence is nothing, too; the library makes None of it after this.
    return value is None or (isinstance(value, list) and not value)


def _is_short(value: Any) -> bool:
    match value:
        case str():
            return len(value) <= MAX_LITERAL
        case int() | float():
            return abs(value) <= MAX_LITERAL
        case _:
            return True
