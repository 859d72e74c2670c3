"""EventBridge Scheduler's cron and rate expressions, judged by AWS's documented grammar."""

from __future__ import annotations

from calendar import monthrange

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.documents.cron import cron_problem, never_fires, rate_problem


def _expressions(table: str) -> list[str]:
    rows = [line for line in table.splitlines() if line.startswith(" ")]
    return [expression.strip() for row in rows for expression in row.split(" | ")]


GOOD = _expressions("""
AWS's own examples:
    0 10 * * ? * | 15 12 * * ? * | 0 18 ? * MON-FRI * | 0 8 1 * ? * | 0/15 * * * ? * | 0/10 * ? * MON-FRI *
    0/5 8-17 ? * MON-FRI * | 0/30 20-2 ? * MON-FRI * | 15 10 ? * 6L 2022-2023 | 0 2 * * ? * | 30 2 * * ? *
    5,35 14 * * ? *
minutes:
    0 0 * * ? * | 59 0 * * ? * | * * * * ? * | 00 0 * * ? * | 07 0 * * ? * | 0,15,30,45 0 * * ? * | 0-59 0 * * ? *
    0-10,50-59 0 * * ? * | 50-10 0 * * ? * | 1/10 * * * ? * | */5 * * * ? * | 0-30/5 * * * ? * | 0/1 * * * ? *
    0/59 * * * ? * | 0/20,5 * * * ? * | 45,0 * * * ? *
hours:
    0 23 * * ? * | 0 00 * * ? * | 0 * * * ? * | 0 8,12,18 * * ? * | 0 8-17 * * ? * | 0 22-4 * * ? *
    0 0/6 * * ? * | 0 */2 * * ? * | 0 8-18/2 * * ? * | 0 1,5-7,*/12 * * ? * | 0 0/23 * * ? *
day of month:
    0 0 31 * ? * | 0 0 1,15 * ? * | 0 0 1-7 * ? * | 0 0 25-5 * ? * | 0 0 1/5 * ? * | 0 0 */2 * ? * | 0 0 L * ? *
    0 0 l * ? * | 0 0 LW * ? * | 0 0 lw * ? * | 0 0 L-3 * ? * | 0 0 L-30 * ? * | 0 0 1W * ? * | 0 0 15W * ? *
    0 0 31w * ? * | 0 0 01 * ? * | 0 0 1-10/3,20 * ? * | 0 0 31 2 ? *
month:
    0 0 1 1 ? * | 0 0 1 12 ? * | 0 0 1 JAN ? * | 0 0 1 dec ? * | 0 0 1 Mar ? * | 0 0 1 JAN,FEB,MAR ? *
    0 0 1 1-3 ? * | 0 0 1 JAN-MAR ? * | 0 0 1 NOV-FEB ? * | 0 0 1 1/3 ? * | 0 0 1 */6 ? * | 0 0 1 JAN/3 ? *
    0 0 1 JAN,6,SEP-11 ? * | 0 0 1 01 ? *
day of week:
    0 0 ? * 1 * | 0 0 ? * 7 * | 0 0 ? * SUN * | 0 0 ? * sat * | 0 0 ? * Mon * | 0 0 ? * 2-6 * | 0 0 ? * FRI-MON *
    0 0 ? * MON,WED,FRI * | 0 0 ? * 1,MON-3,SAT * | 0 0 ? * * * | 0 0 ? * L * | 0 0 ? * 1L * | 0 0 ? * 7L *
    0 0 ? * FRIL * | 0 0 ? * fril * | 0 0 ? * 3#2 * | 0 0 ? * TUE#2 * | 0 0 ? * 1#1 * | 0 0 ? * SAT#5 *
    0 0 ? * mon#1 *
year:
    0 0 1 1 ? 1970 | 0 0 1 1 ? 2199 | 0 0 1 1 ? 2026 | 0 0 1 1 ? 2026,2028 | 0 0 1 1 ? 2026-2030
    0 0 1 1 ? 2026/2 | 0 0 1 1 ? */4 | 0 0 1 1 ? 2026-2036/5 | 0 0 1 1 ? 2026-2026
white space:
    0  2 * * ? *
""")

