"""The grammar of EventBridge Scheduler's cron and rate expressions, judged without computing when they fire.

As AWS documents them (EventBridge Scheduler's guide, "Schedule types"; EventBridge's, "Cron expressions reference"),
and where that text is silent as Quartz does, whose grammar it is: names in any case, ``LW``, ``L-3``, ``6L``.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Iterator

from pipeline_triggers.language import cron

_RATE = re.compile(r"([0-9]{1,9})\s+(?:minute|hour|day)s?")
_TO_YEAR = re.compile(r"(?:[0-9]{4}-)?([0-9]{4})")
_FIFTH_WEEK = 29  # its first day
_WRAPPED = re.compile(r"\s*(cron|rate|at)\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)


def cron_problem(expression: str) -> str | None:
    """Say what is wrong with the text between ``cron(`` and ``)``, and how to write it instead, or None."""
    return _wrapped(expression) or next(_problems(expression.split()), None)


def last_year(expression: str) -> int:
    """Return the last year in which an expression may fire, as far as its list of years and ranges says."""
    items = (_TO_YEAR.fullmatch(item) for item in expression.split()[-1].split(","))
    return max(int(years[1]) if years else cron.YEAR.last for years in items)


def never_fires(expression: str) -> str | None:
    """Say that none of the months that a valid expression names has the day that it names, or None."""
    _, _, of_month, months, of_week, years = expression.split()
    days = max(_first_day(of_month), _FIFTH_WEEK if of_week.endswith("#5") else 1)
    year = next((year for year in cron.values(cron.YEAR, years) if isleap(year)), 1970)
    longest = max(monthrange(year, month)[1] for month in cron.values(cron.MONTH, months))
    return None if days <= longest else f"never fires: no month that it names has {days} days"


def _first_day(of_month: str) -> int:
    """Return the number of days that a month must have for the first of the days to be one of it."""
    if special := cron.SPECIAL_DAY.fullmatch(of_month):
        # AWS does not document which weekday is nearest to a day that a month does not have.
        return int(special[1] or 0) + 1
    return min(cron.values(cron.DAY_OF_MONTH, of_month))


def rate_problem(expression: str) -> str | None:
    """Say the same of the text between ``rate(`` and ``)``."""
    if wrapped := _wrapped(expression):
        return wrapped
    if not (rate := _RATE.fullmatch(expression)):
        return "is not a rate; write a whole number and a unit of minutes, hours or days, as in 5 minutes"
    # "1 hours" is right here; only the rate of a rule distinguishes hour and hours.
    return None if int(rate[1]) else "never fires; write 1 or more"


def _wrapped(expression: str) -> str | None:
    if wrapped := _WRAPPED.fullmatch(expression):
        return f"has {wrapped[1]}(…) around it, which the compiler adds; write {wrapped[2].strip()}"
    return None


def _problems(written: list[str]) -> Iterator[str]:
    if len(written) != len(cron.FIELDS):
        names = ", ".join(field.name for field in cron.FIELDS)
        unix = ", as in 0 2 * * ? *" if len(written) == 5 else ""
        yield f"has {len(written)} fields instead of six; write {names}{unix}"
        return
    for field, text in zip(cron.FIELDS, written, strict=True):
        if message := _field_problem(field, text):
            yield f"has {text} for {field.name}: {message}"
    _, _, of_month, _, of_week, _ = written
    if of_month == of_week == "?":
        yield "has ? for both days; write a value or * for one of them"
    elif "?" not in (of_month, of_week):
        yield f"has {of_month} for day of month and {of_week} for day of week; write ? for one of them"


def _field_problem(field: cron.Field, text: str) -> str | None:
    days = field in (cron.DAY_OF_MONTH, cron.DAY_OF_WEEK)
    if text == "*" or (text == "?" and days):
        return None
    if text == "?":
        return "only the day fields take ?; write *"
    if field.special and (special := field.special.fullmatch(text)):
        return _special_problem(field, special)
    for item in text.split(","):
        if message := _item_problem(field, item):
            return message
    return None


def _special_problem(field: cron.Field, special: re.Match[str]) -> str | None:
    """Judge a value that takes a field for itself: ``L``, ``LW``, ``L-3``, ``15W``, ``6L``, ``TUE#2``."""
    if field is cron.DAY_OF_MONTH:
        before, nearest = special.groups()
        if before and not 1 <= int(before) <= 30:
            return "no month is that long; write L-1 to L-30"
        if nearest and field.value(nearest) is None:
            return f"that day does not exist; write {field.values}"
        return None
    day = special[1] or special[2]
    if day and field.value(day) is None:
        return f"{day} is not a day; write {field.values}"
    if special[3] and not 1 <= int(special[3]) <= 5:
        return "a weekday occurs at most five times in a month; write #1 to #5"
    return None


def _item_problem(field: cron.Field, item: str) -> str | None:
    """Judge one of a list: a value, a range, or either with a step."""
    if field.special and field.special.fullmatch(item):
        return f"{item} can't be part of a list; write a schedule for each"
    base, slash, step = item.partition("/")
    if slash:
        if not field.takes_steps:
            return "it does not take steps; write a list, as in MON,WED,FRI"
        if not cron.NUMBER.fullmatch(step) or int(step) < 1:
            return "the number after / is the step; write 1 or more, as in 0/15"
        if int(step) > field.last:
            return f"the step {step} is beyond its values, {field.values}; write a smaller one"
        if base == "*":
            return None
    first, dash, last = base.partition("-")
    ends = [field.value(end) for end in ((first, last) if dash else (first,))]
    if None in ends:
        return f"that value does not exist; write {field.values}"
    # Any other range may go round, as 20-2 does for hours.
    if field is cron.YEAR and ends[0] > ends[-1]:  # type: ignore[operator]
        return "its years go backwards; write the earlier one first"
    return None
