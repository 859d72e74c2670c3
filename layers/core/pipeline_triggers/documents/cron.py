"""The grammar of EventBridge Scheduler's cron and rate expressions, judged without computing when they fire.

As AWS documents them (EventBridge Scheduler's guide, "Schedule types"; EventBridge's, "Cron expressions reference"),
and where that text is silent as Quartz does, whose grammar it is: names in any case, ``LW``, ``L-3``, ``6L``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_NUMBER = re.compile(r"[0-9]{1,4}")
_RATE = re.compile(r"([0-9]{1,9})\s+(?:minute|hour|day)s?")
_TO_YEAR = re.compile(r"(?:[0-9]{4}-)?([0-9]{4})")
_WRAPPED = re.compile(r"\s*(cron|rate|at)\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the six: its values, their names from ``first`` on, and what it takes besides lists and ranges."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    special: re.Pattern[str] | None = None
    takes_steps: bool = True

    @property
    def values(self) -> str:
        """Say which values there are."""
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.first}-{self.last}{named}"

    def value(self, text: str) -> int | None:
        """Return a value's number, or None if it is none of this field."""
        # Upper case makes ASCII of a few letters that are none, such as U+017F.
        if text.isascii() and text.upper() in self.names:
            return self.first + self.names.index(text.upper())
        return int(text) if _NUMBER.fullmatch(text) and self.first <= int(text) <= self.last else None


_DAY_OF_MONTH = _Field(
    "day of month", 1, 31, special=re.compile(r"L(?:-([0-9]{1,2}))?|LW|([0-9]{1,2})W", re.IGNORECASE)
)
_DAY_OF_WEEK = _Field(
    "day of week", 1, 7, DAYS, re.compile(r"L|([0-9A-Z]+)L|([0-9A-Z]+)#([0-9]{1,2})", re.IGNORECASE), takes_steps=False
)
_YEAR = _Field("year", 1970, 2199)
_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _DAY_OF_MONTH,
    _Field("month", 1, 12, MONTHS),
    _DAY_OF_WEEK,
    _YEAR,
)


def cron_problem(expression: str) -> str | None:
    """Say what is wrong with what stands between ``cron(`` and ``)``, and how to write it instead, or None."""
    return _wrapped(expression) or next(_problems(expression.split()), None)


def last_year(expression: str) -> int:
    """Return the last year in which an expression may fire, as far as its list of years and ranges says."""
    found = (_TO_YEAR.fullmatch(item) for item in expression.split()[-1].split(","))
    return max(int(years[1]) if years else _YEAR.last for years in found)


def rate_problem(expression: str) -> str | None:
    """Say the same of what stands between ``rate(`` and ``)``."""
    if wrapped := _wrapped(expression):
        return wrapped
    if not (found := _RATE.fullmatch(expression)):
        return "is no rate; write a whole number and a unit of minutes, hours or days, as in 5 minutes"
    # "1 hours" is right here: it is the rate of a rule that tells one from many.
    return None if int(found[1]) else "never fires; write 1 or more"


def _wrapped(expression: str) -> str | None:
    if found := _WRAPPED.fullmatch(expression):
        return f"has {found[1]}(…) around it, which is added when it is compiled; write {found[2].strip()}"
    return None


def _problems(written: list[str]) -> Iterator[str]:
    if len(written) != len(_FIELDS):
        names = ", ".join(field.name for field in _FIELDS)
        unix = ", as in 0 2 * * ? *" if len(written) == 5 else ""
        yield f"has {len(written)} fields, not six; write {names}{unix}"
        return
    for field, text in zip(_FIELDS, written, strict=True):
        if wrong := _field_problem(field, text):
            yield f"has {text} for {field.name}: {wrong}"
    _, _, of_month, _, of_week, _ = written
    if of_month == of_week == "?":
        yield "has ? for both days; write a value or * for one of them"
    elif "?" not in (of_month, of_week):
        yield f"has {of_month} for day of month and {of_week} for day of week; write ? for one of them"


def _field_problem(field: _Field, text: str) -> str | None:
    days = field in (_DAY_OF_MONTH, _DAY_OF_WEEK)
    if text == "*" or (text == "?" and days):
        return None
    if text == "?":
        return "only the days take ?; write *"
    if field.special and (found := field.special.fullmatch(text)):
        return _special_problem(field, found)
    for item in text.split(","):
        if wrong := _item_problem(field, item):
            return wrong
    return None


def _special_problem(field: _Field, found: re.Match[str]) -> str | None:
    """Judge what stands alone in a field: ``L``, ``LW``, ``L-3``, ``15W``, ``6L``, ``TUE#2``."""
    if field is _DAY_OF_MONTH:
        before, nearest = found.groups()
        if before and not 1 <= int(before) <= 30:
            return "no month has a day so long before its last; write L-1 to L-30"
        if nearest and field.value(nearest) is None:
            return f"there is no such day; write {field.values}"
        return None
    day = found[1] or found[2]
    if day and field.value(day) is None:
        return f"{day} is no day; write {field.values}"
    if found[3] and not 1 <= int(found[3]) <= 5:
        return "a month has a weekday five times at most; write #1 to #5"
    return None


def _item_problem(field: _Field, item: str) -> str | None:
    """Judge one of a list: a value, a range, or either with a step."""
    if field.special and field.special.fullmatch(item):
        return f"{item} stands alone; write a schedule for each"
    base, slash, step = item.partition("/")
    if slash:
        if not field.takes_steps:
            return "it takes no steps; write a list, as in MON,WED,FRI"
        if not _NUMBER.fullmatch(step) or int(step) < 1:
            return "after / stands how many to go on by; write 1 or more, as in 0/15"
        if int(step) > field.last:
            return f"{step} goes beyond its values, which are {field.values}; write less"
        if base == "*":
            return None
    first, dash, last = base.partition("-")
    ends = [field.value(end) for end in ((first, last) if dash else (first,))]
    if None in ends:
        return f"there is no such value; write {field.values}"
    # Any other range may go round, as 20-2 does for hours.
    if field is _YEAR and ends[0] > ends[-1]:  # type: ignore[operator]
        return "its years go backwards; write the earlier one first"
    return None
