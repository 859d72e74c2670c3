"""``$scheduled.days``: the dates since a cron's previous time, against a calendar that is gone through step by step."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pipeline_triggers.documents.cron import cron_problem
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import cron

NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

# Among them: a change by half an hour, one at midnight, one during Ramadan, and none at all.
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"),
    *("Africa/Casablanca", "Asia/Kolkata", "America/Santiago", "Pacific/Chatham"),
)
# Days after clock changes of these zones, and others.
TODAYS = (
    *(date(2026, 3, 30), date(2026, 10, 26), date(2026, 3, 9), date(2026, 11, 2), date(2026, 4, 6), date(2026, 10, 5)),
    *(date(2024, 3, 1), date(2027, 1, 1), date(2026, 9, 7), date(2026, 2, 16), date(2026, 11, 23)),
)
WINDOW = 45  # days that the calendar goes back


def in_month(day: date) -> list[date]:
    """Return the days of a day's month."""
    return [day.replace(day=number) for number in range(1, monthrange(day.year, day.month)[1] + 1)]


def listed(item: str, first: int, last: int, names: tuple[str, ...] = ()) -> set[int]:
    """Return the numbers that one of a list names, going round where it does."""
    texts = {name: str(at) for at, name in enumerate(names, first)}
    begin, _, end = (texts.get(text, text) for text in item.partition("-"))
    numbers, at = set(), int(begin)
    while True:
        numbers.add(at)
        if at == int(end or begin):
            return numbers
        at = at + 1 if at < last else first


def on_day_of_month(text: str, day: date) -> bool:
    """Whether the field names a day."""
    days = in_month(day)
    if text in ("*", "?"):
        return True
    if text.startswith("L"):
        weekdays = [one for one in days if one.isoweekday() < 6]
        if text == "LW":  # the nearest weekday to the last day is the last weekday, as no later one is in the month
            return day == weekdays[-1]
        before = int(text[2:] or 0)
        return before < len(days) and day == days[-1 - before]
    if text.endswith("W"):
        wanted = days[int(text[:-1]) - 1]
        return day == min((one for one in days if one.isoweekday() < 6), key=lambda one: abs((one - wanted).days))
    return day.day in set().union(*(listed(item, 1, 31) for item in text.split(",")))


def on_day_of_week(text: str, day: date) -> bool:
    """Whether the field names a day."""
    if text in ("*", "?"):
        return True
    same = [one for one in in_month(day) if one.isoweekday() == day.isoweekday()]
    name = NAMES[day.isoweekday() % 7]
    if "#" in text:
        return text.split("#")[0] == name and same.index(day) + 1 == int(text[-1])
    if text.endswith("L"):
        return text[:-1] == name and day == same[-1]
    return NAMES.index(name) + 1 in set().union(*(listed(item, 1, 7, NAMES) for item in text.split(",")))


def times(expression: str, zone: str, today: date) -> list[date]:
    """Return the dates on which an expression fires in the days before: a local time counts once a day."""
    minute, hour, of_month, months, of_week, _ = expression.split()
    midnight = datetime.combine(today, datetime.min.time(), UTC)
    # Offsets of zones are quarters of an hour.
    now = midnight - timedelta(days=WINDOW) + timedelta(minutes=int(minute) % 15)
    fired: dict[date, None] = {}
    while now < midnight + timedelta(days=1):
        local = now.astimezone(ZoneInfo(zone))
        now += timedelta(minutes=15)
        day = local.date()
        if (local.hour, local.minute) != (int(hour), int(minute)) or day >= today:
            continue
        in_months = months == "*" or day.month in set().union(
            *(listed(item, 1, 12, MONTHS) for item in months.split(","))
        )
        if in_months and on_day_of_month(of_month, day) and on_day_of_week(of_week, day):
            fired[day] = None
    return list(fired)


DAYS_OF_MONTH = st.one_of(
    st.sampled_from(["*", "L", "LW", "1W", "15W", "28W", "1-15", "28-3", "L-1", "L-30"]),
    st.lists(st.integers(1, 31).map(str), min_size=1, max_size=8, unique=True).map(",".join),
)
DAYS_OF_WEEK = st.one_of(
    st.sampled_from(["*", "MON-FRI", "FRI-MON", "SUN,WED", "2-6"]),
    st.tuples(st.sampled_from(NAMES), st.integers(1, 5)).map(lambda both: f"{both[0]}#{both[1]}"),
    st.sampled_from(NAMES).map(lambda name: f"{name}L"),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(",".join),
)
DATES = st.one_of(DAYS_OF_MONTH.map(lambda text: (text, "?")), DAYS_OF_WEEK.map(lambda text: ("?", text)))
MONTH_LISTS = st.one_of(st.just("*"), st.sampled_from(["JAN-JUN", "OCT-MAR", "3,4,10,11", "9-12"]))


@given(
    minute=st.sampled_from([0, 5, 15, 30, 45]),
    hour=st.integers(0, 23) | st.sampled_from([0, 1, 2, 3]),
    dates=DATES,
    months=MONTH_LISTS,
    zone=st.sampled_from(ZONES),
    today=st.sampled_from(TODAYS) | st.dates(date(2025, 1, 1), date(2027, 12, 31)),
)
@example(minute=30, hour=2, dates=("?", "SUN-SAT"), months="*", zone="Europe/Berlin", today=date(2026, 3, 30))
@example(minute=30, hour=2, dates=("?", "SUN-SAT"), months="*", zone="Europe/Berlin", today=date(2026, 10, 26))
@example(minute=15, hour=2, dates=("*", "?"), months="*", zone="Australia/Lord_Howe", today=date(2026, 10, 5))
@example(minute=0, hour=0, dates=("*", "?"), months="*", zone="America/Havana", today=date(2026, 3, 9))
def test_the_days_are_those_since_the_time_before(
    minute: int, hour: int, dates: tuple[str, str], months: str, zone: str, today: date
) -> None:
    """A time that a clock change leaves out is no time; one that it repeats counts once."""
    expression = f"{minute} {hour} {dates[0]} {months} {dates[1]} *"
    assert cron_problem(expression) is None
    fired = times(expression, zone, today)
    assume(fired)
    since = [today - timedelta(days=back) for back in range((today - fired[-1]).days, 0, -1)]
    assert cron.days(expression, zone, today) == [day.isoformat() for day in since]


@pytest.mark.parametrize(
    ("expression", "today", "reason"),
    [
        ("0 8,20 * * ? *", date(2026, 11, 23), r"\$scheduled.days is for a cron that fires once a day; 0 8,20"),
        ("0/30 8 * * ? *", date(2026, 11, 23), r"\$scheduled.days is for a cron that fires once a day; 0/30 8"),
        ("0 8 * * ? 2027", date(2027, 1, 1), "has no time in the 1000 days before 2027-01-01; "),
        ("0 8 29 FEB ? *", date(2028, 2, 29), "has no time in the 1000 days before 2028-02-29; "),
    ],
)
def test_without_a_time_before_there_are_no_days(expression: str, today: date, reason: str) -> None:
    """Nobody could say since when."""
    with pytest.raises(Rejected, match=reason):
        cron.days(expression, "UTC", today)


def test_a_yearly_cron_asks_for_a_year() -> None:
    """The year's field counts as well."""
    assert len(cron.days("0 8 1 JAN ? *", "UTC", date(2027, 1, 1))) == 365
    assert cron.days("0 8 * * ? 2026-2027", "UTC", date(2026, 1, 2)) == ["2026-01-01"]
    assert cron.fires_on("0 8 ? * L *", date(2026, 11, 21))  # a Saturday, the week's last day