BAD = _expressions("""
the number of fields:
     | 0 | 0 2 * * * | 0 2 * * ? | 0 0 2 * * ? * | 0 2 * * ? * * | @daily | 0 2 * * ? 2026 extra | 02**?*
the wrapper, and other kinds:
    cron(0 2 * * ? *) | CRON (0 2 * * ? *) | rate(5 minutes) | 5 minutes
the day rule:
    * * * * * * | 0 2 * * * * | 0 2 1 * 1 * | 0 2 1 * * * | 0 2 * * MON * | 0 2 ? * ? * | 0 2 L * 6L *
    0 2 15W * TUE#2 * | 0 10 3W * 6L *
minutes:
    60 * * * ? * | -1 * * * ? * | ? * * * ? * | L * * * ? * | 5W * * * ? * | 1#2 * * * ? * | a * * * ? *
    1.5 * * * ? * | 1, * * * ? * | ,1 * * * ? * | 1,,2 * * * ? * | 1- * * * ? * | -5 * * * ? * | 1-60 * * * ? *
    1-2-3 * * * ? * | /5 * * * ? * | 0/ * * * ? * | 0/0 * * * ? * | 0/-5 * * * ? * | 0/5/5 * * * ? *
    0/x * * * ? * | 0/60 * * * ? * | *,5 * * * ? * | *-5 * * * ? * | 5-* * * * ? * | ** * * * ? * | JAN * * * ? *
    000005 * * * ? * | +5 * * * ? *
hours:
    0 24 * * ? * | 0 ? * * ? * | 0 8-24 * * ? * | 0 0/24 * * ? * | 0 12pm * * ? * | 0 L * * ? * | 0 8:30 * * ? *
day of month:
    0 0 0 * ? * | 0 0 32 * ? * | 0 0 1-32 * ? * | 0 0 MON * ? * | 0 0 W * ? * | 0 0 0W * ? * | 0 0 32W * ? *
    0 0 WL * ? * | 0 0 1W,15W * ? * | 0 0 L,15 * ? * | 0 0 1-5W * ? * | 0 0 5L * ? * | 0 0 L-0 * ? *
    0 0 L-31 * ? * | 0 0 L-32 * ? * | 0 0 L-3W * ? * | 0 0 L/2 * ? * | 0 0 ?,1 * ? * | 0 0 1#2 * ? * | 0 0 1/32 * ? *
    0 0 ?/2 * ? *
month:
    0 0 1 0 ? * | 0 0 1 13 ? * | 0 0 1 JANUARY ? * | 0 0 1 MAI ? * | 0 0 1 ? ? * | 0 0 1 L ? * | 0 0 1 JAN- ? *
    0 0 1 \u017fEP ? * | 0 0 1 JAN-13 ? * | 0 0 1 MON ? * | 0 0 1 1/13 ? * | 0 0 1 JAN#1 ? *
day of week:
    0 0 ? * 0 * | 0 0 ? * 8 * | 0 0 ? * MONDAY * | 0 0 ? * MO * | 0 0 ? * W * | 0 0 ? * 2W * | 0 0 ? * 0L *
    0 0 ? * 8L * | 0 0 ? * XXL * | 0 0 ? * LW * | 0 0 ? * L-3 * | 0 0 ? * 3# * | 0 0 ? * #2 * | 0 0 ? * 3#0 *
    0 0 ? * \u017fUN * | 0 0 ? * \u017fUNL * | 0 0 ? * \u017fUN#2 * | 0 0 ? * 3#100 *
    0 0 ? * 3#6 * | 0 0 ? * 8#1 * | 0 0 ? * 3#1,6#3 * | 0 0 ? * 3#1,6 * | 0 0 ? * MON,6L * | 0 0 ? * MON-FRI/2 *
    0 0 ? * 1/2 * | 0 0 ? * */2 * | 0 0 ? * MON-FRI#1 * | 0 0 ? * JAN * | 0 0 ? * ?,1 *
year:
    0 0 1 1 ? 1969 | 0 0 1 1 ? 2200 | 0 0 1 1 ? 26 | 0 0 1 1 ? ? | 0 0 1 1 ? 2028-2026 | 0 0 1 1 ? L
    0 0 1 1 ? 2026- | 0 0 1 1 ? 2026/0 | 0 0 1 1 ? 1960-2026 | 0 0 1 1 ? 20260
""")

THROTTLED = [
    *("1 minute", "5 minutes", "1 hour", "12 hours", "1 day", "365 days", "05 minutes", "5  minutes"),
    *("5 minute", "1 minutes", "1 hours", "2 hour", "1 days", "2 day"),
]
NO_RATES = [
    *("", "5", "minutes", "5minutes", "0 minutes", "00 days", "1 hourss"),
    *("0 minute", "-5 minutes", "1.5 hours", "5 seconds", "5 weeks", "1 month", "five minutes", "5 Minutes"),
    *("rate(5 minutes)", "5 minutes 30 seconds", "5 minutes,", "1 minute\n1", "PT5M", "*/5 minutes"),
]


@pytest.mark.parametrize("expression", GOOD)
def test_crons_that_scheduler_accepts_are_accepted(expression: str) -> None:
    """Nobody is kept from a schedule that AWS would make."""
    assert cron_problem(expression) is None


