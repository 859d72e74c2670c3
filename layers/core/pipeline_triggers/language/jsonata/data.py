"""JSON data as the reference implementation holds it: JavaScript's numbers and texts, and the order of names.

``None`` is what is not there (undefined); ``NULL`` is JSON's null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from jsonata import Jsonata
from jsonata.parser import Parser
from jsonata.utils import Utils

NULL = Utils.NULL_VALUE

MAX_EXACT = 2**53  # an integer beyond it may have been rounded
MAX_NESTING = 500  # of lists and objects in a value

_SIGNIFICANT = Context(prec=15, rounding=ROUND_HALF_UP)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INDEX = re.compile("0|[1-9][0-9]{0,9}")


class Failure(Exception):
    """An expression can't be evaluated on this event; the message completes "the expression …"."""


class WrongType(Failure):
    """A function does not take what it is given."""


class Inexact(float):
    """A number of the event that a double can't hold as it is, such as an integer of 20 digits."""


def number(value: float) -> int | float:
    """Return a computed number as JSON writes it: a whole one as an int.

    Raises:
        Failure: it is infinite, or not a number.

    """
    if not math.isfinite(value):
        raise Failure("makes a number that is too large, or divides by zero")
    return int(value) if value.is_integer() and abs(value) <= MAX_EXACT else value


def event_number(value: float) -> int | float:
    """Return a number of the event; one that a double can't hold comes back as Inexact, which no expression may use."""
    try:
        held = float(value)
    except OverflowError:
        return Inexact(math.inf)
    if not math.isfinite(held) or held != value:
        return Inexact(held)
    return number(held)


def whole(name: str, value: float) -> int:
    """Return a number that a function takes as an integer.

    Raises:
        Failure: it is not one, or too large to be exact.

    """
    if not float(value).is_integer() or abs(value) > MAX_EXACT:
        raise Failure(f"calls ${name} with a number that is not an integer, or too large")
    return int(value)


def symbol(value: Any) -> str:
    """Return the letter that a value has in a signature."""
    match value:
        case None:
            return "m"
        case str():
            return "s"
        case bool():
            return "b"
        case int() | float():
            return "n"
        case list():
            return "a"
        case dict():
            return "o"
        case _:
            return "l" if value is NULL else "f"


def is_number(value: Any) -> bool:
    """Whether a value is a number; a boolean is not one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_function(value: Any) -> bool:
    """Whether a value is a function: JSONata's, or one of the expression."""
    return isinstance(value, Jsonata.JFunctionCallable | Parser.Symbol)


def sequence(*items: Any) -> Any:
    """Return a list that stands for its only item, or for nothing when it is empty."""
    made = Utils.JList(items)
    made.sequence = True
    return made


def list_of(items: Iterable[Any]) -> Any:
    """Return a list that stays one."""
    return Utils.JList(items)


def digits(value: float) -> str:
    """Write a number as JavaScript does: 1e+21, 1e-7, 12345678901234567000."""
    if float(value).is_integer() and abs(value) <= MAX_EXACT:
        return str(int(value))
    shortest = repr(float(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(shortest), "f").removesuffix(".0")
    mantissa, _, exponent = shortest.partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def rounded(value: float) -> float:
    """Return a fraction with 15 significant digits, as $string and & write it."""
    return float(_SIGNIFICANT.create_decimal(Decimal(value)))


def ordered(pairs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object with its names in JavaScript's order: indices first, by size."""
    if not any(name[:1].isdigit() and _is_index(name) for name in pairs):
        return pairs
    indices = sorted((name for name in pairs if _is_index(name)), key=int)
    return {name: pairs[name] for name in (*indices, *(name for name in pairs if not _is_index(name)))}


def _is_index(name: str) -> bool:
    return _INDEX.fullmatch(name) is not None and int(name) < 2**32 - 1


def less(left: Any, right: Any) -> bool:
    """Whether a text or number comes before another; texts are compared by their UTF-16 code units."""
    if isinstance(left, str) and not (left.isascii() or right.isascii()):
        left, right = (text.encode("utf-16-be", "surrogatepass") for text in (left, right))
    return bool(left < right)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal, item by item."""
    match left, right:
        case list(), list():
            return len(left) == len(right) and all(map(equal, left, right))
        case dict(), dict():
            return left.keys() == right.keys() and all(equal(item, right[name]) for name, item in left.items())
        case _:
            return identical(left, right)


def identical(left: Any, right: Any) -> bool:
    """Whether two values are the same: equal texts, numbers or booleans, or one and the same object."""
    if isinstance(left, str | int | float) and isinstance(right, str | int | float):
        return isinstance(left, bool) == isinstance(right, bool) and left == right
    return left is right


def string(value: Any, *, pretty: bool = False) -> str:
    """Write a value as $string and & do: a text as it is, a function as nothing, anything else as JSON.

    Raises:
        Failure: it holds a number that the reference would round.

    """
    if isinstance(value, str):
        return value
    return "" if is_function(value) else written(value, pretty=pretty)


def written(value: Any, indent: str = "", *, pretty: bool = False) -> str:
    """Write a value as JSON, with fractions of 15 significant digits."""
    match value:
        case Inexact():
            raise Failure("writes a number that JSONata would round; read it with a JSONPath, as in $.detail.id")
        case str():
            return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", json.dumps(value, ensure_ascii=False))
        case bool():
            return "true" if value else "false"
        case int() | float():
            return digits(value if float(value).is_integer() else rounded(value))
        case list() | dict():
            return _written_items(value, indent, pretty=pretty)
        case _:
            return "null" if value is NULL else '""'


def _written_items(value: list[Any] | dict[str, Any], indent: str, *, pretty: bool) -> str:
    inner = f"{indent}  " if pretty else ""
    opening, closing = "[]" if isinstance(value, list) else "{}"
    parts: Iterable[str]
    if isinstance(value, list):
        parts = [written(item, inner, pretty=pretty) for item in value]
    else:
        colon = ": " if pretty else ":"
        parts = [f"{written(name)}{colon}{written(item, inner, pretty=pretty)}" for name, item in value.items()]
    if pretty and value:
        return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"
    return opening + ",".join(parts) + closing


def joined(*texts: str) -> str:
    """Join texts; two halves of a character become one, as they do in JavaScript's UTF-16."""
    text = "".join(texts)
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def has_half(text: str) -> bool:
    """Whether a text holds half a character."""
    return not text.isascii() and _SURROGATE.search(text) is not None
