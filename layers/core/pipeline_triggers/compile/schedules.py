"""Schedules of EventBridge Scheduler: for each trigger on a schedule that may fire again, and for deadlines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline_triggers.compile.cloudformation import Intrinsic, Resource, logical_id, stage_text
from pipeline_triggers.compile.targets import deadline_target, description, schedule_target, state
from pipeline_triggers.documents.schedules import is_over, utc
from pipeline_triggers.models import Trigger


def schedules(triggers: Iterable[Trigger], policies: list[str], past: frozenset[str]) -> dict[str, Resource]:
    """Return the schedules of some triggers, each made after the policies."""
    return {
        logical_id(trigger.view_id, "Schedule"): _schedule(trigger, policies, past)
        for trigger in triggers
        if trigger.when.source == "schedule" and not is_over(trigger, past)
    }


def deadlines(triggers: Iterable[Trigger], policies: list[str]) -> dict[str, Resource]:
    """Return the schedules of the deadlines with a cron, each made after the policies."""
    return {
        logical_id(trigger.id, "Deadline"): _resource(
            trigger,
            policies,
            deadline_target(trigger),
            ScheduleExpression=_expression("cron", deadline.cron),
            ScheduleExpressionTimezone=stage_text(deadline.timezone),
            FlexibleTimeWindow={"Mode": "OFF"},
        )
        for trigger in triggers
        if trigger.collect and (deadline := trigger.collect.deadline) and deadline.cron
    }


def _expression(kind: str, written: str) -> str | Intrinsic:
    return stage_text(f"{kind}({' '.join(written.split())})")


def _schedule(trigger: Trigger, policies: list[str], past: frozenset[str]) -> Resource:
    fields = trigger.when.fields
    kind = next(kind for kind in ("at", "rate", "cron") if kind in fields)
    zone = {"ScheduleExpressionTimezone": stage_text(fields["timezone"])} if "timezone" in fields else {}
    bounds = {
        property_: utc(fields[name])
        for property_, name in (("StartDate", "start"), ("EndDate", "end"))
        if name in fields and f"{trigger.view_id}.{name}" not in past
    }
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": int(fields["jitter"])} if "jitter" in fields else None
    return _resource(
        trigger,
        policies,
        schedule_target(trigger),
        ScheduleExpression=_expression(kind, fields[kind]),
        **zone,
        **bounds,
        FlexibleTimeWindow=window or {"Mode": "OFF"},
    )


def _resource(trigger: Trigger, policies: list[str], target: Any, **timing: Any) -> Resource:
    """Return a schedule of a trigger; ``timing`` are the properties that say when it fires."""
    about = {"GroupName": {"Ref": "ScheduleGroup"}, "Description": description(trigger), "State": state(trigger)}
    properties = {**about, **timing, "Target": target}
    return {"Type": "AWS::Scheduler::Schedule", "DependsOn": policies, "Properties": properties}