@pytest.mark.parametrize("expression", BAD)
def test_crons_that_scheduler_refuses_are_refused_with_a_remedy(expression: str) -> None:
    """Before a deploy fails on it."""
    assert (cron_problem(expression) or "").partition("; ")[2]


@pytest.mark.parametrize("value", ["MON#", "L-", "0/", ""])
def test_a_number_may_be_of_any_length(value: str) -> None:
    """Python itself refuses to read more than 4,300 digits."""
    for at in range(6):
        fields = ["0", "0", "1", "1", "?", "*"]
        fields[at] = value + "1" * 5000
        assert (cron_problem(" ".join(fields)) or "").partition("; ")[2]


def test_fields_stand_apart_by_any_white_space() -> None:
    """As AWS says."""
    assert cron_problem("0\t2 *  * ? *") is None


def test_the_tables_are_long_enough_to_mean_something() -> None:
    """Each expression is in them once."""
    assert len(GOOD) >= 75
    assert len(BAD) >= 75
    assert len({*GOOD, *BAD}) == len(GOOD) + len(BAD)


@pytest.mark.parametrize("expression", THROTTLED)
def test_a_rate_has_a_number_and_a_unit(expression: str) -> None:
    """One minute, several minutes; a schedule's rate, unlike a rule's, does not tell one from many."""
    assert rate_problem(expression) is None


@pytest.mark.parametrize("expression", NO_RATES)
def test_an_invalid_rate_is_refused_with_a_remedy(expression: str) -> None:
    """AWS knows neither seconds nor weeks."""
    assert (rate_problem(expression) or "").partition("; ")[2]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (
            "0 2 * * *",
            "has 5 fields instead of six; write minutes, hours, day of month, month, day of week, year, as in 0 2 * * "
            "? *",
        ),
        (
            "cron(0 2 * * ? *)",
            "has cron(…) around it, which the compiler adds; write 0 2 * * ? *",
        ),
        (
            "0 2 * * * *",
            "has * for day of month and * for day of week; write ? for one of them",
        ),
        ("0 2 ? * ? *", "has ? for both days; write a value or * for one of them"),
        ("0 25 * * ? *", "has 25 for hours: that value does not exist; write 0-23"),
        ("0 2 ? * MO *", "has MO for day of week: that value does not exist; write 1-7 or SUN-SAT"),
        ("0 2 ? * 3#1,6#3 *", "has 3#1,6#3 for day of week: 3#1 can't be part of a list; write a schedule for each"),
        ("0/0 2 * * ? *", "has 0/0 for minutes: the number after / is the step; write 1 or more, as in 0/15"),
    ],
)
def test_a_problem_names_the_field_and_what_to_write(expression: str, problem: str) -> None:
    """In the words of AWS's own reference."""
    assert cron_problem(expression) == problem


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 6 31 2 ? *", 31),
        ("0 6 31 4,6,SEP,nov ? *", 31),
        ("0 6 30-31 2 ? *", 30),
        ("0 6 30/1 FEB ? *", 30),
        ("0 6 29 2 ? 2027", 29),
        ("0 6 29 2 ? 2025/4", 29),
        ("0 6 L-29 2 ? *", 30),
        ("0 6 ? 2 TUE#5 2025-2027", 29),
    ],
)
def test_a_cron_on_a_day_that_no_month_has_never_fires(expression: str, days: int) -> None:
    """Scheduler's grammar allows it."""
    assert cron_problem(expression) is None
    assert never_fires(expression) == f"never fires: no month that it names has {days} days"


@pytest.mark.parametrize(
    "expression",
    [
        *(expression for expression in GOOD if expression != "0 0 31 2 ? *"),
        "0 6 31 4,5 ? *",
        "0 6 29 2 ? *",
        "0 6 29 2 ? 2025-2028",
        "0 6 30-1 2 ? *",
        "0 6 31 NOV-FEB ? *",
        "0 6 L-28 2 ? *",
        "0 6 31W 2 ? *",
        "0 6 ? 2 TUE#5 *",
    ],
)
def test_any_other_cron_may_fire(expression: str) -> None:
    """Leap years, ranges that go round, and what AWS does not document."""
    assert never_fires(expression) is None


_days = st.lists(st.integers(25, 31), min_size=1, max_size=3)
_months = st.lists(st.integers(1, 12), min_size=1, max_size=3)
_years = st.lists(st.integers(2024, 2031), min_size=1, max_size=2)


@given(_days, _months, _years)
def test_a_cron_never_fires_when_none_of_its_dates_exists(days: list[int], months: list[int], years: list[int]) -> None:
    """Held against the calendar."""
    day, month, year = (",".join(map(str, numbers)) for numbers in (days, months, years))
    exists = any(monthrange(year, month)[1] >= day for year in years for month in months for day in days)
    assert (never_fires(f"0 6 {day} {month} ? {year}") is None) == exists
