"""What the expressions on one message may do: counted work and sizes, which are the same on every retry.

A clock would decide differently on every retry. A part of a value that is known is not looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline_triggers.language.jsonata.data import MAX_NESTING, Failure

Measured = tuple[Any, int, int]  # a value, its characters and items, and how deeply it is nested

BUDGET = 1_000_000  # of work: about a microsecond each
MAX_GROWTH = 100_000  # characters and items that a value on the way may have beyond those of the event
MAX_DEPTH = 500  # of steps within steps, by functions that call functions; below the limit of Python's own stack

_STEP = 20  # the work of a step, and of a function's call
_CHARACTERS = 50  # read or written for one of work
LONG = 100  # characters of a text of the event whose size is kept


class Budget:
    """The work that is left, and the sizes that are known.

    ``known`` has the measures of the event's own parts, by id; each keeps its part, so that the id can't become another
    value's.
    """

    def __init__(self) -> None:
        self.spent = 0
        self.most = MAX_GROWTH
        self.depth = 0
        self.known: dict[int, Measured] = {}
        self._made: dict[int, Measured] = {}

    def begin(self) -> None:
        """Begin another expression: what the last one made is gone."""
        self._made.clear()
        self.depth = 0

    def enter(self) -> None:
        """Count a step; those within it come before it ends.

        Raises:
            Failure: it is one too many, or within too many.

        """
        self.spend(_STEP)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Failure("calls functions within functions too deeply")

    def leave(self, result: Any) -> None:
        """End a step, and count its result.

        Raises:
            Failure: the result is too large.

        """
        self.depth -= 1
        self.allow(self.size(result))

    def call(self, arguments: Iterable[Any]) -> None:
        """Count the call of a function that looks at each item of a list and at each character."""
        work = _STEP
        for argument in arguments:
            match argument:
                case str():
                    work += len(argument) // _CHARACTERS
                case list() | dict():
                    work += len(argument)
        self.spend(work)

    def spend(self, work: int) -> None:
        """Count work.

        Raises:
            Failure: it is more than is left.

        """
        self.spent += work
        if self.spent > BUDGET:
            raise Failure("does more work than the expressions on one message may do")

    def allow(self, size: int) -> None:
        """Say that a value may be that large.

        Raises:
            Failure: it may not.

        """
        if size > self.most:
            raise Failure("makes a value that is too large")

    def size(self, value: Any) -> int:
        """Return a value's characters and items; looking at what is new is work.

        Raises:
            Failure: it is more than is left, or the value is nested too deeply.

        """
        return self._measured(value)[1]

    def _measured(self, value: Any) -> Measured:
        match value:
            case str():
                if len(value) > LONG and id(value) not in self.known:
                    self.spend(len(value) // _CHARACTERS)
                return value, len(value), 0
            case list() | dict():
                entry = self.known.get(id(value)) or self._made.get(id(value))
                if entry is None:
                    self.spend(len(value))
                    items = list(map(self._measured, value.values() if isinstance(value, dict) else value))
                    names = sum(map(len, value)) if isinstance(value, dict) else 0
                    size = 1 + names + sum(item[1] for item in items)
                    entry = self._made[id(value)] = (value, size, 1 + max((item[2] for item in items), default=0))
                    if entry[2] > MAX_NESTING:
                        raise Failure("makes a value that is nested too deeply")
                return entry
            case _:
                return value, 1, 0
