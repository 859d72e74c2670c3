"""The ``schedule`` of a trigger: what is wrong with it, and what of it has passed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from pipeline_triggers.documents.cron import cron_problem, last_year, never_fires, rate_problem
from pipeline_triggers.models import Trigger, all_views
from pipeline_triggers.text import brief

# EventBridge Scheduler
MAX_EXPRESSION = 256  # characters, with cron(…) around: ScheduleExpression
MAX_JITTER = 1440  # minutes: MaximumWindowInMinutes

# Scheduler knows whole seconds.
_DATE_TIME = re.compile(r"2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?")
# Abbreviations are ambiguous, and few are IANA names. Each with the zone that most people mean by it.
ABBREVIATIONS = {
    **dict.fromkeys(("PST", "PDT", "PT"), "America/Los_Angeles"),
    **dict.fromkeys(("MDT", "MT"), "America/Denver"),
    **dict.fromkeys(("CST", "CDT", "CT"), "America/Chicago"),
    **dict.fromkeys(("EDT", "ET"), "America/New_York"),
    **dict.fromkeys(("AKST", "AKDT"), "America/Anchorage"),
    **dict.fromkeys(("BRT", "BRST"), "America/Sao_Paulo"),
    "BST": "Europe/London",
    "WEST": "Europe/Lisbon",
    "CEST": "Europe/Berlin",
    "EEST": "Europe/Helsinki",
    "MSK": "Europe/Moscow",
    "SAST": "Africa/Johannesburg",
    "IST": "Asia/Kolkata",
    "SGT": "Asia/Singapore",
    "HKT": "Asia/Hong_Kong",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "AWST": "Australia/Perth",
    **dict.fromkeys(("ACST", "ACDT"), "Australia/Adelaide"),
    **dict.fromkeys(("AEST", "AEDT"), "Australia/Sydney"),
    **dict.fromkeys(("NZST", "NZDT"), "Pacific/Auckland"),
}

_LAST_TIMES = ("at", "cron", "end")


def problems(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (the field, what is wrong and how to fix it) of a schedule as one stage sees it."""
    for name, problem in (("cron", cron_problem), ("rate", rate_problem)):
        if name in fields and (message := _too_long(name, fields[name]) or problem(fields[name])):
            yield name, f"{brief(fields[name])} {message}"
    yield from _zone_problems(fields)
    yield from _bound_problems(fields)
    if "jitter" in fields and int(fields["jitter"]) > MAX_JITTER:
        yield "jitter", f"is {fields['jitter']} minutes; write {MAX_JITTER} at most, or leave it out"


def _too_long(name: str, written: str) -> str | None:
    if len(f"{name}({written})") > MAX_EXPRESSION:
        return f"has more than {MAX_EXPRESSION} characters with {name}(…) around it; write several schedules"
    return None


def _zone_problems(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    zone = fields.get("timezone")
    if zone is not None and zone not in zones():
        yield "timezone", f"{brief(zone)} is not a time zone; {_zone_remedy(zone)}"
    if zone is None and "rate" not in fields:
        yield "", "needs a timezone, as in Europe/Berlin or UTC"
    if "at" in fields:
        yield from (("at", message) for message in _at_problems(fields["at"], zone))


def _zone_remedy(zone: str) -> str:
    meant = ABBREVIATIONS.get(zone.upper()) or next(iter(get_close_matches(zone, zones(), n=1)), None)
    return f"did you mean {meant}?" if meant else "write its name in the IANA database, as in Europe/Berlin"


def _at_problems(written: str, zone: str | None) -> Iterator[str]:
    if (time := _date_time(written)) is None:
        yield f"{brief(written)} is not a date-time; write one as in 2027-12-13T10:15:20"
    elif time.tzinfo:
        yield f"{brief(written)} has an offset; write the time without it, and the zone as timezone"
    elif zone in zones() and _moment(written, zone or "").replace(tzinfo=None) != time:
        yield f"{written} does not exist in {zone}, where the clocks go forward then; write another time"


def _bound_problems(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    bounds = {}
    for name in ("start", "end"):
        if (written := fields.get(name)) is None:
            continue
        time = _date_time(written)
        if "at" in fields:
            yield name, "does not apply to a schedule that fires once; leave it out"
        elif time is None:
            yield name, f"{brief(written)} is not a date-time; write one as in 2027-12-13T10:15:20Z"
        elif time.tzinfo is None:
            yield name, f"{written} is a date-time without an offset; write {written}Z, or +01:00 at its end"
        else:
            bounds[name] = time
    if len(bounds) == 2 and bounds["start"] >= bounds["end"]:
        yield "end", "is not after start; write a later one"


def _date_time(written: str) -> datetime | None:
    try:
        return datetime.fromisoformat(written) if _DATE_TIME.fullmatch(written) else None
    except ValueError:
        return None


def _moment(written: str, zone: str) -> datetime:
    """Return a time on a zone's clock; one that the clock leaves out becomes a later one."""
    here = datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone))
    return here.astimezone(UTC).astimezone(here.tzinfo)


@cache
def zones() -> frozenset[str]:
    """Return the names of IANA's time zones, the same on every machine."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def utc(written: str) -> str:
    """Write a date-time that has an offset in UTC."""
    return datetime.fromisoformat(written).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def past(triggers: Iterable[Trigger], now: datetime) -> frozenset[str]:
    """Return which times of schedules have passed, each as ``<trigger's id>.<at, cron, start or end>``."""
    return frozenset(
        f"{trigger.view_id}.{name}"
        for trigger in all_views(triggers)
        if trigger.when.source == "schedule"
        for name, moment in _moments(trigger.when.fields)
        if moment <= now
    )


def _moments(fields: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    if "at" in fields:
        yield "at", _moment(fields["at"], fields["timezone"])
    if "cron" in fields:
        # Its last year is over in each zone, which may differ per stage, and with each jitter.
        yield "cron", datetime(last_year(fields["cron"]) + 1, 1, 3, tzinfo=UTC)
    yield from ((name, datetime.fromisoformat(fields[name])) for name in ("start", "end") if name in fields)


def is_over(trigger: Trigger, past: frozenset[str]) -> bool:
    """Whether a schedule never fires again, so that none is made."""
    return any(f"{trigger.view_id}.{name}" in past for name in _LAST_TIMES)


def notes(triggers: Iterable[Trigger], past: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (a trigger, what of its schedule is left out because its time has passed)."""
    for trigger in all_views(triggers):
        fields = trigger.when.fields
        for name in _LAST_TIMES:
            if f"{trigger.view_id}.{name}" in past:
                yield trigger.id, f"has ended: its {name}, {fields[name]}, has passed, so it gets no schedule"
        if f"{trigger.view_id}.start" in past and not is_over(trigger, past):
            since = "; its rate counts from the deploy that leaves it out" if "rate" in fields else ""
            yield trigger.id, f"has begun: its start, {fields['start']}, has passed and is left out{since}"


def warnings(triggers: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """Yield (a trigger, why its cron never fires)."""
    for trigger in all_views(triggers):
        cron = trigger.when.fields.get("cron") if trigger.when.source == "schedule" else None
        if cron and (message := never_fires(cron)):
            yield trigger.id, f"{brief(cron)} {message}; write another day or month"
