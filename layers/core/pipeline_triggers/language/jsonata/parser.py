"""The library's parser, with what it gets wrong put right in the tree it makes."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from jsonata.parser import Parser
from jsonata.tokenizer import Tokenizer

from pipeline_triggers.language.jsonata.data import joined, number
from pipeline_triggers.language.jsonata.tree import Node


def parse(source: str) -> Node:
    """Return the tree of an expression.

    Raises:
        Exception: the library's own, or any of Python's where it did not expect such a text.

    """
    # A space, because the library looks one character ahead.
    return _parser().parse(f"{source} ")


class _Parser(Parser):  # type: ignore[misc]  # no type information published
    def __init__(self) -> None:
        super().__init__()
        for symbol in (_Coalesce(self, Tokenizer.operators["??"]), _Default(self, Tokenizer.operators["?:"])):
            symbol.lbp = symbol.bp
            self.symbol_table[symbol.id] = symbol

    def process_ast(self, expr: Node) -> Node:
        if expr is not None and expr.type == "string":
            expr.value = joined(expr.value)
        node = super().process_ast(expr)
        if node is not None and node.type == "number":
            node.value = number(float(node.value))
        # Of a ?: b, where a may be missing; not a ? b : c.
        if isinstance(expr, _Default):
            node.condition_may_be_missing = True
        return node


# Its table of symbols takes longer to make than most expressions take to parse, and parsing leaves nothing in it.
_parser = cache(_Parser)


class _Default(Parser.InfixDefault):  # type: ignore[misc]
    """``a ?: b`` with a tree of its own for the condition: the library changes a node once for each place it is in."""

    def led(self, left: Node) -> Any:
        node = super().led(left)
        node.condition = _copied(left, self._outer_instance)
        return node


class _Coalesce(Parser.InfixCoalesce):  # type: ignore[misc]
    """``a ?? b``, likewise."""

    def led(self, left: Node) -> Any:
        node = super().led(left)
        node.condition.arguments = [_copied(left, self._outer_instance)]
        return node


def _copied(node: Node, parser: Parser) -> Node:
    return copy.deepcopy(node, {id(parser): parser})
