"""The next times of a schedule, from the calendar that ``$scheduled.days`` uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from pipeline_triggers.documents.cron import last_year
from pipeline_triggers.language import cron
from pipeline_triggers.models import When

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def next_times(when: When, after: datetime) -> Iterator[datetime] | None:
    """Return the times of a schedule later than ``after``, each on its zone's clock.

    None where only AWS knows them: a rate without a start counts from its deployment. Scheduler skips a time that a
    clock change leaves out; one that comes twice fires once, taken here to be the first time (AWS does not say).
    """
    fields = when.fields
    zone = ZoneInfo(fields.get("timezone", "UTC"))
    start, end = (datetime.fromisoformat(fields[name]) if name in fields else None for name in ("start", "end"))
    if "at" in fields:
        times = iter([datetime.fromisoformat(fields["at"]).replace(tzinfo=zone)])
    elif "cron" in fields:
        times = _of_cron(fields["cron"], zone, max(filter(None, (after, start))))
    elif start:
        times = _of_rate(fields["rate"], start.astimezone(zone), after)
    else:
        return None
    later = (time for time in times if time.astimezone(UTC) > after and (not start or time.astimezone(UTC) >= start))
    return takewhile(lambda time: not end or time.astimezone(UTC) <= end, later)


def _of_cron(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    day, times = after.astimezone(zone).date(), cron.times_of_day(expression)
    while day.year <= last_year(expression):
        if cron.fires_on(expression, day):
            local = (datetime.combine(day, time) for time in times)
            yield from (time.replace(tzinfo=zone) for time in local if cron.exists(time, zone.key))
        day += timedelta(days=1)


def _of_rate(rate: str, start: datetime, after: datetime) -> Iterator[datetime]:
    number, unit = rate.split()
    every = int(number) * _UNITS[unit.rstrip("s")]
    at = max((after - start) // every, 0)
    while True:
        # In UTC: a day of a rate has 24 hours.
        yield (start.astimezone(UTC) + at * every).astimezone(start.tzinfo)
        at += 1
