"""Numbers written and read by a picture, as in $formatNumber(n, '#,##0.00') and $formatInteger(n, '001').

The pictures are those of XPath's format-number and format-integer. What the reference implementation does differently
from them, or differently from one picture to the next, is refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from pipeline_triggers.language.jsonata.data import MAX_EXACT, Failure, digits, number

MAX_LENGTH = 100  # characters of a picture
MAX_ROMAN = 100_000  # beyond it, the number would be written with a hundred letters and more


def refuse(picture: str, remedy: str) -> Failure:
    """Return the failure of a picture that is wrong or not supported."""
    return Failure(f"uses the picture {picture[:MAX_LENGTH]!r}, which is not supported; {remedy}")


# ---- Rounding


def rounded(value: float, precision: int) -> int | float:
    """Round half to even, by the digits that the number is written with."""
    shifted = _shifted(value, precision)
    below = math.floor(shifted)
    result = below + (shifted - below >= 0.5)
    if abs(result - shifted) == 0.5 and result % 2 == 1:
        result -= 1
    return number(float(_shifted(result, -precision)))


def _shifted(value: float, places: int) -> float:
    if not places:
        return value
    mantissa, _, exponent = digits(value).partition("e")
    return number(float(f"{mantissa}e{int(exponent or 0) + places}"))


# ---- $formatNumber

_ACTIVE = frozenset("0123456789.,#;")


@dataclass(frozen=True)
class _Picture:
    """One picture: for numbers from 0 on, or for those below."""

    prefix: str
    suffix: str
    group: int
    integer_digits: int
    least_digits: int
    most_digits: int
    factor: int


def format_number(value: float, picture: str) -> str:
    """Write a number by a picture.

    Raises:
        Failure: the picture is wrong or not supported, or the number too large.

    """
    pictures = number_pictures(picture)
    negative = value < 0
    if negative and len(pictures) == 2:
        chosen, sign = pictures[1], ""
    else:
        chosen, sign = pictures[0], "-" if negative else ""
    result = rounded(value * chosen.factor, chosen.most_digits)
    if abs(result) >= 1e21:
        raise Failure("formats a number that is too large")
    places = Decimal(1).scaleb(-chosen.most_digits)
    text = format(Decimal(abs(result)).quantize(places, ROUND_HALF_UP), "f")
    integer, _, fraction = text.partition(".")
    integer = integer.lstrip("0").rjust(chosen.integer_digits, "0")
    fraction = fraction.rstrip("0").ljust(chosen.least_digits, "0")
    if chosen.group:
        integer = _grouped(integer, chosen.group, ",")
    return f"{sign}{chosen.prefix}{integer}{'.' if fraction else ''}{fraction}{chosen.suffix}"


def _grouped(text: str, size: int, separator: str) -> str:
    first = len(text) % size
    groups = (text[at : at + size] for at in range(first, len(text), size))
    return separator.join(filter(None, (text[:first], *groups)))


@lru_cache(maxsize=256)
def number_pictures(picture: str) -> list[_Picture]:
    """Read the picture of a number, or the two for numbers from 0 on and below.

    Raises:
        Failure: it is wrong, or not supported.

    """
    parts = picture.split(";")
    if len(parts) > 2 or len(picture) > MAX_LENGTH:
        raise refuse(picture, "write one part, or two with ; between them")
    return [_number_picture(part, picture) for part in parts]


def _number_picture(part: str, picture: str) -> _Picture:
    active = [position for position, character in enumerate(part) if character in _ACTIVE]
    if not active:
        raise refuse(picture, "write digits as in #,##0.00")
    first, last = active[0], active[-1] + 1
    prefix, body, suffix = part[:first], part[first:last], part[last:]
    integer, _, fraction = body.partition(".")
    if not re.fullmatch("[#,]*[0-9,]*", integer) or not re.fullmatch("[0-9]*#*", fraction) or body == ".":
        raise refuse(picture, "write digits as in #,##0.00")
    if suffix.startswith("e") or (part.count("%") + part.count("‰") > 1):
        raise refuse(picture, "write no exponent, and % or ‰ once")
    integer_digits = sum(character.isdigit() for character in integer)
    least = sum(character.isdigit() for character in fraction)
    if not integer_digits and not fraction:
        integer_digits = 1
    elif not integer_digits and not least:
        least = 1
    factor = 100 if "%" in part else 1000 if "‰" in part else 1
    return _Picture(prefix, suffix, _group(integer, picture), integer_digits, least, len(fraction), factor)


def _group(integer: str, picture: str) -> int:
    """Return how many digits are between two commas."""
    if "," not in integer:
        return 0
    first, *groups = integer.split(",")
    sizes = {len(group) for group in groups}
    if len(sizes) > 1 or 0 in sizes or len(first) > max(sizes):
        raise refuse(picture, "write commas as in #,##0")
    return sizes.pop()


# ---- $formatInteger and $parseInteger

_FEW = (
    *("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"),
    *("Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen"),
)
_ORDINALS = (
    *("Zeroth", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"),
    *("Eleventh", "Twelfth", *(f"{name}th" for name in _FEW[13:])),
)
_TENS = ("Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety")
_THOUSANDS = ("Thousand", "Million", "Billion", "Trillion")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")),
    *((9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


_STYLES = {
    "a": ("letters", "lower"),
    "A": ("letters", "upper"),
    "i": ("roman", "lower"),
    "I": ("roman", "upper"),
    "w": ("words", "lower"),
    "W": ("words", "upper"),
    "Ww": ("words", "title"),
}
_DECIMAL = re.compile(r"[#0-9]+(?:([^#0-9\w\s])[#0-9]+(?:\1[#0-9]+)*)?", re.ASCII)


@dataclass(frozen=True)
class IntegerPicture:
    """How an integer is written: as "decimal", "letters", "roman" or "words"."""

    style: str
    case: str = "lower"
    ordinal: bool = False
    least_digits: int = 0
    optional_digits: int = 0
    separator: str = ""
    group: int = 0


@lru_cache(maxsize=256)
def integer_picture(picture: str) -> IntegerPicture:
    """Read a picture of an integer, such as 001, #,##0, 1;o, a, I or Ww.

    Raises:
        Failure: it is wrong, or not supported.

    """
    primary, _, modifier = picture.rpartition(";") if ";" in picture else (picture, "", "")
    ordinal = modifier.startswith("o")
    if primary in _STYLES:
        return IntegerPicture(*_STYLES[primary], ordinal)
    if len(picture) > MAX_LENGTH or not primary.isascii() or not _DECIMAL.fullmatch(primary):
        raise refuse(picture, "write 001, #,##0, 1;o, a, A, i, I, w, W or Ww")
    separator = next((character for character in primary if character not in "#0123456789"), "")
    _, *groups = primary.split(separator) if separator else [primary]
    sizes = {len(group) for group in groups}
    if len(sizes) > 1 or not any(character.isdigit() for character in primary):
        raise refuse(picture, "write separators as in #,##0")
    least = sum(character.isdigit() for character in primary)
    return IntegerPicture("decimal", "", ordinal, least, primary.count("#"), separator, sizes.pop() if sizes else 0)


def format_integer(value: int, picture: str) -> str:
    """Write an integer by a picture.

    Raises:
        Failure: the picture is wrong or not supported, or the number too large for it.

    """
    return written_integer(value, integer_picture(picture))


def written_integer(value: int, picture: IntegerPicture) -> str:
    """Write an integer by a picture that was read."""
    size = abs(value)
    match picture.style:
        case "letters":
            text = _letters(size)
        case "roman":
            text = _roman(size)
        case "words":
            text = _words(size, first=True, ordinal=picture.ordinal)
        case _:
            text = _decimal(size, picture)
    if picture.case == "upper":
        text = text.upper()
    elif picture.case == "lower":
        text = text.lower()
    return f"-{text}" if value < 0 else text


def _decimal(value: int, picture: IntegerPicture) -> str:
    text = str(value).rjust(picture.least_digits, "0")
    if picture.group:
        text = _grouped(text, picture.group, picture.separator)
    if picture.ordinal:
        is_teen = text[-2:-1] == "1"
        text += "th" if is_teen else {"1": "st", "2": "nd", "3": "rd"}.get(text[-1], "th")
    return text


def _letters(value: int) -> str:
    text = ""
    while value > 0:
        value, letter = divmod(value - 1, 26)
        text = chr(ord("a") + letter) + text
    return text


def _roman(value: int) -> str:
    if value > MAX_ROMAN:
        raise Failure("writes a number in Roman numerals that is too large for them")
    text = ""
    for size, numeral in _ROMAN:
        times, value = divmod(value, size)
        text += numeral * times
    return text


def _words(value: int, *, first: bool, ordinal: bool) -> str:
    if value < 20:
        return ("" if first else " and ") + (_ORDINALS if ordinal else _FEW)[value]
    if value < 100:
        ten, rest = divmod(value, 10)
        text = ("" if first else " and ") + _TENS[ten - 2]
        if rest:
            return f"{text}-{_words(rest, first=True, ordinal=ordinal)}"
        return f"{text[:-1]}ieth" if ordinal else text
    if value < 1000:
        count, unit, size = _FEW[value // 100], "Hundred", 100
    else:
        power = min((len(str(value)) - 1) // 3, len(_THOUSANDS))
        size = 1000**power
        count, unit = _words(value // size, first=True, ordinal=False), _THOUSANDS[power - 1]
    text = ("" if first else ", ") + f"{count} {unit}"
    if rest := value % size:
        return text + _words(rest, first=False, ordinal=ordinal)
    return f"{text}th" if ordinal else text


def parse_integer(text: str, picture: str) -> float:
    """Read an integer that is written by a picture.

    Raises:
        Failure: the picture is wrong or not supported, or the text is not written by it.

    """
    return read_integer(text, integer_picture(picture))


def read_integer(text: str, picture: IntegerPicture) -> float:
    """Read an integer by a picture that was read."""
    value: float | None = None
    is_cased = text == (text.upper() if picture.case == "upper" else text.lower())
    match picture.style:
        case "letters" if text.isascii() and text.isalpha() and is_cased:
            value = sum((ord(letter) - ord("a") + 1) * 26**at for at, letter in enumerate(reversed(text.lower())))
        case "roman" if re.fullmatch("[mdclxvi]+", text.lower()) and (is_cased or picture.case == "lower"):
            value = _read_roman(text.lower())
        case "words":
            value = _read_words(text.lower())
        case "decimal":
            written = text[:-2] if picture.ordinal and re.search("(st|nd|rd|th)$", text) else text
            # The reference takes out commas only.
            written = written.replace(picture.separator, "") if picture.separator == "," else written
            if (not picture.ordinal or written != text) and re.fullmatch("[-+]?[0-9]+", written):
                value = int(written)
    if value is None or abs(value) > MAX_EXACT:
        raise Failure(f"can't read {text[:MAX_LENGTH]!r} by the picture")
    return value


def _read_roman(text: str) -> int:
    values = {"m": 1000, "d": 500, "c": 100, "l": 50, "x": 10, "v": 5, "i": 1}
    total, largest = 0, 1
    for letter in reversed(text):
        total += values[letter] if values[letter] >= largest else -values[letter]
        largest = max(largest, values[letter])
    return total


def _word_values() -> dict[str, int]:
    values = {word.lower(): value for words in (_FEW, _ORDINALS) for value, word in enumerate(words)}
    for value, word in enumerate(_TENS, 2):
        values |= {word.lower(): value * 10, f"{word[:-1].lower()}ieth": value * 10}
    for value, word in ((100, "Hundred"), *((1000**power, word) for power, word in enumerate(_THOUSANDS, 1))):
        values |= {word.lower(): value, f"{word.lower()}th": value}
    return values


_VALUES = _word_values()


def _read_words(text: str) -> int | None:
    parts = re.split(r",\s|\sand\s|[\s\-]", text)
    if any(part not in _VALUES for part in parts):
        return None
    sums = [0]
    for value in (_VALUES[part] for part in parts):
        if value >= 100:
            sums.append(sums.pop() * value)
        elif sums[-1] >= 1000:
            sums.append(value)
        else:
            sums.append(sums.pop() + value)
    return sum(sums)
