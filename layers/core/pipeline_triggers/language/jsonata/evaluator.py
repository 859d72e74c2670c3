"""The library's evaluator, where it differs from the reference implementation (jsonata-js) or can't be bounded.

What is not here is the library's: paths and their steps, variables, blocks, functions of the expression's own.
Every step is counted, and nothing is added to what an event holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.parser import Parser
from jsonata.utils import Utils

from pipeline_triggers.language.jsonata import list_functions, number_functions, text_functions
from pipeline_triggers.language.jsonata.budget import Budget
from pipeline_triggers.language.jsonata.data import (
    NULL,
    Failure,
    Inexact,
    equal,
    identical,
    is_function,
    is_number,
    joined,
    less,
    list_of,
    number,
    ordered,
    sequence,
    string,
)
from pipeline_triggers.language.jsonata.list_functions import appended, boolean, merge_sorted
from pipeline_triggers.language.jsonata.natives import Native, Partial
from pipeline_triggers.language.jsonata.tree import Node

NATIVES = {**number_functions.FUNCTIONS, **text_functions.FUNCTIONS, **list_functions.FUNCTIONS}

MAX_RANGE = 1000  # items of [1..n]

_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "%": math.fmod,
}


class Evaluator(Jsonata):  # type: ignore[misc]  # no type information published
    """Evaluates trees on one event.

    ``operands``: the nodes that must not resolve to nothing, with their text. Those that are ``compared`` may, and are
    noted as ``missing``.
    """

    _FUNCTIONS = Jsonata.Frame(None)
    _FUNCTIONS.bindings.update(NATIVES)

    def __init__(self, budget: Budget, operands: Mapping[int, str], compared: Container[int] = ()) -> None:
        # Nothing of the library's own constructor: it parses, and keeps the last instance for the whole thread.
        self.budget = budget
        self.operands = operands
        self.compared = compared
        self.missing: list[str] = []
        self.parser = _PARSER

    def evaluate(self, tree: Node, event: Any, variables: Mapping[str, Any]) -> Any:
        """Return the value, or None when there is none."""
        frame = self.create_frame(self._FUNCTIONS)
        frame.bindings.update(variables)
        frame.bindings["$"] = event
        return self.eval(tree, event, frame)

    def eval(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002 - the library's name
        """Evaluate a node, and all below it."""
        self.budget.enter()
        evaluate = getattr(self, _EVALUATES[expr.type])
        result = evaluate(expr, input, environment)
        for predicate in expr.predicate or ():
            result = self.evaluate_filter(predicate.expr, result, environment)
        if expr.group is not None and expr.type != "path":
            result = self.evaluate_group_expression(expr.group, result, environment)
        if isinstance(result, Utils.JList) and result.sequence:
            result.keep_singleton = result.keep_singleton or expr.keep_array
            if len(result) < 2 and not (result and result.keep_singleton):
                result = result[0] if result else None
        self.budget.leave(result)
        self._need(expr, result)
        return result

    def _need(self, expr: Node, result: Any) -> None:
        if isinstance(result, Inexact):
            raise Failure("uses a number that JSONata would round; read it with a JSONPath, as in $.detail.id")
        is_nothing = result is None or (isinstance(result, list) and not result)
        operand = self.operands.get(id(expr)) if is_nothing else None
        if operand is None:
            return
        if id(expr) not in self.compared:
            raise Failure(f"needs {operand}, which is missing on this event; guard it, as in $exists(a) ? a : 'b'")
        if operand not in self.missing:
            self.missing.append(operand)

    def evaluate_literal(self, expr: Node, _input: Any = None, _environment: Any = None) -> Any:
        """Return a text, number, boolean or null."""
        return NULL if expr.value is None else expr.value

    def evaluate_name(self, expr: Node, input: Any, _environment: Any) -> Any:  # noqa: A002
        """Return a field, or the fields of a list's items."""
        if isinstance(input, list):
            self.budget.spend(self.budget.size(input))
        return Functions.lookup(input, expr.value)

    def evaluate_wildcard(self, _expr: Node, input: Any, _environment: Any = None) -> Any:  # noqa: A002
        """Return all fields or items, and the items of those that are lists."""
        values = list(input.values()) if isinstance(input, dict) else input if isinstance(input, list) else []
        self.budget.spend(sum(self.budget.size(value) for value in values if isinstance(value, list)))
        found = []
        for value in values:
            found.extend(self.flatten(value, None)) if isinstance(value, list) else found.append(value)
        return list_of(found) if any(isinstance(value, list) for value in values) else sequence(*found)

    def evaluate_descendants(self, expr: Node, input: Any, _environment: Any = None) -> Any:  # noqa: A002
        """Return everything below."""
        return super().evaluate_descendants(expr, input)

    def evaluate_filter(self, predicate: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Return the items that a predicate holds for, or those at its numbers."""
        items = input if isinstance(input, list) else [input]
        if predicate.type == "number":
            index = math.floor(predicate.value)
            item = items[index] if -len(items) <= index < len(items) else None
            return item if item is None or isinstance(item, list) else sequence(item)
        kept = sequence()
        for index, item in enumerate(items):
            result = self.eval(predicate, item, environment)
            positions = [result] if is_number(result) else result
            if isinstance(positions, list) and all(map(is_number, positions)):
                self.budget.spend(len(positions))
                at = [math.floor(position) for position in positions]
                kept.extend(item for position in at if index in (position, len(items) + position))
            elif boolean(result):
                kept.append(item)
        if input is None and kept:
            raise Failure("filters a missing value by a condition that is true without it")
        return kept

    def evaluate_binary(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Apply an operator between two operands."""
        left = self.eval(expr.lhs, input, environment)
        operator = str(expr.value)
        if operator in ("and", "or"):
            decided = bool(boolean(left))
            if decided == (operator == "or"):
                return decided
            return bool(boolean(self.eval(expr.rhs, input, environment)))
        right = self.eval(expr.rhs, input, environment)
        match operator:
            case "&":
                return joined(*(string(operand) for operand in (left, right) if operand is not None))
            case "=" | "!=" | "in" if left is None or right is None:
                return False
            case "=" | "!=":
                self.budget.spend(min(self.budget.size(left), self.budget.size(right)))
                return equal(left, right) == (operator == "=")
            case "in":
                options = right if isinstance(right, list) else [right]
                self.budget.spend(len(options))
                return any(identical(option, left) for option in options)
            case "..":
                return self._range(left, right)
            case "<" | "<=" | ">" | ">=":
                return _compared(operator, left, right)
            case _:
                return _calculated(operator, left, right)

    def _range(self, first: Any, last: Any) -> Any:
        for end, code in ((first, "T2003"), (last, "T2004")):
            if end is not None and not (is_number(end) and float(end).is_integer()):
                raise JException(code, -1, end)
        if first is None or last is None or first > last:
            return None
        if last - first >= MAX_RANGE:
            raise Failure(f"makes a range of more than {MAX_RANGE} items")
        return sequence(*range(int(first), int(last) + 1))

    def evaluate_unary(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Negate, or make a list or an object."""
        if expr.value == "{":
            return self.evaluate_group_expression(expr, input, environment)
        if expr.value == "-":
            operand = self.eval(expr.expression, input, environment)
            if operand is not None and not is_number(operand):
                raise JException("D1002", expr.position, expr.value, operand)
            return None if operand is None else number(-float(operand))
        made = list_of(())
        for item in expr.expressions:
            value = self.eval(item, input, environment)
            if isinstance(value, list) and item.value != "[":
                made.extend(value)
            elif value is not None:
                made.append(value)
        made.cons = expr.consarray
        return made

    def evaluate_group_expression(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Make an object: each name with what its items give."""
        if type(input) is list and not input:
            # The reference would add to the event's list here, and count one item from then on.
            raise Failure("builds an object from an empty list; guard it, as in $count(a) > 0 ? a{…} : 'none'")
        items = input if isinstance(input, list) else [input]
        groups: dict[str, tuple[int, list[Any]]] = {}
        for item in items or [None]:
            for position, (name_node, _) in enumerate(expr.lhs_object):
                name = self.eval(name_node, item, environment)
                if name is None:
                    continue
                if not isinstance(name, str):
                    raise JException("T1003", expr.position, name)
                if groups.setdefault(name, (position, []))[0] != position:
                    raise JException("D1009", expr.position, name)
                groups[name][1].append(item)
        made = {}
        for name, (position, grouped) in ordered(groups).items():
            value = self.eval(expr.lhs_object[position][1], appended(grouped), environment)
            if value is not None:
                made[name] = value
        return made

    def evaluate_sort_expression(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Sort by the terms of ^(…)."""

        def comes_after(left: Any, right: Any) -> bool:
            for term in expr.terms:
                one, other = (self.eval(term.expression, item, environment) for item in (left, right))
                if one is None and other is None:
                    continue
                if one is None or other is None:
                    return one is None
                if not all(isinstance(value, str) or is_number(value) for value in (one, other)):
                    raise JException("T2008", expr.position, one)
                if isinstance(one, str) != isinstance(other, str):
                    raise JException("T2007", expr.position, one, other)
                if one != other:
                    return less(one, other) is bool(term.descending)
            return False

        return merge_sorted(self, input, comes_after)

    def evaluate_function(self, expr: Node, input: Any, environment: Any, applyto_context: Any = Utils.NONE) -> Any:  # noqa: A002
        """Call a function; ``applyto_context`` is its first argument, from the left of ~>."""
        function = self.eval(expr.procedure, input, environment)
        arguments = [] if applyto_context is Utils.NONE else [applyto_context]
        arguments += [self.eval(argument, input, environment) for argument in expr.arguments]
        return self.apply(function, arguments, input, environment)

    def apply_inner(self, proc: Any, args: list[Any], input: Any, _environment: Any) -> Any:  # noqa: A002
        """Call a function of the expression's own, or one of JSONata's."""
        if isinstance(proc, Native | Partial):
            return proc.call(self, args, input)
        if not is_function(proc):
            raise Failure("calls something that is not a function")
        # What is left out hides a variable of the same name, too.
        left_out = [None] * (len(proc.arguments) - len(args))
        return self.apply_procedure(proc, [*args, *left_out])

    def call(self, function: Any, *arguments: Any) -> Any:
        """Call a function that another one was given."""
        result = self.apply(function, list(arguments), NULL, None)
        self.budget.allow(self.budget.size(result))
        return result

    def evaluate_apply_expression(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Give what is on the left of ~> to the function on its right; two functions become one."""
        left = self.eval(expr.lhs, input, environment)
        if expr.rhs.type == "function":
            return self.evaluate_function(expr.rhs, input, environment, left)
        function = self.eval(expr.rhs, input, environment)
        if is_function(left) and is_function(function):
            chain = self.eval(_CHAIN, NULL, environment)
            return self.apply(chain, [left, function], NULL, environment)
        return self.apply(function, [left], NULL, environment)

    def evaluate_partial_application(self, expr: Node, input: Any, environment: Any) -> Any:  # noqa: A002
        """Make a function of another one, with some of its arguments."""
        given = [None if node.type == "operator" else self.eval(node, input, environment) for node in expr.arguments]
        function = self.eval(expr.procedure, input, environment)
        if isinstance(function, Native):
            pairs = zip(expr.arguments, given, strict=True)
            return Partial(function, [Partial.OPEN if node.type == "operator" else value for node, value in pairs])
        if not isinstance(function, Parser.Symbol):
            raise Failure("calls something with ? that is not a function of its own or of JSONata")
        pairs = zip(expr.arguments, given, strict=True)
        arguments = [node if node.type == "operator" else value for node, value in pairs]
        return self.partial_apply_procedure(function, arguments)


_EVALUATES = {
    "apply": "evaluate_apply_expression",
    "binary": "evaluate_binary",
    "bind": "evaluate_bind_expression",
    "block": "evaluate_block",
    "condition": "evaluate_condition",
    "descendant": "evaluate_descendants",
    "function": "evaluate_function",
    "lambda": "evaluate_lambda",
    "name": "evaluate_name",
    "number": "evaluate_literal",
    "partial": "evaluate_partial_application",
    "path": "evaluate_path",
    "string": "evaluate_literal",
    "unary": "evaluate_unary",
    "value": "evaluate_literal",
    "variable": "evaluate_variable",
    "wildcard": "evaluate_wildcard",
}

_PARSER = Parser()
_CHAIN = _PARSER.parse("function($f, $g) { function($x) { $g($f($x)) } }")


def _compared(operator: str, left: Any, right: Any) -> bool | None:
    for value in (left, right):
        if value is not None and not (isinstance(value, str) or is_number(value)):
            raise JException("T2010", 0, operator, value)
    if left is None or right is None:
        return None
    if isinstance(left, str) != isinstance(right, str):
        raise JException("T2009", 0, left, right, operator)
    match operator:
        case "<":
            return less(left, right)
        case "<=":
            return not less(right, left)
        case ">":
            return less(right, left)
        case _:
            return not less(left, right)


def _calculated(operator: str, left: Any, right: Any) -> int | float | None:
    for value, code in ((left, "T2001"), (right, "T2002")):
        if value is not None and not is_number(value):
            raise JException(code, -1, operator, value)
    if left is None or right is None:
        return None
    try:
        return number(_ARITHMETIC[operator](float(left), float(right)))
    except (ZeroDivisionError, ValueError) as error:
        raise Failure("divides by zero") from error
