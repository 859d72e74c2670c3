"""The CloudWatch dashboard: a row for the whole stack, and one for each team."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pipeline_triggers.compile.cloudformation import Resource
from pipeline_triggers.language.sources import BATCHES, HANDLERS
from pipeline_triggers.models import Trigger

_NAMESPACE = "PipelineTriggers"
_WIDTH, _HEIGHT = 24, 6  # of a row, in CloudWatch's units

# A team's outcomes: what became of its events, and what a person should look at.
_HANDLED = ("STARTED", "COLLECTED", "DUPLICATE", "FILTERED", "SKIPPED", "DRY_RUN")
_TROUBLE = ("REJECTED", "MISSED", "WAITING", "PAUSED")


def dashboard(triggers: Iterable[Trigger]) -> Resource:
    """Return the dashboard of a stack with these triggers; CloudWatch takes 500 widgets, and each team has two."""
    teams = dict.fromkeys(trigger.id.partition("/")[0] for trigger in triggers)
    widgets = [*_of_stack(), *(widget for row, team in enumerate(teams, 1) for widget in _of_team(team, row))]
    queues = {
        f"{handler}{kind}": {"Fn::Select": [5, {"Fn::Split": [":", {"Ref": f"{handler}{kind}Arn"}]}]}
        for handler in (*HANDLERS, BATCHES)
        for kind in ("Queue", "DeadLetterQueue")
    }
    body = {"Fn::Sub": [json.dumps({"widgets": widgets}), queues]}
    name = {"Ref": "StackName"}
    return {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardName": name, "DashboardBody": body}}


def _of_stack() -> Iterable[dict[str, Any]]:
    handlers = (*HANDLERS, BATCHES)
    ages = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", f"${{{one}Queue}}"] for one in handlers]
    dead = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"${{{one}DeadLetterQueue}}"] for one in handlers
    ]
    delay: list[Any] = [
        [_NAMESPACE, "START_DELAY", "Stack", "${StackName}", {"stat": f"p{share}"}] for share in (50, 99)
    ]
    ends = [[_NAMESPACE, f"RUN_{end}", "Stack", "${StackName}"] for end in ("SUCCEEDED", "FAILED", "STOPPED")]
    graphs: list[tuple[str, list[Any], str]] = [
        ("Seconds from event to start", delay, "p50"),
        ("Ended runs", ends, "Sum"),
        ("Oldest message, seconds", ages, "Maximum"),
        ("Dead letters", dead, "Maximum"),
    ]
    for column, (title, metrics, stat) in enumerate(graphs):
        yield _widget(title, metrics, stat, column=column, columns=4, row=0)


def _of_team(team: str, row: int) -> Iterable[dict[str, Any]]:
    for column, (title, outcomes) in enumerate(((team, _HANDLED), (f"{team}: to look at", _TROUBLE))):
        metrics = [[_NAMESPACE, outcome, "Stack", "${StackName}", "Team", team] for outcome in outcomes]
        yield _widget(title, metrics, "Sum", column=column, columns=2, row=row)


def _widget(title: str, metrics: list[Any], stat: str, *, column: int, columns: int, row: int) -> dict[str, Any]:
    width = _WIDTH // columns
    shown = {"title": title, "metrics": metrics, "stat": stat, "period": 300, "region": "${AWS::Region}"}
    return {
        "type": "metric",
        "x": column * width,
        "y": row * _HEIGHT,
        "width": width,
        "height": _HEIGHT,
        "properties": shown,
    }
