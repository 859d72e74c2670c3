"""The tree of a parsed expression: its nodes, what is below them, and how their author wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonata.parser import Parser

# The library's Parser.Symbol, whose attributes depend on its type. Types: binary, path, name, variable, function, …
Node = Any

# Functions whose argument says which items to take: an item may lack what the argument names.
SELECTING = frozenset({"filter", "sift", "single"})

_NESTING = (Parser.Symbol, list, tuple)  # most of a node's attributes are None or text

_UP = ("ancestor", "slot", "seeking_parent", "_outer_instance", "outer_instance")


def children(node: Node) -> Iterator[tuple[Node, bool]]:
    """Yield the nodes directly below a node, and for each whether it selects among items."""
    for name, value in vars(node).items():
        if name in _UP or not isinstance(value, _NESTING):
            continue
        selects = name in ("predicate", "stages") or (
            name == "arguments" and node.type == "function" and node.procedure.value in SELECTING
        )
        for child in _nodes(value):
            yield child, selects


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Parser.Symbol):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _nodes(item)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
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
