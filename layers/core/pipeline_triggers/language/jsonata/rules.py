"""What an expression may not use, found before it runs, and the operands that must not resolve to nothing."""

from __future__ import annotations

from difflib import get_close_matches

from pipeline_triggers.errors import PipelineTriggersError
from pipeline_triggers.language.jsonata import dates, pictures
from pipeline_triggers.language.jsonata.data import Failure
from pipeline_triggers.language.jsonata.evaluator import MAX_RANGE, NATIVES
from pipeline_triggers.language.jsonata.tree import Node, children, text, walk

MAX_DEPTH = 100  # of parts within parts
MAX_WIDTH = 1000  # of $pad, where it is written out

FUNCTIONS = frozenset(NATIVES)

REFUSED = {
    "now": "differs on a retry; take the time from the event",
    "millis": "differs on a retry; take the time from the event",
    "random": "differs on a retry; take what differs from the event, as in id",
    "shuffle": "differs on a retry; use $sort",
    "eval": "runs text that was not checked; write the expression itself",
    "match": "takes a regular expression; use $split, $substringBefore or $substringAfter",
    "power": "is not exact everywhere; multiply",
    "clone": "changes nothing here; leave it out",
}

_NODES = frozenset(
    {
        *("apply", "binary", "bind", "block", "condition", "descendant", "filter", "function", "lambda", "name"),
        *("number", "operator", "partial", "path", "sort", "string", "unary", "value", "variable", "wildcard"),
    }
)

_REFUSED_NODES = {
    "regex": "a regular expression, which can take exponential time; use $contains or $split with text",
    "transform": "the transform operator, which is not supported; build the value with {…}",
    "parent": "the parent operator, which is not supported; write the path from the event",
}

# What an editor or a web page puts in place of what one types; JSONata takes it for a part of a name.
_TYPED_OTHERWISE = {
    "\u00a0": "a non-breaking space; type a space",
    "\v": "a vertical tab; type a space",
    **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019\u201a", "a curly quote; type ' or \""),
}

COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">=", "in"})


class ExpressionError(PipelineTriggersError):
    """A text is not a JSONata expression, or not one that may run here; the message says why."""


class Check:
    """Look at every node before anything runs.

    ``operands``: the nodes that must not resolve to nothing, by id, with their text. ``compared``: those of them that
    are compared.
    """

    def __init__(self, tree: Node, source: str) -> None:
        """Check a whole tree, parsed from its source.

        Raises:
            ExpressionError: a node may not run here.

        """
        self.operands: dict[int, str] = {}
        self.compared: set[int] = set()
        self._source = source
        self._check(tree, 0, selecting=False)
        _check_calls(tree)

    def _check(self, node: Node, depth: int, *, selecting: bool) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"is nested deeper than {MAX_DEPTH} levels; write it flatter")
        _check_kind(node)
        match node.type:
            case "name" | "variable" if f"`{node.value}`" not in self._source and (
                wrong := typed_otherwise(node.value)
            ):
                raise ExpressionError(f"holds {wrong}")
            case "variable" if node.value in REFUSED:
                raise ExpressionError(f"uses ${node.value}, which {REFUSED[node.value]}")
            case "function" | "partial":
                _check_literals(node)
            case "bind":
                _check_new_name(node.lhs.value)
            case "lambda":
                for argument in node.arguments:
                    _check_new_name(argument.value)
            case "binary" if node.value == "..":
                _check_range(node)
        if not selecting:
            # A comparison itself gives nothing only in a condition, where that is false.
            operands = [operand for operand in _operands(node) if not is_comparison(operand)]
            self.operands.update((id(operand), text(operand)) for operand in operands)
            self.compared.update(id(operand) for operand in operands if is_comparison(node))
        for child, selects in children(node):
            self._check(child, depth + 1, selecting=selecting or selects)


def is_comparison(node: Node) -> bool:
    """Whether a node compares, or is a comparison in brackets."""
    if node.type == "block" and node.expressions:
        return is_comparison(node.expressions[-1])
    return node.type == "binary" and node.value in COMPARISONS


