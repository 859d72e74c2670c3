"""What an expression may not use, found before it runs, and the operands that must not resolve to nothing."""

from __future__ import annotations

import re

from pipeline_triggers.errors import PipelineTriggersError
from pipeline_triggers.language.jsonata.tree import Node, children, text

MAX_DEPTH = 100  # of parts within parts
MAX_RANGE = 1000  # items of [1..n]
MAX_LITERAL = 100  # characters or width where a function multiplies what it gets

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

# Functions that take a function; nothing else may.
HIGHER_ORDER = frozenset({"each", "filter", "map", "reduce", "sift", "single", "sort"})

# Where an argument multiplies the result: its position (from 0), which must be a short literal.
SHORT_LITERALS = {"pad": (1, 2), "replace": (1, 2), "join": (1,), "formatNumber": (1,), "fromMillis": (1, 2)}

# Further arguments are refused: they become a regular expression, and a time without its day would be today's.
MOST_ARGUMENTS = {"formatNumber": 2, "toMillis": 1}

HUGE_WIDTH = re.compile(r"\d{5}")  # of a picture; the library takes 10 to the power of it

REFUSED = {
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


class ExpressionError(PipelineTriggersError):
    """A text is not a JSONata expression, or not one that may run here; the message says why."""


class Check:
    """Look at every node before anything runs.

    ``operands``: the nodes that must not resolve to nothing, by id, with their text. ``keys``: the nodes that items
    are grouped by.
    """

    def __init__(self, tree: Node) -> None:
        """Check a whole tree.

        Raises:
            ExpressionError: a node may not run here.

        """
        self.operands: dict[int, str] = {}
        self.keys: set[int] = set()
        self._check(tree, 0, may_be_function=False, selecting=False)

    def _check(self, node: Node, depth: int, *, may_be_function: bool, selecting: bool) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"is nested deeper than {MAX_DEPTH} levels; write it flatter")
        _check_kind(node)
        # The parser wraps a call at the end of a function in a function of its own, a thunk.
        if node.type == "lambda" and not (may_be_function or node.thunk):
            takers = ", ".join(f"${name}" for name in sorted(HIGHER_ORDER))
            raise ExpressionError(f"uses a function as a value, which only {takers} take; write a value")
        match node.type:
            case "function":
                _check_call(node)
            case "variable" if node.value in REFUSED:
                raise ExpressionError(f"uses ${node.value}, which {REFUSED[node.value]}")
            case "bind":
                _check_new_name(node.lhs.value)
            case "lambda":
                for argument in node.arguments:
                    _check_new_name(argument.value)
            case "binary" if node.value == "..":
                _check_range(node)
        self.keys.update(id(key) for key, _ in node.lhs_object or ())
        if not selecting:
            self.operands.update((id(operand), text(operand)) for operand in _operands(node))
        takes_functions = node.type == "function" and node.procedure.value in HIGHER_ORDER
        for child, selects in children(node):
            self._check(child, depth + 1, may_be_function=takes_functions, selecting=selecting or selects)


def _check_kind(node: Node) -> None:
    if node.type in _REFUSED_NODES:
        raise ExpressionError(f"uses {_REFUSED_NODES[node.type]}")
    if node.type is not None and node.type not in _NODES:
        raise ExpressionError(f"uses {node.type}, which is not supported; leave it out")
    if node.focus or node.index:
        raise ExpressionError("uses @ or #, which are not supported; use $map or $filter")


def _check_call(node: Node) -> None:
    called = node.procedure
    if called.type != "variable" or called.value not in FUNCTIONS:
        if called.type == "variable" and called.value in REFUSED:
            return  # the variable itself says why
        name = f"${called.value}" if called.type == "variable" else "a computed value"
        raise ExpressionError(
            f"calls {name}, which is not a function that can be called here; use a function of JSONata"
        )
    most = MOST_ARGUMENTS.get(called.value)
    if most is not None and len(node.arguments) > most:
        takes = f"takes {most} argument{'s' * (most > 1)} here"
        raise ExpressionError(f"gives ${called.value} too many arguments: it {takes}; leave the others out")
    for position in SHORT_LITERALS.get(called.value, ()):
        if position < len(node.arguments) and not _is_short_literal(node.arguments[position]):
            raise ExpressionError(
                f"gives ${called.value} an argument {position + 1} that is not a literal of at most {MAX_LITERAL};"
                " write it out"
            )


def _check_new_name(name: str) -> None:
    # A function under another name could be called by way of it, and call itself.
    if name in FUNCTIONS or name in REFUSED or name.startswith("__"):
        raise ExpressionError(f"redefines ${name}, the name of a function; choose another name")


def _check_range(node: Node) -> None:
    ends = (node.lhs, node.rhs)
    if any(end.type != "number" for end in ends) or node.rhs.value - node.lhs.value > MAX_RANGE:
        raise ExpressionError(f"has a range that is not between two numbers, at most {MAX_RANGE} apart; write them out")


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
