"""What the janitor removed is put back as it was, as far as AWS accepts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import references
from pipeline_triggers.janitor.cleanups import Orphan
from pipeline_triggers.janitor.snapshots import Snapshot

# What CreateSchedule and PutRule accept of GetSchedule's and DescribeRule's answers.
_SCHEDULE = (
    *("Name", "GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description"),
    *("State", "KmsKeyArn", "Target", "FlexibleTimeWindow", "ActionAfterCompletion"),
)
_RULE = ("Name", "EventBusName", "EventPattern", "ScheduleExpression", "State", "Description", "RoleArn")

_RATE = re.compile(r"rate\(\s*([0-9]+)\s+(minute|hour|day)s?\s*\)")
_AT = re.compile(r"at\((.+)\)")


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a snapshot: whether its schedule or target is back (or would be), or failed, and what to know."""

    restored: bool
    notes: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class CreateSchedule:
    """The arguments of a CreateSchedule, and what is not as it was; ``pointless`` says why to leave it."""

    arguments: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    pointless: str | None = None


EXISTS = Restored(restored=False, notes=("already exists, not touched",))


def restore(snapshot: Snapshot, now: datetime, *, dry_run: bool) -> Restored:
    """Put a schedule or a rule's target back, unless it exists.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: AWS does not accept it, or the request failed.

    """
    if snapshot.orphan.kind == "schedule":
        return _restore_schedule(snapshot, now, dry_run)
    return _restore_target(snapshot, dry_run)


def create_schedule(was: Mapping[str, Any], now: datetime) -> CreateSchedule:
    """Return the call that creates a schedule as it was.

    AWS refuses a recurring schedule that began more than five minutes ago. A cron means the same without its start. A
    rate counts from its start, so the first occurrence from now on takes its place.
    """
    arguments = {name: was[name] for name in _SCHEDULE if was.get(name) not in (None, "")}
    try:
        return _create_schedule(arguments, was.get("ScheduleExpressionTimezone") or "UTC", now)
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError) as error:
        return CreateSchedule(arguments, pointless=f"its times can't be read: {error}")


def _create_schedule(arguments: dict[str, Any], zone: str, now: datetime) -> CreateSchedule:
    start, end = (
        datetime.fromisoformat(arguments[name]) if name in arguments else None for name in ("StartDate", "EndDate")
    )
    expression = arguments["ScheduleExpression"]
    if once := _AT.fullmatch(expression):
        return _create_once(arguments, once[1], datetime.fromisoformat(once[1]).replace(tzinfo=ZoneInfo(zone)) <= now)
    if end and end <= now:
        return CreateSchedule(arguments, pointless=f"it ended at {end.isoformat()}")
    rate = _RATE.fullmatch(expression)
    if start is None or start > now:
        return CreateSchedule(arguments, ("its rate counts from now on",) if start is None and rate else ())
    if rate is None:
        del arguments["StartDate"]
        return CreateSchedule(arguments, (f"without its start, {start.isoformat()}, which has passed",))
    every = timedelta(**{f"{rate[2]}s": int(rate[1])})
    following = start + every * -((start - now) // every)
    if end and following >= end:
        return CreateSchedule(arguments, pointless=f"no occurrence is left before its end, {end.isoformat()}")
    arguments["StartDate"] = following.isoformat()
    note = f"starts at its next occurrence, {arguments['StartDate']}; its start {start.isoformat()} has passed"
    return CreateSchedule(arguments, (note,))


def _create_once(arguments: dict[str, Any], time: str, has_passed: bool) -> CreateSchedule:
    unused = arguments.pop("StartDate", None)  # which Scheduler ignores for a single time
    notes = (f"without its start, {unused}, which a single time does not use",) if unused else ()
    return CreateSchedule(arguments, notes, f"its one time, {time}, has passed" if has_passed else None)


def _restore_schedule(snapshot: Snapshot, now: datetime, dry_run: bool) -> Restored:
    orphan = snapshot.orphan
    if _schedule_exists(orphan):
        return EXISTS
    call = create_schedule(snapshot.was, now)
    if call.pointless:
        return Restored(restored=False, notes=(f"not restored: {call.pointless}",))
    notes = list(call.notes)
    if not _group_exists(orphan.place):
        notes.append(f"its group {orphan.place} is created again, without its tags")
        if not dry_run:
            aws.scheduler().create_schedule_group(Name=orphan.place)
    if not dry_run:
        try:
            aws.scheduler().create_schedule(**call.arguments)
        except ClientError as error:
            # Scheduler answers so for a group that is being changed, too.
            if error.response["Error"]["Code"] == "ConflictException" and _schedule_exists(orphan):
                return EXISTS
            raise
    return Restored(restored=True, notes=tuple(notes))


def _schedule_exists(orphan: Orphan) -> bool:
    return references.schedule(orphan.place, orphan.name) is not None


def _group_exists(name: str) -> bool:
    try:
        aws.scheduler().get_schedule_group(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return False
    return True


def _restore_target(snapshot: Snapshot, dry_run: bool) -> Restored:
    orphan = snapshot.orphan
    if orphan.place not in references.buses():
        return Restored(restored=False, notes=(f"not restored: the bus {orphan.place} is gone; create it",))
    notes: list[str] = []
    if references.rule(orphan.place, orphan.name) is None:
        notes += _restore_rule(snapshot, dry_run)
    elif any(target["Id"] == orphan.target for target in references.rule_targets(orphan.place, orphan.name)):
        return EXISTS
    if not dry_run:
        answer = aws.events().put_targets(Rule=orphan.name, EventBusName=orphan.place, Targets=[snapshot.was["target"]])
        if answer["FailedEntryCount"]:
            (failed,) = answer["FailedEntries"]
            notes.append(f"EventBridge did not accept it: {failed['ErrorCode']}: {failed['ErrorMessage']}")
            return Restored(restored=False, notes=tuple(notes), failed=True)
    return Restored(restored=True, notes=tuple(notes))


def _restore_rule(snapshot: Snapshot, dry_run: bool) -> list[str]:
    """Create the rule of a target again, and return what to know."""
    was = snapshot.was["rule"]
    rule = {name: was[name] for name in _RULE if was.get(name) not in (None, "")}
    notes = ["with its rule"]
    if _RATE.fullmatch(rule.get("ScheduleExpression", "")):
        notes.append("its rate counts from now on")
    # Only AWS itself sets these, and refuses them from others.
    tags = [tag for tag in snapshot.was["tags"] if not tag["Key"].startswith("aws:")]
    if len(tags) < len(snapshot.was["tags"]):
        notes.append("without the tags that only AWS sets")
    if not dry_run:
        aws.events().put_rule(**rule, Tags=tags)
    return notes