def typed_otherwise(text: str) -> str | None:
    """Name a character that looks like another one, and say what to type."""
    return next((_TYPED_OTHERWISE[character] for character in text if character in _TYPED_OTHERWISE), None)


def _check_kind(node: Node) -> None:
    if node.type in _REFUSED_NODES:
        raise ExpressionError(f"uses {_REFUSED_NODES[node.type]}")
    if node.type is not None and node.type not in _NODES:
        raise ExpressionError(f"uses {node.type}, which is not supported; leave it out")
    if node.focus or node.index:
        raise ExpressionError("uses @ or #, which are not supported; use $map or $filter")
    if node.type == "path" and node.steps[0].consarray and node.steps[0].group:
        raise ExpressionError("continues a path from {…} after a literal list; assign that list to a variable first")
    if node.type == "lambda" and node.signature:
        raise ExpressionError("gives a function a signature, as in <s:s>, which is not supported; leave it out")


def _check_calls(tree: Node) -> None:
    """Refuse the call of a function that there is not."""
    nodes = list(walk(tree))
    own = {node.lhs.value for node in nodes if node.type == "bind"}
    own |= {argument.value for node in nodes if node.type == "lambda" for argument in node.arguments}
    for node in nodes:
        called = node.procedure if node.type in ("function", "partial") else None
        if called is None or (called.type == "variable" and called.value in FUNCTIONS | own):
            continue
        if called.type == "variable" and called.value:
            raise ExpressionError(f"calls ${called.value}, which is not a function; {_remedy(called.value)}")
        if called.type == "path" and len(called.steps) == 1 and called.steps[0].type == "name":
            name = called.steps[0].value
            raise ExpressionError(f"calls {name}, which is not a function; {_remedy(name)}")


def _remedy(name: str) -> str:
    by_lower = {function.lower(): function for function in FUNCTIONS}
    close = get_close_matches(name.lower(), by_lower, n=1)
    close += [function for function in sorted(by_lower) if function.startswith(name.lower())]
    return f"did you mean ${by_lower[close[0]]}?" if close else "use a function of JSONata"


def _check_literals(node: Node) -> None:
    """Refuse what is wrong as it is written, before an event shows it."""
    name = node.procedure.value if node.procedure.type == "variable" else None
    if name == "formatNumber" and len(node.arguments) > 2:
        raise ExpressionError("calls $formatNumber with options, which are not supported; leave them out")
    literals = [argument.value if argument.type in ("string", "number") else None for argument in node.arguments[:3]]
    _, second, third = (*literals, None, None, None)[:3]
    try:
        match name, second:
            case "pad", int() | float() if abs(second) > MAX_WIDTH:
                raise ExpressionError(f"calls $pad with a width of more than {MAX_WIDTH}; write a smaller one")
            case "formatNumber", str():
                pictures.number_pictures(second)
            case "formatInteger" | "parseInteger", str():
                pictures.integer_picture(second)
            case "fromMillis", str():
                dates.read_picture(second)
            case "toMillis", str():
                dates.reader(second)
        if name == "fromMillis" and isinstance(third, str):
            dates.zone_offset(third)
    except Failure as failure:
        raise ExpressionError(str(failure)) from failure


def _check_new_name(name: str) -> None:
    if name in FUNCTIONS or name in REFUSED:
        raise ExpressionError(f"redefines ${name}, the name of a function; choose another name")


def _check_range(node: Node) -> None:
    ends = (node.lhs, node.rhs)
    if all(end.type == "number" for end in ends) and node.rhs.value - node.lhs.value >= MAX_RANGE:
        raise ExpressionError(f"has a range of more than {MAX_RANGE} items; write a smaller one")


def _operands(node: Node) -> list[Node]:
    """Return the children that must be there: without them, the result would be wrong and not empty."""
    match node.type:
        case "binary":
            return [node.lhs, node.rhs]
        case "condition" if not getattr(node, "condition_may_be_missing", False):
            return [node.condition]
        case "unary" if node.value == "[":
            return list(node.expressions)
        case "unary" if node.value == "{":
            return [value for pair in node.lhs_object for value in pair]
        case _:
            return []
