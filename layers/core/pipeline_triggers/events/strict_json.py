"""JSON of publishers, read strictly: what two readers could read in two ways is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from pipeline_triggers.errors import Rejected

MAX_DIGITS = 100  # of a number in a message
MAX_DEPTH = 50  # of a message
MAX_BYTES = 262_144  # of a message: what SNS takes


def read(text: str) -> Any:
    """Return what a message holds: JSON where it is JSON, else the text itself.

    Raises:
        Rejected: it is too large or too deep, or JSON that two readers could read in two ways.

    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Rejected(f"the message has more than {MAX_BYTES} bytes")
    problems = _Problems()
    try:
        body = json.loads(
            text,
            object_pairs_hook=problems.object,
            parse_constant=problems.constant,
            parse_int=problems.number,
            parse_float=problems.number,
        )
    except ValueError:
        return text
    except RecursionError as error:
        raise Rejected(f"the message is nested deeper than {MAX_DEPTH} levels") from error
    # Only now it is certain that it is JSON, and not a text that begins like it.
    if problems.messages:
        raise Rejected(problems.messages[0])
    if _depth(body) > MAX_DEPTH:
        raise Rejected(f"the message is nested deeper than {MAX_DEPTH} levels")
    return body


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level := [
        child
        for parent in level
        if isinstance(parent, dict | list)
        for child in (parent.values() if isinstance(parent, dict) else parent)
    ]:
        depth += 1
    return depth


class _Problems:
    """Hooks for json.loads that note what two readers of a JSON text could read in two ways."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def object(self, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """Note a name that is set twice."""
        read: dict[str, Any] = {}
        for name, value in pairs:
            if name in read:
                self.messages.append(f"the message sets {name!r} twice; set it once")
            read[name] = value
        return read

    def constant(self, name: str) -> None:
        """Note what is not valid JSON, though Python reads it."""
        self.messages.append(f"the message holds {name}, which is not valid JSON")

    def number(self, text: str) -> float:
        """Note a number that not every reader can hold."""
        number = float(text)
        if len(text) > MAX_DIGITS or not math.isfinite(number):
            limits = f"a number has {MAX_DIGITS} digits at most, and is at most 1e308"
            self.messages.append(f"the message holds a number of {len(text)} digits; {limits}")
            return 0
        return number if any(letter in text for letter in ".eE") else int(text)
