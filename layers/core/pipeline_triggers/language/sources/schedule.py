"""``when: {schedule: …}``: times of EventBridge Scheduler. Schedules send to the queue themselves, without a rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import cron
from pipeline_triggers.language.sources.source import Event, Field, Fields, Source
from pipeline_triggers.models import Occurrence


def read(event: Event) -> Occurrence:
    """Read what a compiled schedule sends, which looks like an event, and bind ``$scheduled``.

    Raises:
        Rejected: no compiled schedule sends such an event.

    """
    match event:
        case {"id": str(event_id), "time": str(time), "resources": [str(arn)], "detail": {"timezone": str(zone)}}:
            bound = scheduled(time, zone) | {"arn": arn}
            return Occurrence(event_id, arn, ("schedule", bound["time"]), event, {"scheduled": bound})
    raise Rejected("the event is not a schedule's: it lacks id, time, resources or detail.timezone")


def scheduled(time: str, zone: str) -> dict[str, Any]:
    """Return ``$scheduled``: the time at which the schedule was due, however much later it was sent.

    Raises:
        Rejected: the time or the zone is not one that a compiled schedule sends.

    """
    try:
        due = datetime.fromisoformat(time)
        local = due.astimezone(ZoneInfo(zone))
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError) as error:
        raise Rejected(f"the event is not a schedule's: {error}") from error
    if due.tzinfo is None:
        raise Rejected("the event is not a schedule's: its time lacks the offset")
    return {
        "time": due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "local": local.isoformat(timespec="seconds"),
        "date": local.date().isoformat(),
        "timezone": zone,
    }


def with_days(occurrence: Occurrence, fields: Fields) -> Occurrence:
    """Add ``$scheduled.days``, the dates since the previous time of a trigger's cron, where that fires once a day."""
    bound = occurrence.bindings["scheduled"]
    if "cron" not in fields or not cron.has_days(fields["cron"]):
        return occurrence
    try:
        days = cron.days(fields["cron"], bound["timezone"], date.fromisoformat(bound["date"]))
    except Rejected:
        return occurrence  # it has no previous time
    return replace(occurrence, bindings={"scheduled": {**bound, "days": days}})


SOURCE = Source(
    name="schedule",
    description="A time of EventBridge Scheduler: once (at), or repeatedly (rate, cron).",
    handler="OnEvent",
    fields={
        "at": Field("Once, on the zone's clock, as in 2027-12-13T10:15:20."),
        "rate": Field("A number of minutes, hours or days, as in 5 minutes."),
        "cron": Field(
            "EventBridge's six fields: minutes, hours, day of month, month, day of week, year, as in 0 2 * * ? *."
        ),
        "timezone": Field(
            "The IANA name of the time zone of at and cron, as in Europe/Berlin or UTC; required for them."
        ),
        "start": Field("With rate or cron: not before this date-time, with its offset, as in 2027-01-01T00:00:00Z."),
        "end": Field("With rate or cron: not after this date-time, with its offset."),
        "jitter": Field(
            "Fire within this many minutes after the time, 1440 at most.",
            schema={
                "type": ["string", "integer"],
                "minimum": 1,
                "maximum": 1440,
                "pattern": "^[1-9][0-9]{0,8}$",
                "remedy": "write a whole number of minutes, 1440 at most",
            },
        ),
    },
    one_of=("at", "rate", "cron"),
    read=read,
    complete=with_days,
    places={
        "time": "time",
        "timezone": "detail.timezone",
    },
)
