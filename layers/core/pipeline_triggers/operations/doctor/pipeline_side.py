"""Checks of what is started: pipelines, limits, pauses, and whether what is deployed is what the documents say."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.language.values import literal
from pipeline_triggers.operations import cloudtrail
from pipeline_triggers.operations.batches import Batches
from pipeline_triggers.operations.doctor.deployment import Deployment
from pipeline_triggers.operations.pause import holding
from pipeline_triggers.starts import definition
from pipeline_triggers.starts.ledger import MAX_BATCH_GET, hour_key

Problem = tuple[str, str]

_SHOWN = 5  # triggers in a message


def pipeline_is_gone(deployment: Deployment) -> Iterator[Problem]:
    """Yield pipelines that do not exist any more, or are being deleted."""
    for (name, version), live in deployment.pipelines.items():
        users = ", ".join(_users(deployment, name))
        if live is None:
            what = f"pipeline {name}" if version is None else f"version {version} of pipeline {name}"
            fix = f"create it again, or let {users} start another; then: triggers redrive"
            yield f"{what} does not exist; {users} starts it", fix
        elif live["PipelineStatus"] == "Deleting":
            yield f"pipeline {name} is being deleted; {users} starts it", f"let {users} start another, and deploy"


def parameters_changed(deployment: Deployment) -> Iterator[Problem]:
    """Yield triggers whose parameters do not fit their pipeline as it is now."""
    for trigger in deployment.triggers:
        for start in trigger.start if trigger.enabled else ():
            live = deployment.pipelines[start.pipeline, trigger.options.version]
            if live is None:
                continue
            values = {name: literal(source) for name, source in start.parameters.items()}
            given = {**dict.fromkeys(trigger.accept), **values}
            for name, problem in definition.problems(definition.parse(live["PipelineDefinition"]), given):
                message = f"parameter {name} of {start.pipeline}, which {trigger.id} starts, {problem}"
                yield message, f"fix the parameters of {trigger.id}, and deploy"


def max_starts_is_reached(deployment: Deployment) -> Iterator[Problem]:
    """Yield triggers that have started as often in this hour as they may."""
    table, now = deployment.stack.resources["StateTable"], int(time.time())
    triggers = {one.first_id: one for one in deployment.triggers if one.enabled and not one.direct}
    starts = _items(table, [hour_key(name, now) for name in triggers])
    for name, trigger in triggers.items():
        if int(starts.get(hour_key(name, now), {}).get("starts", 0)) >= trigger.max_starts:
            message = f"{trigger.id} has reached its max_starts, {trigger.max_starts} per hour; its events wait"
            yield message, f"wait for the next hour, or raise max_starts of {trigger.id} and deploy"


def start_is_paused(deployment: Deployment) -> Iterator[Problem]:
    """Yield the pauses in force that concern the triggers."""
    batches = Batches(deployment.stack, deployment.limits)
    pairs = [(trigger.first_id, start.pipeline) for trigger in deployment.triggers for start in trigger.start]
    for pause in holding(batches, time.time()):
        if any(pause.concerns(*pair) for pair in pairs):
            what = {"trigger": pause.name, "pipeline": f"--pipeline {pause.name}"}.get(pause.kind, "--all")
            subject = f"{pause.kind} {pause.name}" if pause.name else "everything"
            fix = f"triggers resume {what} --stack {deployment.stack.name}"
            yield f"{subject} is paused by {pause.who}: {pause.reason}", fix


def documents_are_newer(deployment: Deployment) -> Iterator[Problem]:
    """Yield what the documents on this disk say otherwise than what is deployed."""
    if deployment.documents is None:
        return
    here = {name: one for name, one in deployment.documents.items() if deployment.only in (None, name)}
    there = {trigger.id: trigger for trigger in deployment.triggers}
    for word, names in (
        ("not deployed", here.keys() - there.keys()),
        ("not in the documents here any more", there.keys() - here.keys()),
        ("deployed otherwise than the documents here say", [n for n in here.keys() & there if here[n] != there[n]]),
    ):
        if names:
            shown = sorted(names)
            more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            yield f"{', '.join(shown[:_SHOWN])}{more}: {word}", "make deploy"


def two_owners_start_it(deployment: Deployment) -> Iterator[Problem]:
    """Yield pipelines without limits that the documents of two owners start, so that their runs may meet."""
    owners: dict[str, set[str]] = defaultdict(set)
    for trigger in deployment.triggers:
        for start in trigger.start if trigger.enabled else ():
            owners[start.pipeline].add(trigger.id.partition("/")[0])
    for pipeline, teams in owners.items():
        if len(teams) > 1 and pipeline not in deployment.limits:
            message = f"{' and '.join(sorted(teams))} both start {pipeline}, without limits: their runs may meet"
            yield message, f"give {pipeline} limits, such as max_running: 1, or let one team start it; deploy"


def deletions_are_not_seen(deployment: Deployment) -> Iterator[Problem]:
    """Yield that no trail logs management events, so that the janitor does not hear of deleted pipelines."""
    del deployment
    if not cloudtrail.reports_deletions():
        trails = [trail["Name"] for trail in aws.cloudtrail().describe_trails()["trailList"]]
        fix = f"aws cloudtrail start-logging --name {trails[0]}" if trails else "create a trail of management events"
        yield "no CloudTrail trail logs management events: the janitor hears of no deleted pipeline", fix


def _items(table: str, ids: list[str]) -> dict[str, Any]:
    """Return those of some items of StateTable that exist, by id."""
    items: dict[str, Any] = {}
    keys = [{"id": id_} for id_ in ids]
    while keys:
        response = aws.dynamodb().batch_get_item(RequestItems={table: {"Keys": keys[:MAX_BATCH_GET]}})
        items |= {item["id"]: item for item in response["Responses"].get(table, [])}
        keys = [*response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", []), *keys[MAX_BATCH_GET:]]
    return items


def _users(deployment: Deployment, pipeline: str) -> list[str]:
    return [one.id for one in deployment.triggers if any(start.pipeline == pipeline for start in one.start)]
