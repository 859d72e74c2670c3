"""Points in time written and read by a picture, as in $fromMillis(ms, '[Y0001]-[M01]-[D01]').

The pictures are those of XPath's format-dateTime. What the reference implementation gets wrong is refused: weeks of a
month, negative zones with minutes, a time without its day (which would be today's).
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from pipeline_triggers.language.jsonata.data import Failure
from pipeline_triggers.language.jsonata.pictures import (
    MAX_LENGTH,
    IntegerPicture,
    integer_picture,
    read_integer,
    refuse,
    written_integer,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"),
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ISO_8601 = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"

_USUAL = {"m": "01", "s": "01", "Z": "01:01", "z": "01:01", "F": "n", "P": "n"}  # presentations; of the others, 1
_MARKER = re.compile(r"([YMDdFWXHhPmsfZz])([^,]*?)([atco]?)(?:,(\*|[0-9]{1,2})(?:-(\*|[0-9]{1,2}))?)?")


@dataclass(frozen=True)
class _Part:
    """A part of a picture: text as it stands, or a component with its integer's picture or the case of its name.

    ``year_digits``: a year's last digits. ``most``: letters of a name. ``iso_zone``: no offset is written Z.
    """

    text: str = ""
    component: str = ""
    name: str = ""
    integer: IntegerPicture | None = None
    year_digits: int = 0
    most: int | None = None
    iso_zone: bool = False


@lru_cache(maxsize=256)
def read_picture(picture: str) -> tuple[_Part, ...]:
    """Read a picture of a point in time.

    Raises:
        Failure: it is wrong, or not supported.

    """
    if len(picture) > MAX_LENGTH:
        raise refuse(picture, f"write at most {MAX_LENGTH} characters")
    return tuple(_read_parts(picture))


def _read_parts(picture: str) -> Iterator[_Part]:
    at = 0
    while at < len(picture):
        if picture.startswith("[[", at):
            yield _Part("[")
            at += 2
        elif picture[at] == "[":
            end = picture.find("]", at)
            if end < 0:
                raise refuse(picture, "close each [ with ]")
            yield _component("".join(picture[at + 1 : end].split()), picture)
            at = end + 1
        else:
            end = picture.find("[", at)
            end = len(picture) if end < 0 else end
            yield _Part(picture[at:end].replace("]]", "]"))
            at = end


def _component(marker: str, picture: str) -> _Part:
    match = _MARKER.fullmatch(marker)
    if match is None:
        raise refuse(picture, f"leave out [{marker}]")
    component, presentation, modifier, least, most = match.groups()
    if not presentation and modifier:  # a single letter is a presentation
        presentation, modifier = modifier, ""
    presentation = presentation or _USUAL.get(component, "1")
    most_width = None if most in (None, "*") else int(most)
    if presentation in ("N", "n", "Nn"):
        if component not in "MFP":
            raise refuse(picture, f"write [{component}1]: it has no name")
        return _Part(component=component, name=presentation, most=most_width)
    if component == "P":
        raise refuse(picture, f"leave out [{marker}]")
    integer = integer_picture(f"{presentation};{modifier}" if modifier else presentation)
    if component in "Zz":
        return _Part(component=component, integer=_zone_picture(integer, picture), iso_zone=modifier == "t")
    return _integer_component(component, integer, least, most_width)


def _integer_component(component: str, integer: IntegerPicture, least: str | None, most: int | None) -> _Part:
    digits = max(integer.least_digits, 0 if least in (None, "*") else int(least or 0))
    year_digits = 0
    if component == "Y" and integer.style == "decimal":
        shown = digits + integer.optional_digits
        year_digits = most if most is not None else shown if shown >= 2 else 0
        digits = most if most is not None else digits
    integer = IntegerPicture(
        *(integer.style, integer.case, integer.ordinal, digits, integer.optional_digits),
        *(integer.separator, integer.group),
    )
    return _Part(component=component, integer=integer, year_digits=year_digits)


def _zone_picture(integer: IntegerPicture, picture: str) -> IntegerPicture:
    if integer.style != "decimal" or integer.ordinal or not (integer.group or 1 <= integer.least_digits <= 4):
        raise refuse(picture, "write a zone as [Z01:01] or [Z0001]")
    return integer


# ---- Writing


def format_millis(millis: float, picture: str | None, zone: str | None) -> str:
    """Write milliseconds since 1970, in a zone such as +0200.

    Raises:
        Failure: the picture or the zone is wrong or not supported, or the year is not one of 1 to 9999.

    """
    offset = zone_offset(zone)
    try:
        moment = _EPOCH + timedelta(milliseconds=int(millis + offset * 60_000))
    except OverflowError as error:
        raise Failure("writes a time whose year is not between 1 and 9999") from error
    return "".join(_written(part, moment, offset) for part in read_picture(_ISO_8601 if picture is None else picture))


def zone_offset(zone: str | None) -> int:
    """Return the minutes of a zone such as +0200.

    Raises:
        Failure: it is wrong, or not supported.

    """
    if zone is None:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]{4}", zone) or (zone.startswith("-") and not zone.endswith("00")):
        raise Failure(f"uses the zone {zone[:MAX_LENGTH]!r}; write +0200 or -0500 (below zero in full hours)")
    return int(zone[:-2]) * 60 + int(zone[-2:])


def _written(part: _Part, moment: datetime, offset: int) -> str:
    if not part.component:
        return part.text
    if part.component in "Zz" and part.integer is not None:
        return "Z" if part.iso_zone and not offset else _written_zone(part.component, part.integer, offset)
    if part.component == "P":
        half = "am" if moment.hour < 12 else "pm"
        return half.upper() if part.name == "N" else half
    value = _value(part.component, moment)
    if part.integer is None:
        name = (_MONTHS if part.component == "M" else _DAYS)[value - 1]
        name = {"N": name.upper(), "n": name.lower()}.get(part.name, name)
        return name[: part.most]
    return written_integer(value % 10**part.year_digits if part.year_digits else value, part.integer)


def _value(component: str, moment: datetime) -> int:
    if component in "dWX" and moment.year < 101:
        raise Failure("writes a week or a day of a year before 101")
    match component:
        case "Y":
            return moment.year
        case "M":
            return moment.month
        case "D":
            return moment.day
        case "d":
            return moment.timetuple().tm_yday
        case "F":
            return moment.isoweekday()
        case "W":
            return moment.isocalendar().week
        case "X":
            return moment.isocalendar().year
        case "H":
            return moment.hour
        case "h":
            return moment.hour % 12 or 12
        case "m":
            return moment.minute
        case "s":
            return moment.second
        case _:
            return moment.microsecond // 1000


def _written_zone(component: str, integer: IntegerPicture, offset: int) -> str:
    hours, minutes = divmod(offset, 60)
    if integer.group or integer.least_digits > 2:
        text = written_integer(hours * 100 + minutes, integer)
    else:
        text = written_integer(hours, integer) + (f":{minutes:02d}" if minutes else "")
    return ("GMT" if component == "z" else "") + ("+" if offset >= 0 else "") + text


# ---- Reading

_ISO_TEXT = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|([+-]\d{2}):?(\d{2}))?)?", re.ASCII
)


def parse_iso(text: str) -> int:
    """Return the milliseconds since 1970 of an ISO 8601 text; without a zone, in UTC.

    Raises:
        Failure: it is not one that the reference reads.

    """
    if (match := _ISO_TEXT.fullmatch(text)) is None:
        raise Failure(f"can't read the time {text[:MAX_LENGTH]!r}; write it as 2026-11-01 or 2026-11-01T04:12:09Z")
    year, month, day, hour, minute, second, fraction, zone_hours, zone_minutes = match.groups()
    offset = 60 * int(zone_hours or 0) + (-1 if (zone_hours or "").startswith("-") else 1) * int(zone_minutes or 0)
    numbers = [int(each or least) for each, least in ((year, 1), (month, 1), (day, 1), (hour, 0), (minute, 0))]
    millis = int(((fraction or "") + "000")[:3])
    return _millis(text, [*numbers, int(second or 0), millis], offset)


def _millis(text: str, numbers: list[int], offset: int) -> int:
    *fields, millis = numbers
    try:
        if abs(offset) >= 24 * 60:
            raise ValueError(offset)
        moment = datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError as error:
        raise Failure(f"can't read the time {text[:MAX_LENGTH]!r}, which does not exist") from error
    return (moment - _EPOCH) // timedelta(milliseconds=1) + millis - offset * 60_000


def parse(text: str, picture: str) -> int | None:
    """Return the milliseconds since 1970 of a text that is written by a picture; None when it is not.

    Raises:
        Failure: the picture can't be read by, or there is no such time.

    """
    parts, expression = reader(picture)
    match = expression.fullmatch(text)
    if match is None:
        return None
    pairs = zip(parts, match.groups(), strict=True)
    return _moment(text, {part.component: _read(part, written) for part, written in pairs if part.component})


@lru_cache(maxsize=256)
def reader(picture: str) -> tuple[tuple[_Part, ...], re.Pattern[str]]:
    """Return the parts of a picture, and the regular expression of what is written by it.

    Each part ends where the next one begins, whatever the text: it takes no more than linear time.

    Raises:
        Failure: it can't be read by.

    """
    parts = read_picture(picture)
    _check_components([part.component for part in parts if part.component], picture)
    if not picture.isascii() or any(part.integer is not None and not _is_readable(part.integer) for part in parts):
        raise refuse(picture, "write numbers in digits, text in ASCII and a zone as [Z01:01] or [Z0001]")
    pieces = []
    for part, following in zip(parts, (*parts[1:], _Part()), strict=True):
        is_fixed = _is_counted(part) and (_is_counted(following) or following.component == "f")
        if part.component and not is_fixed and _ends_with(part) == _begins_with(following):
            raise refuse(picture, f"write something else after [{part.component}]")
        pieces.append(_piece(part, is_fixed=is_fixed))
    return parts, re.compile("".join(f"({piece})" for piece in pieces), re.IGNORECASE | re.ASCII)


def _is_readable(integer: IntegerPicture) -> bool:
    return integer.style == "decimal" and integer.separator in ("", ":")


def _is_counted(part: _Part) -> bool:
    """Whether a part has as many digits as its picture, where another number follows at once."""
    return part.integer is not None and part.component not in "fZz"


def _begins_with(part: _Part) -> str:
    if part.component == "Z":
        return "sign"
    if part.component:
        return "letter" if part.integer is None or part.component == "z" else "digit"
    return "digit" if part.text[:1].isdigit() else "letter" if part.text[:1].isalpha() else "other"


def _ends_with(part: _Part) -> str:
    if part.integer is None:
        return "letter"
    return "suffix" if part.integer.ordinal else "digit"


def _check_components(components: list[str], picture: str) -> None:
    """Refuse what does not say a point in time: from the year on, without a gap."""
    names = _names(components)
    given = [name in components for name in names]
    is_whole = set(components) <= {*names, "F", "Z", "z"} and given[0] and sorted(given, reverse=True) == given
    if not is_whole or len(components) != len(set(components)) or {"Z", "z"} <= set(components):
        raise refuse(picture, "to read a time, it needs a year, then a month, a day and so on without a gap")


def _names(components: Collection[str]) -> list[str]:
    if "d" in components:
        return ["Y", "d"]
    hour = ["P", "h"] if {"P", "h"} & set(components) else ["H"]
    return ["Y", "M", "D", *hour, "m", "s", "f"]


def _piece(part: _Part, *, is_fixed: bool) -> str:
    if not part.component:
        return re.escape(part.text)
    if part.integer is None:
        return "[a-zA-Z]+"
    if part.component in "Zz":
        offset = "[-+][0-9]+:[0-9]+" if part.integer.separator else "[-+][0-9]+"
        return f"GMT{offset}" if part.component == "z" else offset
    digits = f"[0-9]{{{part.integer.least_digits}}}" if is_fixed else "[0-9]+"
    return f"{digits}(?:th|st|nd|rd)" if part.integer.ordinal and part.component != "f" else digits


def _read(part: _Part, text: str) -> int:
    if part.component == "f":
        return int(float(f"0.{text[:3]}") * 1000)
    if part.integer is None:
        return _read_name(part, text)
    if part.component in "Zz":
        return _read_zone(text.removeprefix("GMT") if part.component == "z" else text)
    return int(read_integer(text, part.integer))


def _read_name(part: _Part, text: str) -> int:
    if part.component == "P":
        values = {"am": 0, "AM": 0, "pm": 1, "PM": 1}
    else:
        names = _MONTHS if part.component == "M" else _DAYS
        values = {name[: part.most or None]: value for value, name in enumerate(names, 1)}
    if text not in values:
        raise Failure(f"can't read {text[:MAX_LENGTH]!r} as a name; write it as in January or am")
    return values[text]


def _read_zone(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not colon and len(text) > 3:
        hours, minutes = text[:3], text[3:]
    if text.startswith("-") and int(minutes or 0):
        raise Failure(f"can't read the zone {text[:MAX_LENGTH]!r}: below zero only full hours are supported")
    return int(hours) * 60 + int(minutes or 0)


def _moment(text: str, components: dict[str, int]) -> int:
    year = components["Y"] + (1900 if components["Y"] < 100 else 0)
    hour = components.get("H", components.get("h", 0) % 12 + 12 * components.get("P", 0))
    month, day = components.get("M", 1), components.get("D", 1)
    if (day_of_year := components.get("d", 1)) != 1:
        if not 1 <= day_of_year <= 365 + isleap(year):
            raise Failure(f"can't read the time {text[:MAX_LENGTH]!r}, which does not exist")
        counted = date(year, 1, 1) + timedelta(days=day_of_year - 1)
        month, day = counted.month, counted.day
    fields = [year, month, day, hour, *(components.get(name, 0) for name in "msf")]
    return _millis(text, fields, components.get("Z", components.get("z", 0)))
