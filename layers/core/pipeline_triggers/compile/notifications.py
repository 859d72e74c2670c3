"""``notify``: what a team has to know goes from the stack's own bus to the team's topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_triggers.compile.cloudformation import Resource, logical_id, stage_text
from pipeline_triggers.documents.loader import Documents

# A pattern has room for 2,048 characters; a team with more pipelines hears of all clean-ups.
MAX_PIPELINES = 15

_OUTCOMES = ("REJECTED", "MISSED", "FAILED", "PAUSED")


def notifications(documents: Documents) -> dict[str, Resource]:
    """Return two rules for each document with a topic: one for its triggers' verdicts, one for clean-ups."""
    resources: dict[str, Resource] = {}
    for team, topic in documents.notify.items():
        triggers = [trigger for trigger in documents.triggers if trigger.id.partition("/")[0] == team]
        pipelines = list(dict.fromkeys(start.pipeline for trigger in triggers for start in trigger.start))
        for kind, detail_type, detail in (
            ("Verdicts", "Trigger Verdict", {"outcome": list(_OUTCOMES), "trigger": [{"prefix": f"{team}/"}]}),
            ("CleanUps", "Orphans of SageMaker Pipelines", _about(pipelines)),
        ):
            description = f"{kind} of {team} for its topic"
            resources[logical_id(team, kind)] = _rule(topic, description, detail_type, detail)
    return resources


def _about(pipelines: Sequence[str]) -> Mapping[str, Any]:
    # ARNs, and so the names that clean-ups have, may be in lower case.
    names = [{"equals-ignore-case": stage_text(pipeline)} for pipeline in pipelines]
    return {"pipelines": names} if 0 < len(names) <= MAX_PIPELINES else {}


def _rule(topic: str, description: str, detail_type: str, detail: Mapping[str, Any]) -> Resource:
    pattern = {"source": ["pipeline-triggers"], "detail-type": [detail_type], **({"detail": detail} if detail else {})}
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Description": description,
            "EventBusName": {"Ref": "EventBusName"},
            "EventPattern": pattern,
            # The text as JSON, in quotes: a template would not escape what the text quotes.
            "Targets": [{"Id": "topic", "Arn": stage_text(topic), "InputPath": "$.detail.text"}],
        },
    }
