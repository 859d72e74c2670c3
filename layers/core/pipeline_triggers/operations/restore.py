"""What the janitor removed is put back as it was, as far as AWS takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import references
from pipeline_triggers.janitor.cleanups import Orphan
from pipeline_triggers.janitor.snapshots import Snapshot

# What CreateSchedule takes of GetSchedule's answer.
_SCHEDULE = (
    *("Name", "GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description"),
    *("State", "KmsKeyArn", "Target", "FlexibleTimeWindow", "ActionAfterCompletion"),
)
_RULE = ("Name", "EventBusName", "EventPattern", "ScheduleExpression", "State", "Description", "RoleArn")

_RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)")
_AT = re.compile(r"at\((.+)\)")


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a snapshot: whether its thing is put back (or would be), or failed, and what there is to say."""

    what: str
    pipeline: str
    restored: bool
    notes: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A CreateSchedule, with what is not as it was; ``refused`` says why AWS would not take it, or it is pointless."""

    call: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    refused: str | None = None


def restore(snapshot: Snapshot, now: datetime, *, dry_run: bool) -> Restored:
    """Put a thing back, unless it is there.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked, or does not take it.

    """
    if snapshot.orphan.kind == "schedule":
        return _restore_schedule(snapshot, now, dry_run)
    return _restore_target(snapshot, dry_run)


def schedule_request(was: Mapping[str, Any], now: datetime) -> Request:
    """Return the call that makes a schedule as it was.

    AWS refuses a recurring schedule that began more than five minutes ago. Left out, cron means the same without; of
    a rate, the first occurrence from now on takes its place, since a rate counts from its beginning.
    """
    call = {name: was[name] for name in _SCHEDULE if was.get(name) not in (None, "")}
    start, end = (datetime.fromisoformat(call[name]) if name in call else None for name in ("StartDate", "EndDate"))
    expression = was["ScheduleExpression"]
    if once := _AT.fullmatch(expression):
        at = datetime.fromisoformat(once[1]).replace(tzinfo=ZoneInfo(was.get("ScheduleExpressionTimezone") or "UTC"))
        unused = call.pop("StartDate", None)  # which the Scheduler ignores for a single time
        said = (f"without its start, {unused}, which a single time has no use for",) if unused else ()
        return Request(call, said, refused=f"its one time, {once[1]}, has passed" if at <= now else None)
    if end and end <= now:
        return Request(call, refused=f"it ended at {end.isoformat()}")
    if start is None or start > now:
        said = ("its rate counts from now on",) if start is None and _RATE.fullmatch(expression) else ()
        return Request(call, said)
    rate = _RATE.fullmatch(expression)
    if rate is None:
        del call["StartDate"]
        return Request(call, (f"without its start, {start.isoformat()}, which has passed",))
    every = timedelta(**{f"{rate[2]}s": int(rate[1])})
    following = start + every * -((start - now) // every)
    if end and following >= end:
        return Request(call, refused=f"no occurrence is left before its end, {end.isoformat()}")
    call["StartDate"] = following.isoformat()
    return Request(call, (f"starts at its next occurrence, {call['StartDate']}; its start {start.isoformat()} passed",))


def _restore_schedule(snapshot: Snapshot, now: datetime, dry_run: bool) -> Restored:
    orphan, about = snapshot.orphan, (str(snapshot.orphan), snapshot.orphan.pipeline)
    there = Restored(*about, restored=False, notes=("it is there already: not touched",))
    if _is_there(orphan):
        return there
    request = schedule_request(snapshot.was, now)
    if request.refused:
        return Restored(*about, restored=False, notes=(f"not put back: {request.refused}",))
    notes = list(request.notes)
    if not _group_exists(orphan.place):
        notes.append(f"its group {orphan.place} was gone, and is made again, without its tags")
        if not dry_run:
            aws.scheduler().create_schedule_group(Name=orphan.place)
    if not dry_run:
        try:
            aws.scheduler().create_schedule(**request.call)
        except ClientError as error:
            # The Scheduler says so of a group that is being changed, too.
            if error.response["Error"]["Code"] == "ConflictException" and _is_there(orphan):
                return there
            raise
    return Restored(*about, restored=True, notes=tuple(notes))


def _is_there(orphan: Orphan) -> bool:
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
    orphan, about = snapshot.orphan, (str(snapshot.orphan), snapshot.orphan.pipeline)
    if orphan.place not in references.buses():
        return Restored(*about, restored=False, notes=(f"not put back: the bus {orphan.place} is gone; create it",))
    notes: list[str] = []
    if references.rule(orphan.place, orphan.name) is None:
        was = snapshot.was["rule"]
        rule = {name: was[name] for name in _RULE if was.get(name) not in (None, "")}
        notes.append("with its rule")
        if _RATE.fullmatch(rule.get("ScheduleExpression", "")):
            notes.append("its rate counts from now on")
        # Only AWS itself sets these, and refuses them of others.
        tags = [tag for tag in snapshot.was["tags"] if not tag["Key"].startswith("aws:")]
        if len(tags) < len(snapshot.was["tags"]):
            notes.append("without the tags that only AWS sets")
        if not dry_run:
            aws.events().put_rule(**rule, Tags=tags)
    elif any(target["Id"] == orphan.target for target in references.rule_targets(orphan.place, orphan.name)):
        return Restored(*about, restored=False, notes=("it is there already: not touched",))
    if not dry_run:
        answer = aws.events().put_targets(Rule=orphan.name, EventBusName=orphan.place, Targets=[snapshot.was["target"]])
        if answer["FailedEntryCount"]:
            (failed,) = answer["FailedEntries"]
            notes.append(f"EventBridge did not take it: {failed['ErrorCode']}: {failed['ErrorMessage']}")
            return Restored(*about, restored=False, notes=tuple(notes), failed=True)
    return Restored(*about, restored=True, notes=tuple(notes))
