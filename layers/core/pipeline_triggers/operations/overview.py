"""All triggers of a deployed stack at a glance: states, last events and runs, and what waits. Reads only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.compile.cloudformation import logical_id
from pipeline_triggers.history.record import Record
from pipeline_triggers.history.table import History
from pipeline_triggers.models import Outcome, Trigger
from pipeline_triggers.operations.batches import Batches
from pipeline_triggers.operations.doctor.deployment import Deployment, bus_of, each
from pipeline_triggers.operations.pause import holding

LOOKED_AT = 200  # of a trigger's last records, for its last run and its outcomes


_ENDS = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.STOPPED)


@dataclass(frozen=True, slots=True)
class Overview:
    """A deployed trigger; texts are "" where there is nothing to say.

    ``state`` is ENABLED, DISABLED or MISSING. ``last_event`` is when the last verdict was recorded, in ISO 8601;
    FILTERED is in the logs only. ``waiting`` counts what is open or waits. ``drift`` says how the documents on this
    disk differ.
    """

    trigger: str
    state: str
    last_event: str
    last_verdict: str
    last_run: str
    waiting: int
    paused: str
    drift: str


def overview(deployment: Deployment) -> Iterator[Overview]:
    """Yield the deployed triggers, then those that are only in the documents.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    now = time.time()
    batches = Batches(deployment.stack, deployment.limits)
    waiting = Counter(entry.trigger for entry in batches.entries(now))
    pauses = holding(batches, now)
    records = _records(deployment, datetime.fromtimestamp(0, UTC))
    runs = each(_status, [run for run in map(_last_run, records.values()) if run])
    for trigger in deployment.triggers:
        last = [one for one in records[trigger.id] if one.verdict.outcome not in _ENDS][:1]
        held = [one for one in pauses if any(one.concerns(trigger.first_id, start.pipeline) for start in trigger.start)]
        yield Overview(
            trigger=trigger.id,
            state=_state(deployment, trigger),
            last_event=last[0].at if last else "",
            last_verdict=last[0].verdict.outcome if last else "",
            last_run=runs.get(_last_run(records[trigger.id]), ""),
            waiting=waiting[trigger.first_id],
            paused=", ".join(one.reason for one in held),
            drift=drift(deployment, trigger.id),
        )
    known = {trigger.id for trigger in deployment.triggers}
    for name in sorted((deployment.documents or {}).keys() - known):
        yield Overview(name, "MISSING", "", "", "", 0, "", drift(deployment, name))


def drift(deployment: Deployment, name: str) -> str:
    """Say how a trigger's document on this disk differs from what is deployed, "" where it does not.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    if deployment.documents is None:
        return ""
    here = deployment.documents.get(name)
    there = next((trigger for trigger in deployment.triggers if trigger.id == name), None)
    if here is None:
        return "removed here"
    if there is None:
        return "not deployed"
    return "" if here == there else "changed here"


def outcomes(deployment: Deployment, back: timedelta) -> dict[str, Counter[str]]:
    """Return how often each trigger's last events had which outcome, of those within a time span.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    records = _records(deployment, datetime.now(UTC) - back)
    return {name: Counter(str(record.verdict.outcome) for record in found) for name, found in records.items()}


def _records(deployment: Deployment, since: datetime) -> Mapping[str, list[Record]]:
    """Return the last records of each trigger, newest first."""
    history = History(aws.dynamodb(), deployment.stack.resources["HistoryTable"])
    begin = since.isoformat(timespec="milliseconds")

    def read(name: str) -> list[Record]:
        return list(islice(history.of_trigger(name, begin), LOOKED_AT))

    return each(read, [trigger.id for trigger in deployment.triggers])


def _last_run(records: list[Record]) -> str:
    started = (one.verdict.execution_arn for one in records if one.verdict.outcome is Outcome.STARTED)
    return next((arn for arn in started if arn), "")


def _status(execution: str) -> str:
    """Return how an execution goes, or that SageMaker does not know it any more."""
    try:
        answer = aws.sagemaker().describe_pipeline_execution(PipelineExecutionArn=execution)
    except ClientError as error:
        if error.response["Error"]["Code"] in aws.PERMANENT:
            return "gone"
        raise
    return str(answer["PipelineExecutionStatus"])


def _state(deployment: Deployment, trigger: Trigger) -> str:
    """Return the state of what fires a trigger, the worst of several sources."""
    states = {_view_state(deployment, view) for view in trigger.views()}
    return next(state for state in ("MISSING", "DISABLED", "ENABLED") if state in states)


def _view_state(deployment: Deployment, view: Trigger) -> str:
    match view.when.source:
        case "sns":
            return "ENABLED" if view.enabled else "DISABLED"
        case "schedule":
            name = logical_id(view.view_id, "Schedule")
            ids = [schedule.id for schedule in deployment.schedules if schedule.name == name]
            live = deployment.existing_schedules[ids[0]] if ids else None
        case _:
            name = logical_id(view.view_id, "Rule")
            keys = [(bus_of(rule), rule.id) for rule in deployment.rules if rule.name == name]
            live = deployment.listed_rules.get(keys[0]) if keys else None
    return str(live["State"]) if live else "MISSING"
