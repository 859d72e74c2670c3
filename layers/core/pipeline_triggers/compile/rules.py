"""EventBridge rules: one for each trigger whose source publishes events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_triggers.compile.cloudformation import Resource, logical_id, stage_text
from pipeline_triggers.compile.targets import description, rule_targets, state
from pipeline_triggers.language import sources
from pipeline_triggers.models import Trigger


def rules(triggers: Iterable[Trigger], policies: list[str]) -> dict[str, Resource]:
    """Return the rules of some triggers, each made after the policies."""
    return {
        logical_id(trigger.view_id, "Rule"): _rule(trigger, pattern, policies)
        for trigger in triggers
        if (pattern := sources.pattern(trigger.when, stage_text)) is not None
    }


def _rule(trigger: Trigger, pattern: Mapping[str, Any], policies: list[str]) -> Resource:
    bus = trigger.when.fields.get("bus")
    tags = [{"Key": key, "Value": stage_text(value)} for key, value in trigger.tags.items()]
    return {
        "Type": "AWS::Events::Rule",
        "DependsOn": policies,
        "Properties": {
            "Description": description(trigger),
            "State": state(trigger),
            **({"EventBusName": stage_text(bus)} if bus else {}),
            "EventPattern": pattern,
            **({"Tags": tags} if tags else {}),
            "Targets": rule_targets(trigger),
        },
    }
