"""JSONata for parameters: the same on every retry, bounded on every event, and strict about what is missing.

Checked before it runs: no function whose answer changes by itself (``$now``, ``$random``), no regular expression
(Python's engine, and with it the library's, can take exponential time), no recursion, and only functions whose work
is bounded by the size of what they get. What is left ends by itself; how much it may do is bounded by a budget of
steps and sizes. The library's own time limit would not do: it is looked at between steps only, and a clock decides
differently on every retry.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from jsonata import Jsonata
from jsonata.parser import Parser

from pipeline_triggers.errors import PipelineTriggersError, Rejected

MAX_LENGTH = 4096  # characters of an expression
MAX_DEPTH = 100  # of parts within parts
MAX_RANGE = 1000  # items of [1..n]
MAX_LITERAL = 100  # characters or width where a function multiplies what it gets
MAX_GROWTH = 100_000  # characters and items that a value on the way may have beyond those of the event
MAX_INTEGER = 2**1023  # JSONata's numbers are doubles
BUDGET = 1_000_000  # of work: about a microsecond each

_STEP_COST = 20  # and a fifth of the size of its result
_SIZE_PER_COST = 5
_COPIED_PER_COST = 100  # items, where the library copies all that there is for each item to come
_TEXT_COPIED_PER_COST = 10_000  # the same of characters

# Bounded by the size of what they get (``$replace`` by its square, which is counted). Higher-order ones call a function
# per item, and each call is a step.
FUNCTIONS = frozenset(
    [
        "abs",
        "append",
        "assert",
        "average",
        "base64decode",
        "base64encode",
        "boolean",
        "ceil",
        "contains",
        "count",
        "decodeUrl",
        "decodeUrlComponent",
        "each",
        "encodeUrl",
        "encodeUrlComponent",
        "error",
        "exists",
        "filter",
        "floor",
        "formatBase",
        "formatNumber",
        "fromMillis",
        "join",
        "keys",
        "length",
        "lookup",
        "lowercase",
        "map",
        "max",
        "merge",
        "min",
        "not",
        "number",
        "pad",
        "reduce",
        "replace",
        "reverse",
        "round",
        "sift",
        "single",
        "sort",
        "split",
        "sqrt",
        "string",
        "substring",
        "substringAfter",
        "substringBefore",
        "sum",
        "toMillis",
        "trim",
        "type",
        "uppercase",
        "zip",
    ]
)

# Functions that get a function; only they may get one.
_HIGHER_ORDER = frozenset({"each", "filter", "map", "reduce", "sift", "single", "sort"})

# Inside these, an item may lack what is asked for: that is how items are told apart.
_SELECTING = frozenset({"filter", "sift", "single"})

# Where an argument multiplies the result: its position (from 0), which must be a short literal.
_SHORT_LITERALS = {"pad": (1, 2), "replace": (1, 2), "join": (1,), "formatNumber": (1,), "fromMillis": (1, 2)}

# Further arguments are refused: they become a regular expression, and a time without its day would be today's.
_MOST_ARGUMENTS = {"formatNumber": 2, "toMillis": 1}

_HUGE_WIDTH = re.compile(r"\d{5}")  # of a picture; the library takes 10 to the power of it

_REFUSED = {
    "now": "differs on a retry; take the time from the event",
    "millis": "differs on a retry; take the time from the event",
    "random": "differs on a retry; take what differs from the event, as in id",
    "shuffle": "differs on a retry; use $sort",
    "eval": "runs what was never checked; write the expression itself",
    "match": "takes a regular expression; use $split, $substringBefore or $substringAfter",
    "power": "can grow without bound; multiply",
    "distinct": "takes time by the square of what it gets; leave it out",
    "spread": "takes time by the square of what it gets; use $each",
    "clone": "changes nothing here; leave it out",
    "formatInteger": "can grow without bound; use $formatNumber",
    "parseInteger": "takes a regular expression; use $number",
}

_NODES = frozenset(
    {
        *("apply", "binary", "bind", "block", "condition", "descendant", "filter", "function", "index", "lambda"),
        *("name", "number", "path", "sort", "string", "unary", "value", "variable", "wildcard"),
    }
)

_REFUSED_NODES = {
    "regex": "a regular expression can take exponential time; use $contains, $split or $substringBefore with a text",
    "partial": "partial application is not supported; write function($x) {…}",
    "transform": "the transform operator is not supported; build the value with {…}",
    "parent": "the parent operator is not supported; write the path from the event",
}

Node = Any  # the library's Parser.Symbol, whose attributes depend on its type


class ExpressionError(PipelineTriggersError):
    """An expression is no JSONata, or none that may run here; the message says why."""


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
        ExpressionError: it is no JSONata, or uses what can't be bounded or would differ on a retry.

    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"has {len(source)} characters; write {MAX_LENGTH} at most")
    try:
        jsonata = Jsonata(source)
    except Exception as error:  # the library's own, and Python's where it did not expect such a text
        location = getattr(error, "location", -1)
        where = f" (at character {location})" if location >= 0 else ""
        remedy = "check its brackets, quotes and operators"
        raise ExpressionError(f"is no JSONata expression: {error}{where}; {remedy}") from error
    checker = _Checker()
    checker.check(jsonata.ast)
    return Expression(jsonata, checker.operands, frozenset(checker.keys))


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

    def enter(self, node: Node, found: Any, _environment: Any) -> None:
        self._spend(_STEP_COST)
        if id(node) in self.keys:
            self.grouped[id(node)] += 1
            self._spend(self.grouped[id(node)] // _COPIED_PER_COST)
        if node.type == "wildcard" and isinstance(found, list | dict):
            items = found.values() if isinstance(found, dict) else found
            lists = sum(isinstance(item, list) for item in items)
            self._spend(lists * self.size(found) // _COPIED_PER_COST)

    def call(self, name: str, arguments: list[Any]) -> None:
        """Count a call of a function, whoever calls it, and hold its arguments against what the check could not see."""
        self._spend(_STEP_COST + sum(map(self._work, arguments)))
        if any(argument is not None for argument in arguments[_MOST_ARGUMENTS.get(name, len(arguments)) :]):
            self._stop(f"gives ${name} too many arguments")
        for position in _SHORT_LITERALS.get(name, ()):
            if position < len(arguments) and not _is_short(arguments[position]):
                self._stop(f"gives ${name} an argument {position + 1} of more than {MAX_LITERAL}")
        match name, arguments:
            case "replace", [str(text), str(pattern), *_]:
                self._spend(text.count(pattern) * (5 + len(text) // _TEXT_COPIED_PER_COST))
            case "fromMillis", [_, str(picture), *_] if _HUGE_WIDTH.search("".join(picture.split())):
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


class _Checker:
    """Looks at every node before anything runs, and notes the operands that must not resolve to nothing."""

    def __init__(self) -> None:
        self.operands: dict[int, str] = {}
        self.keys: set[int] = set()

    def check(self, node: Node, depth: int = 0, *, may_be_function: bool = False, selecting: bool = False) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"can't be used: it is nested deeper than {MAX_DEPTH}; write it flatter")
        if node.type in _REFUSED_NODES:
            raise ExpressionError(f"can't be used: {_REFUSED_NODES[node.type]}")
        if node.type is not None and node.type not in _NODES:
            raise ExpressionError(f"can't be used: {node.type} is not supported; leave it out")
        # The parser wraps a call at the end of a function in a function of its own, a thunk.
        if node.type == "lambda" and not (may_be_function or getattr(node, "thunk", False)):
            takers = ", ".join(f"${name}" for name in sorted(_HIGHER_ORDER))
            raise ExpressionError(f"can't be used: a function may only be given to {takers}; write a value")
        if handle := getattr(self, f"_check_{node.type}", None):
            handle(node)
        if getattr(node, "focus", None) or getattr(node, "index", None):
            raise ExpressionError("can't be used: the operators @ and # are not supported; use $map or $filter")
        self.keys.update(id(key) for key, _ in getattr(node, "lhs_object", None) or ())
        if not selecting:
            for operand in _operands(node):
                self.operands[id(operand)] = text(operand)
        takes_functions = node.type == "function" and node.procedure.value in _HIGHER_ORDER
        for child, is_selecting in children(node):
            self.check(child, depth + 1, may_be_function=takes_functions, selecting=selecting or is_selecting)

    def _check_function(self, node: Node) -> None:
        procedure = node.procedure
        if procedure.type != "variable" or procedure.value not in FUNCTIONS:
            if procedure.type == "variable" and procedure.value in _REFUSED:
                return  # the variable itself says why
            name = f"${procedure.value}" if procedure.type == "variable" else "what an expression makes"
            raise ExpressionError(f"can't be used: {name} is no function that can be called here; take JSONata's own")
        most = _MOST_ARGUMENTS.get(procedure.value)
        if most is not None and len(node.arguments) > most:
            takes = f"takes {most} argument{'s' * (most > 1)} here"
            raise ExpressionError(f"can't be used: ${procedure.value} {takes}; leave the others out")
        for position in _SHORT_LITERALS.get(procedure.value, ()):
            if position < len(node.arguments) and not _is_short_literal(node.arguments[position]):
                raise ExpressionError(
                    f"can't be used: argument {position + 1} of ${procedure.value} must be a literal of"
                    f" at most {MAX_LITERAL}; write it out"
                )

    def _check_variable(self, node: Node) -> None:
        if node.value in _REFUSED:
            raise ExpressionError(f"can't be used: ${node.value} {_REFUSED[node.value]}")

    def _check_bind(self, node: Node) -> None:
        self._refuse_function_name(node.lhs.value)

    def _check_lambda(self, node: Node) -> None:
        for argument in node.arguments:
            self._refuse_function_name(argument.value)

    def _refuse_function_name(self, name: str) -> None:
        # A function under another name could be called by way of it, and call itself.
        if name in FUNCTIONS or name in _REFUSED or name.startswith("__"):
            raise ExpressionError(f"can't be used: ${name} is a function's name; take another")

    def _check_binary(self, node: Node) -> None:
        if node.value == "..":
            ends = (node.lhs, node.rhs)
            if any(end.type != "number" for end in ends) or node.rhs.value - node.lhs.value > MAX_RANGE:
                raise ExpressionError(
                    f"can't be used: a range needs two numbers, {MAX_RANGE} apart at most; write them out"
                )


def _is_short_literal(node: Node) -> bool:
    match node.type:
        case "string":
            return len(str(node.value)) <= MAX_LITERAL
        case "number":
            return bool(abs(node.value) <= MAX_LITERAL)
        case "unary":
            return str(node.value) == "-" and _is_short_literal(node.expression)
        case _:
            return False


def _is_short(value: Any) -> bool:
    match value:
        case str():
            return len(value) <= MAX_LITERAL
        case int() | float():
            return abs(value) <= MAX_LITERAL
        case _:
            return True


def _operands(node: Node) -> list[Node]:
    """Return the children that must be there: without them, the result would be wrong and not empty."""
    match node.type:
        case "binary":
            return [node.lhs, node.rhs]
        case "condition":
            return [node.condition]
        case "unary" if node.value == "[":
            return list(node.expressions)
        case "unary" if node.value == "{":
            return [value for pair in node.lhs_object for value in pair]
        case _:
            return []


def children(node: Node) -> Iterator[tuple[Node, bool]]:
    """Give the nodes directly under a node, and whether each selects among items."""
    for name, value in vars(node).items():
        if name in ("ancestor", "slot", "seeking_parent", "_outer_instance", "outer_instance"):
            continue
        selects = name in ("predicate", "stages") or (
            name == "arguments" and node.type == "function" and node.procedure.value in _SELECTING
        )
        for child in _symbols(value):
            yield child, selects


def _symbols(value: Any) -> Iterator[Node]:
    if isinstance(value, Parser.Symbol):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _symbols(item)


def walk(node: Node) -> Iterator[Node]:
    """Give a node and all below it."""
    yield node
    for child, _ in children(node):
        yield from walk(child)


def text(node: Node) -> str:
    """Write a path as its author did; anything else is "a value"."""
    match node.type:
        case "path":
            return ".".join(text(step) for step in node.steps)
        case "name":
            return str(node.value)
        case "variable":
            return f"${node.value}"
        case _:
            return "a value"
