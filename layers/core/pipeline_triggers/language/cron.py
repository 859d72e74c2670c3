"""EventBridge Scheduler's cron expressions that are valid: their fields, and the dates on which they fire.

As AWS documents them (EventBridge Scheduler's guide, "Schedule types"; EventBridge's, "Cron expressions reference"),
and where that text is silent as Quartz does, whose grammar it is: names in any case, ``LW``, ``L-3``, ``6L``.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline_triggers.errors import Rejected

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

NUMBER = re.compile(r"[0-9]{1,4}")

# AWS does not document which weekday is nearest to a day that a month does not have.
_UNDOCUMENTED = re.compile(r"(29|30|31)W", re.IGNORECASE)

MAX_DAYS = 1000  # between two times of a cron that ``days`` looks at


@dataclass(frozen=True, slots=True)
class Field:
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
        """Return a value's number, or None if the field does not have it."""
        # upper() turns a few letters beyond ASCII into ASCII, such as U+017F.
        if (text.isascii() and text.upper() in self.names) or (
            NUMBER.fullmatch(text) and self.first <= int(text) <= self.last
        ):
            return self.number(text)
        return None

    def number(self, text: str) -> int:
        """Return the number of a value that the field has."""
        return int(text) if text.isdecimal() else self.first + self.names.index(text.upper())


SPECIAL_DAY = re.compile(r"L(?:-([0-9]{1,2}))?|LW|([0-9]{1,2})W", re.IGNORECASE)
SPECIAL_WEEKDAY = re.compile(r"L|([0-9A-Z]+)L|([0-9A-Z]+)#([0-9]{1,2})", re.IGNORECASE)
MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
DAY_OF_MONTH = Field("day of month", 1, 31, special=SPECIAL_DAY)
MONTH = Field("month", 1, 12, MONTHS)
DAY_OF_WEEK = Field("day of week", 1, 7, DAYS, SPECIAL_WEEKDAY, takes_steps=False)
YEAR = Field("year", 1970, 2199)
FIELDS = (MINUTES, HOURS, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR)


def values(field: Field, text: str) -> Iterator[int]:
    """Yield the numbers of a list of values and ranges; a range may go round, as NOV-FEB does."""
    size = field.last - field.first + 1
    for item in text.split(","):
        base, slash, step = item.partition("/")
        first, dash, last = base.partition("-")
        begin = field.first if first in ("*", "?") else field.number(first)
        end = field.number(last) if dash else field.last if slash or first in ("*", "?") else begin
        count = (end - begin) % size + 1
        yield from (field.first + (begin - field.first + at) % size for at in range(0, count, int(step or 1)))


def times_of_day(expression: str) -> list[time]:
    """Return the times of a day at which an expression fires."""
    minutes, hours, *_ = expression.split()
    times = {(hour, minute) for hour in values(HOURS, hours) for minute in values(MINUTES, minutes)}
    return [time(*each) for each in sorted(times)]


def time_of_day(expression: str) -> time | None:
    """Return the time at which an expression fires, or None if it fires more than once a day."""
    first, *others = times_of_day(expression)
    return None if others else first


def days(expression: str, zone: str, today: date) -> list[str]:
    """Return the dates since an expression's previous time, the one of that time included, today excluded.

    Scheduler skips a time that a clock change leaves out, so that the dates go back to the time before.

    Raises:
        Rejected: it fires more than once a day, or has no previous time within MAX_DAYS.

    """
    at = time_of_day(expression)
    if at is None:
        raise Rejected(f"$scheduled.days is for a cron that fires once a day; {expression} fires more often")
    since = []
    for before in range(1, min(MAX_DAYS, today.toordinal() - 1) + 1):
        day = today - timedelta(days=before)
        since.append(day.isoformat())
        if fires_on(expression, day) and exists(datetime.combine(day, at), zone):
            return since[::-1]
    raise Rejected(f"{expression} has no time in the {MAX_DAYS} days before {today}; $scheduled.days are since then")


def has_days(expression: str) -> bool:
    """Whether ``days`` are those that AWS documents: it fires once a day, on days that are documented."""
    return time_of_day(expression) is not None and not _UNDOCUMENTED.fullmatch(expression.split()[2])


def exists(local: datetime, zone: str) -> bool:
    """Whether a zone's clock shows a time on that date, or leaves it out."""
    here = local.replace(tzinfo=ZoneInfo(zone))
    return here.astimezone(UTC).astimezone(here.tzinfo).replace(tzinfo=None) == local


def fires_on(expression: str, day: date) -> bool:
    """Whether an expression's fields name a date."""
    _, _, of_month, months, of_week, years = expression.split()
    return (
        day.month in values(MONTH, months)
        and day.year in values(YEAR, years)
        and _is_day_of_month(of_month, day)
        and _is_day_of_week(of_week, day)
    )


def _is_day_of_month(text: str, day: date) -> bool:
    special = SPECIAL_DAY.fullmatch(text)
    if special is None:
        return day.day in values(DAY_OF_MONTH, text)
    last = monthrange(day.year, day.month)[1]
    before, nearest = special.groups()
    if nearest:
        return int(nearest) <= last and day == _nearest_weekday(day.replace(day=int(nearest)))
    if text.upper() == "LW":
        return day == _nearest_weekday(day.replace(day=last))
    return day.day == last - int(before or 0)


def _nearest_weekday(day: date) -> date:
    """Return the weekday that is nearest to a day, in the same month."""
    saturday, sunday = day.weekday() == 5, day.weekday() == 6
    if not saturday and not sunday:
        return day
    nearest = day + timedelta(days=1 if sunday else -1)
    if nearest.month != day.month:
        nearest = day + timedelta(days=-2 if sunday else 2)
    return nearest


def _is_day_of_week(text: str, day: date) -> bool:
    number = day.isoweekday() % 7 + 1  # Sunday is 1
    special = SPECIAL_WEEKDAY.fullmatch(text)
    if special is None:
        return number in values(DAY_OF_WEEK, text)
    of_last, of_nth, nth = special.groups()
    if of_nth:
        return number == DAY_OF_WEEK.number(of_nth) and (day.day - 1) // 7 + 1 == int(nth)
    if of_last:
        is_last = day.day > monthrange(day.year, day.month)[1] - 7
        return number == DAY_OF_WEEK.number(of_last) and is_last
    return number == DAY_OF_WEEK.last
