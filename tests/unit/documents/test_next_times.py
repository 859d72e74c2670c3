"""When schedules fire next: against a calendar that is gone through minute by minute, and at clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.documents.cron import cron_problem
from pipeline_triggers.documents.next_times import next_times
from pipeline_triggers.language import cron
from pipeline_triggers.models import When

BERLIN = "Europe/Berlin"


def times(after: str, /, count: int = 3, **fields: Any) -> list[str]:
    """Return the next times on the zone's clock, with their offset."""
    following = next_times(When("schedule", fields), datetime.fromisoformat(after))
    assert following is not None
    return [time.isoformat(timespec="minutes") for time in islice(following, count)]


@pytest.mark.parametrize(
    ("after", "expression", "expected"),
    [
        # Clocks go forward at 02:00 on 2027-03-28: 02:30 is left out on that day.
        ("2027-03-26T12:00Z", "30 2 * * ? *", ["2027-03-27T02:30+01:00", "2027-03-29T02:30+02:00"]),
        # They go back at 03:00 on 2027-10-31: 02:30 comes twice and fires once.
        ("2027-10-30T12:00Z", "30 2 * * ? *", ["2027-10-31T02:30+02:00", "2027-11-01T02:30+01:00"]),
        ("2027-10-31T00:30Z", "30 2 * * ? *", ["2027-11-01T02:30+01:00"]),
        ("2027-03-28T00:00Z", "0 * * * ? *", ["2027-03-28T03:00+02:00", "2027-03-28T04:00+02:00"]),
        ("2027-01-01T00:00Z", "15 10 ? * 6L 2027-2028", ["2027-01-29T10:15+01:00", "2027-02-26T10:15+01:00"]),
        ("2027-01-01T00:00Z", "0 8 LW * ? *", ["2027-01-29T08:00+01:00", "2027-02-26T08:00+01:00"]),
        ("2027-01-01T00:00Z", "0 8 15W * ? *", ["2027-01-15T08:00+01:00", "2027-02-15T08:00+01:00"]),
        ("2027-01-01T00:00Z", "0 8 ? * TUE#2 *", ["2027-01-12T08:00+01:00", "2027-02-09T08:00+01:00"]),
        ("2027-01-01T00:00Z", "0 8 29 2 ? *", ["2028-02-29T08:00+01:00", "2032-02-29T08:00+01:00"]),
        ("2027-06-01T00:00Z", "0 8 1 1 ? 2027", []),
    ],
)  # fmt: skip
def test_a_cron_follows_its_zone_s_clock(after: str, expression: str, expected: list[str]) -> None:
    """With both clock changes, and every kind of day that EventBridge's grammar has."""
    assert cron_problem(expression) is None
    assert times(after, len(expected) or 1, cron=expression, timezone=BERLIN) == expected


def test_start_and_end_bound_the_times() -> None:
    """Both belong to them."""
    bounds: dict[str, Any] = {"start": "2027-01-02T02:00:00Z", "end": "2027-01-03T02:00:00Z"}
    expected = ["2027-01-02T02:00+00:00", "2027-01-03T02:00+00:00"]
    assert times("2026-01-01T00:00Z", 9, cron="0 2 * * ? *", timezone="UTC", **bounds) == expected


def test_a_rate_counts_from_its_start_in_days_of_24_hours() -> None:
    """Over a clock change, too; without a start only AWS knows."""
    start: dict[str, Any] = {"rate": "1 day", "start": "2027-03-27T06:00:00Z", "timezone": BERLIN}
    expected = ["2027-03-27T07:00+01:00", "2027-03-28T08:00+02:00", "2027-03-29T08:00+02:00"]
    assert times("2027-03-01T00:00Z", **start) == expected
    assert times("2027-03-27T06:00Z", 2, **start) == expected[1:]
    assert next_times(When("schedule", {"rate": "5 minutes"}), datetime.now(UTC)) is None


def test_a_single_time_comes_once() -> None:
    """In its zone; not when it has passed."""
    fields: dict[str, Any] = {"at": "2027-12-13T10:15:20", "timezone": BERLIN}
    assert times("2027-12-13T09:00Z", **fields) == ["2027-12-13T10:15+01:00"]
    assert times("2027-12-13T10:00Z", **fields) == []


ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana")
FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/20", "5-10", "58-2"]),
    st.sampled_from(["*", "0", "2", "1-3", "22-1", "*/7"]),
    st.sampled_from(["* * ?", "? * MON-FRI", "1,15 * ?", "L * ?", "LW * ?", "3W * ?", "? * 6L", "? 3,10,11 SUN"]),
)


@given(FIELDS, st.sampled_from(ZONES), st.sampled_from(["2027-03-13", "2027-03-27", "2027-10-30", "2027-11-06"]))
def test_no_time_is_left_out_and_none_comes_twice(fields: tuple[str, str, str], zone: str, begin: str) -> None:
    """Every minute of three days whose first appearance on the zone's clock the fields name, and no other."""
    minutes, hours, days = fields
    expression = f"{minutes} {hours} {days} *"
    after = datetime.fromisoformat(f"{begin}T00:00Z")
    last = after + timedelta(days=3)
    expected, seen = [], set()
    for minute in range(-24 * 60, 3 * 24 * 60 + 1):
        utc = after + timedelta(minutes=minute)
        local = utc.astimezone(ZoneInfo(zone))
        clock = local.replace(tzinfo=None, fold=0)
        named = local.minute in cron.values(cron.MINUTES, minutes) and local.hour in cron.values(cron.HOURS, hours)
        if named and clock not in seen and cron.fires_on(expression, local.date()) and utc > after:
            expected.append(utc)
        seen.add(clock)
    following = next_times(When("schedule", {"cron": expression, "timezone": zone}), after)
    assert following is not None
    actual = []
    for time in following:
        if time.astimezone(UTC) > last:
            break
        actual.append(time.astimezone(UTC))
    assert actual == expected
