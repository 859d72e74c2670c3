"""What takes a guard out of the code: a change of a module's syntax tree, addressed by symbol.

A symbol is ``module:name`` below ``pipeline_triggers``, such as ``starts.ledger:begin`` or
``account.references:Pipeline.key``. Within a function, a change names what it changes by the identifiers and texts that
occur there: a called function, a keyword, a compared name. A symbol or name that is missing, or that fits twice, raises
``Lost``: then the guard's entry has to follow the code.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Symbol = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
Change = Callable[[Symbol], None]
Found = TypeVar("Found")


class Lost(Exception):
    """The code does not have what a change names, or has it more than once."""


def changed(source: str, name: str, change: Change) -> ast.Module:
    """Return a module's syntax tree with one of its symbols changed.

    Raises:
        Lost: the module has no such symbol, or the symbol has nothing that the change names.

    """
    module = ast.parse(source)
    scope: Any = module
    for part in name.split("."):
        scope = _only((node for node in scope.body if part in _defined(node)), f"definition of {part}")
    change(scope)
    return ast.fix_missing_locations(module)


def value(expression: str) -> Change:
    """Give a constant another value."""

    def change(symbol: Symbol) -> None:
        if not isinstance(symbol, ast.Assign | ast.AnnAssign):
            raise Lost("the symbol is not a constant")
        symbol.value = _expression(expression)

    return change


def returns(expression: str) -> Change:
    """Let a function return this and do nothing else."""

    def change(symbol: Symbol) -> None:
        if not isinstance(symbol, ast.FunctionDef):
            raise Lost("the symbol is not a function")
        symbol.body = [ast.Return(_expression(expression))]

    return change


def does_nothing() -> Change:
    """Let a function do nothing."""
    return returns("None")


def never(*names: str, at: int | None = None) -> Change:
    """Let the condition in which these names occur be false: an operand of ``and`` and ``or``, or the whole test."""
    return condition(*names, instead="False", at=at)


def always(*names: str, at: int | None = None) -> Change:
    """Let the condition in which these names occur be true."""
    return condition(*names, instead="True", at=at)


def condition(*names: str, instead: str, at: int | None = None) -> Change:
    """Put an expression in the place of the condition in which these names occur; of several, the one at a position."""

    def change(symbol: Symbol) -> None:
        tests = sorted((test for test in _tests(symbol) if _names(test) >= set(names)), key=_place)
        test = _only(tests[at : at + 1] if at is not None else tests, f"condition with {', '.join(names)}")
        _replace(symbol, test, _expression(instead))

    return change


def call(function: str, instead: str) -> Change:
    """Put an expression in the place of a call."""

    def change(symbol: Symbol) -> None:
        _replace(symbol, _call(symbol, function), _expression(instead))

    return change


def argument(function: str, name: str | int, instead: str | None) -> Change:
    """Give an argument of a call, by its keyword or position, another value; None: leave the keyword out."""

    def change(symbol: Symbol) -> None:
        made = _call(symbol, function)
        if isinstance(name, int):
            made.args[name] = _expression(instead or "None")
            return
        given = _only((keyword for keyword in made.keywords if keyword.arg == name), f"{name} of {function}")
        if instead is None:
            made.keywords.remove(given)
        else:
            given.value = _expression(instead)

    return change


def without_call(function: str) -> Change:
    """Leave out the statement that calls a function and does nothing with what it returns."""

    def change(symbol: Symbol) -> None:
        _replace(symbol, _statement(symbol, function), ast.Pass())

    return change


def without_loop(*names: str) -> Change:
    """Let a ``for`` loop over what these names say go through nothing."""

    def change(symbol: Symbol) -> None:
        loops = (node for node in ast.walk(symbol) if isinstance(node, ast.For))
        loop = _only((loop for loop in loops if _names(loop.iter) >= set(names)), f"loop over {names}")
        loop.iter = ast.Tuple([], ast.Load())

    return change


def without_element(*names: str) -> Change:
    """Take the element in which these names occur out of a tuple, list or set, or out of what ``&`` or ``|`` join."""

    def change(symbol: Symbol) -> None:
        displays = [node for node in ast.walk(symbol) if isinstance(node, ast.Tuple | ast.List | ast.Set)]
        elements = [(node, one) for node in displays for one in node.elts if _is_innermost(one, names)]
        joined = [node for node in ast.walk(symbol) if isinstance(node, ast.BinOp)]
        operands = [
            (node, other)
            for node in joined
            if isinstance(node.op, ast.BitAnd | ast.BitOr)
            for one, other in ((node.left, node.right), (node.right, node.left))
            if _is_innermost(one, names)
        ]
        what = f"element with {', '.join(names)}"
        holder, one = _only([*elements, *operands], what)
        if isinstance(holder, ast.BinOp):
            _replace(symbol, holder, one)
        else:
            holder.elts.remove(one)

    return change


def later(function: str, than: str) -> Change:
    """Move the statement that calls a function behind the one that calls another, in the same block."""

    def change(symbol: Symbol) -> None:
        for block in _blocks(symbol):
            moved = [statement for statement in block if _calls(statement, function)]
            other = [statement for statement in block if _calls(statement, than)]
            if len(moved) == len(other) == 1 and moved != other:
                block.remove(moved[0])
                block.insert(block.index(other[0]) + 1, moved[0])
                return
        raise Lost(f"no block calls {function} and {than} once")

    return change


def _tests(symbol: ast.AST) -> Iterator[ast.expr]:
    """Give the operands of all conditions; ``a and not b`` has two."""
    for node in ast.walk(symbol):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            yield from _operands(node.test)
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from _operands(test)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.BoolOp):
            yield from _operands(node.value)


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _operands(test: ast.expr) -> Iterator[ast.expr]:
    match test:
        case ast.BoolOp(values=values):
            for one in values:
                yield from _operands(one)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _operands(operand)
        case _:
            yield test


def _call(symbol: ast.AST, function: str) -> ast.Call:
    calls = (node for node in ast.walk(symbol) if isinstance(node, ast.Call))
    return _only((one for one in calls if _last_name(one.func) == function), f"call of {function}")


def _statement(symbol: ast.AST, function: str) -> ast.Expr:
    statements = (node for node in ast.walk(symbol) if isinstance(node, ast.Expr))
    return _only((one for one in statements if _calls(one, function)), f"statement that calls {function}")


def _calls(statement: ast.AST, function: str) -> bool:
    return any(isinstance(node, ast.Call) and _last_name(node.func) == function for node in ast.walk(statement))


def _blocks(symbol: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(symbol):
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(node, field, None), list):
                yield block


def _is_innermost(node: ast.expr, names: Iterable[str]) -> bool:
    holds_others = any(isinstance(inner, ast.Tuple | ast.List | ast.Set) for inner in ast.walk(node))
    return not holds_others and _names(node) >= set(names)


def _names(node: ast.AST) -> set[str]:
    """Return the identifiers and texts that occur in an expression."""
    found: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                found.add(name)
    return found


def _last_name(function: ast.expr) -> str | None:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _only(found: Iterable[Found], what: str) -> Found:
    listed = list(found)
    if len(listed) != 1:
        raise Lost(f"{len(listed)} times a {what}; name one that is there once")
    return listed[0]


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _replace(symbol: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put a node in the place of another."""
    for node in ast.walk(symbol):
        for field, held in ast.iter_fields(node):
            if held is old:
                setattr(node, field, new)
            elif isinstance(held, list) and any(one is old for one in held):
                held[:] = [new if one is old else one for one in held]
