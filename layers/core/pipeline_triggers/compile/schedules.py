"""Schedules of EventBridge Scheduler: one for each trigger on a schedule that may fire again."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_triggers.compile.cloudformation import Resource, logical_id, stage_text
from pipeline_triggers.compile.targets import description, schedule_target, state
from pipeline_triggers.documents.schedules import is_over, utc
from pipeline_triggers.models import Trigger


def schedules(triggers: Iterable[Trigger], policies: list[str], past: frozenset[str]) -> dict[str, Resource]:
    """Return the schedules of some triggers, each made after the policies."""
    return {
        logical_id(trigger.id, "Schedule"): _schedule(trigger, policies, past)
        for trigger in triggers
        if trigger.when.source == "schedule" and not is_over(trigger, past)
    }


def _schedule(trigger: Trigger, policies: list[str], past: frozenset[str]) -> Resource:
    fields = trigger.when.fields
    kind = next(kind for kind in ("at", "rate", "cron") if kind in fields)
    zone = {"ScheduleExpressionTimezone": stage_text(fields["timezone"])} if "timezone" in fields else {}
    bounds = {
        property_: utc(fields[name])
        for property_, name in (("StartDate", "start"), ("EndDate", "end"))
        if name in fields and f"{trigger.id}.{name}" not in past
    }
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": int(fields["jitter"])} if "jitter" in fields else None
    return {
        "Type": "AWS::Scheduler::Schedule",
        "DependsOn": policies,
        "Properties": {
            "GroupName": {"Ref": "ScheduleGroup"},
            "Description": description(trigger),
            "State": state(trigger),
            "ScheduleExpression": stage_text(f"{kind}({' '.join(fields[kind].split())})"),
            **zone,
            **bounds,
            "FlexibleTimeWindow": window or {"Mode": "OFF"},
            "Target": schedule_target(trigger),
        },
    }
