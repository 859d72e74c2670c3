"""JSONata's functions of numbers, with the meaning of the reference implementation (jsonata-js)."""

from __future__ import annotations

import math
import re
from typing import Any

from jsonata.jexception import JException

from pipeline_triggers.language.jsonata import pictures
from pipeline_triggers.language.jsonata.data import Failure, number, whole
from pipeline_triggers.language.jsonata.natives import Natives, needed

FUNCTIONS = Natives()


@FUNCTIONS.add("sum", "<a<n>:n>")
def _total(numbers: list[float]) -> float:
    # One after the other, as the reference does; Python's own sum compensates.
    result = 0.0
    for each in numbers:
        result += each
    return number(result)


@FUNCTIONS.add("count", "<a:n>", for_nothing=True)
def _count(items: list[Any] | None) -> int:
    return 0 if items is None else len(items)


@FUNCTIONS.add("max", "<a<n>:n>")
def _largest(numbers: list[float]) -> float | None:
    return max(numbers, default=None)


@FUNCTIONS.add("min", "<a<n>:n>")
def _smallest(numbers: list[float]) -> float | None:
    return min(numbers, default=None)


@FUNCTIONS.add("average", "<a<n>:n>")
def _average(numbers: list[float]) -> float | None:
    return number(_total(numbers) / len(numbers)) if numbers else None


@FUNCTIONS.add("abs", "<n-:n>")
def _absolute(value: float) -> float:
    return abs(value)


@FUNCTIONS.add("floor", "<n-:n>")
def _floor(value: float) -> float:
    return number(float(math.floor(value)))


@FUNCTIONS.add("ceil", "<n-:n>")
def _ceil(value: float) -> float:
    return number(float(math.ceil(value)))


@FUNCTIONS.add("round", "<n-n?:n>")
def _round_half_even(value: float, precision: float | None) -> float:
    return pictures.rounded(value, whole("round", precision or 0))


@FUNCTIONS.add("sqrt", "<n-:n>")
def _square_root(value: float) -> float:
    if value < 0:
        raise JException("D3060", 1, value)
    return number(math.sqrt(value))


_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_BASED = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")


@FUNCTIONS.add("number", "<(nsb)-:n>")
def _to_number(value: Any) -> float:
    match value:
        case bool():
            return int(value)
        case int() | float():
            return value
        case str() if _DECIMAL.fullmatch(value):
            made = number(float(value))
            if value.lstrip("-").isdigit() and int(value) != made:
                raise Failure(f"turns {value} into a number, which JSONata would round")
            return made
        case str() if _BASED.fullmatch(value):
            return number(float(int(value, 0)))
        case _:
            raise JException("D3030", 1, value)


@FUNCTIONS.add("formatBase", "<n-n?:s>")
def _format_base(value: float, radix: float | None) -> str:
    integer = whole("formatBase", pictures.rounded(value, 0))
    base = 10 if radix is None else int(pictures.rounded(radix, 0))
    if not 2 <= base <= 36:
        raise JException("D3100", -1, base)
    left, text = abs(integer), ""
    while left or not text:
        left, digit = divmod(left, base)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return f"-{text}" if integer < 0 else text


@FUNCTIONS.add("formatNumber", "<n-so?:s>")
def _format_number(value: float, picture: str | None, options: Any) -> str:
    if options is not None:
        raise Failure("calls $formatNumber with options, which are not supported")
    return pictures.format_number(value, needed("formatNumber", picture))


@FUNCTIONS.add("formatInteger", "<n-s:s>")
def _format_integer(value: float, picture: str | None) -> str:
    return pictures.format_integer(whole("formatInteger", math.floor(value)), needed("formatInteger", picture))


@FUNCTIONS.add("parseInteger", "<s-s:n>")
def _parse_integer(text: str, picture: str | None) -> float:
    return whole("parseInteger", pictures.parse_integer(text, needed("parseInteger", picture)))
