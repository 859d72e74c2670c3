"""How JSONata's own functions are called: with the arguments that their signatures make of what they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.signature import Signature

from pipeline_triggers.language.jsonata.data import Failure, WrongType, symbol

_KINDS = {
    "m": "nothing",
    "s": "a text",
    "b": "a boolean",
    "n": "a number",
    "a": "a list",
    "o": "an object",
    "l": "null",
    "f": "a function",
}

Implementation = Callable[..., Any]


class _Signature(Signature):  # type: ignore[misc]  # no type information published
    """The library's, which takes null for a missing argument."""

    def get_symbol(self, value: Any) -> str:
        return symbol(value)


class Native(Jsonata.JFunctionCallable):  # type: ignore[misc]
    """A function of JSONata.

    ``types``: its signature, as the reference has it. ``runs``: the implementation takes the evaluator first, to call
    functions or to say how much it will make. ``arity``: how many arguments $map and the like give it, at most.
    Without its first argument it gives nothing, unless it is ``for_nothing``, too.
    """

    def __init__(
        self, name: str, types: str, implementation: Implementation, *, runs: bool, for_nothing: bool, arity: int | None
    ) -> None:
        self.name = name
        self.types = types
        self.implementation = implementation
        self.runs = runs
        self.for_nothing = for_nothing
        self.arity = implementation.__code__.co_argcount - runs if arity is None else arity

    @cached_property
    def takes(self) -> Any:
        """What it takes; made for the first call, because most functions are never called."""
        return _Signature(self.types, self.name)

    def call(self, evaluator: Any, arguments: list[Any], context: Any) -> Any:
        """Call it; ``context`` takes the place of an argument that may be left out.

        Raises:
            WrongType: it does not take these.

        """
        return self.call_with(evaluator, self.validated(arguments, context))

    def validated(self, arguments: list[Any], context: Any) -> list[Any]:
        """Return the arguments as the implementation takes them.

        Raises:
            WrongType: it does not take these.

        """
        try:
            validated: list[Any] = self.takes.validate(arguments, context)
        except JException as error:
            kinds = ", ".join(_KINDS[symbol(argument)] for argument in arguments or [context])
            raise WrongType(f"calls ${self.name} with {kinds}, which it does not accept") from error
        return validated

    def call_with(self, evaluator: Any, arguments: Sequence[Any]) -> Any:
        """Call it with these very arguments."""
        evaluator.budget.call(arguments)
        if not self.for_nothing and arguments[0] is None:
            return None
        return self.implementation(*((evaluator,) if self.runs else ()), *arguments)


class Partial(Jsonata.JFunctionCallable):  # type: ignore[misc]
    """A function of JSONata with some of its arguments, as in $substring(?, 0, 3)."""

    OPEN = object()

    def __init__(self, native: Native, arguments: list[Any]) -> None:
        # The reference can't do these, or calls what it should not.
        if native.name in ("sort", "string", "zip") or any(isinstance(each, Native | Partial) for each in arguments):
            raise Failure(f"calls ${native.name} with ?, which is not supported; write function($x) {{…}}")
        self.native = native
        self.arguments = arguments
        self.arity = arguments.count(self.OPEN)

    def call(self, evaluator: Any, arguments: list[Any], _context: Any) -> Any:
        """Call it with the arguments that are still open."""
        given = iter(arguments)
        every = [next(given, None) if argument is self.OPEN else argument for argument in self.arguments]
        every = (every + [None] * self.native.arity)[: self.native.arity]
        # The reference would not check them, and take what it can't.
        checked = self.native.validated(every, None)
        if any(one is not other for one, other in zip(checked, every, strict=True)):
            raise WrongType(
                f"calls ${self.native.name} with something that is not a list, which it does not accept here"
            )
        return self.native.call_with(evaluator, checked)


class Natives(dict[str, Native]):
    """Functions of JSONata by name."""

    def add(
        self, name: str, types: str, *, runs: bool = False, for_nothing: bool = False, arity: int | None = None
    ) -> Callable[[Implementation], Implementation]:
        """Add the decorated function under a name, with its signature."""

        def register(implementation: Implementation) -> Implementation:
            self[name] = Native(name, types, implementation, runs=runs, for_nothing=for_nothing, arity=arity)
            return implementation

        return register


def needed(name: str, argument: Any) -> Any:
    """Return an argument, which must be there.

    Raises:
        Failure: it is not.

    """
    if argument is None:
        raise Failure(f"calls ${name} without a value that it needs; guard it, as in $exists(a) ? a : 'b'")
    return argument
