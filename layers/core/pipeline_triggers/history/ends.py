"""How the runs of the stack's triggers ended: noted once for each, reported in the log, as metrics and on the bus.

An event of EventBridge says only that it is time to look at an execution; the sweep looks without one, so that an event
that is lost or comes twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.history import notices
from pipeline_triggers.history.record import END, Going, Record, timestamp
from pipeline_triggers.history.runs import Runs
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.telemetry import report_end

# SageMaker's statuses of executions that have ended; any other goes on.
ENDED = {
    "Succeeded": Outcome.SUCCEEDED,
    "Failed": Outcome.FAILED,
    "CompletedWithFailures": Outcome.FAILED,
    "Stopped": Outcome.STOPPED,
}
GONE = "SageMaker does not know the execution any more; its pipeline was deleted"

MAX_LOOKS = 20  # executions that one sweep looks at; the next one goes on with the following ones
LEFT_ALONE = 300  # seconds in which whoever noted an end reports it


# What else follows from an end; done again after a crash.
Then = Callable[[Verdict], None]


def look(execution: str, runs: Runs, then: Then) -> None:
    """Note and report how an execution ended, if it is one of ours and has ended.

    Raises:
        Waiting: the event's bus did not take it.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    if going := runs.going(execution):
        _look(going, runs, then)


def sweep(scheduled: float, runs: Runs, has_time: Callable[[], bool], then: Then) -> None:
    """Look at some of the executions whose end is not known; each is looked at again after a few sweeps at most.

    ``scheduled`` is the sweep's Unix time, which says whose turn it is.
    """
    for going in turn(runs.all_going(), int(scheduled // 60)):
        if not has_time():
            return
        _look(going, runs, then)


def turn(going: Sequence[Going], minute: int) -> Sequence[Going]:
    """Return those that are looked at in a minute."""
    turns = -(-len(going) // MAX_LOOKS) or 1
    first = minute % turns * MAX_LOOKS
    return going[first : first + MAX_LOOKS]


def _look(going: Going, runs: Runs, then: Then) -> None:
    end = _end_of(going.started.verdict)
    if end is None:
        return
    noted_at = runs.note_end(Record(end, timestamp(time.time()), END))
    if noted_at and time.time() - noted_at < LEFT_ALONE:
        return  # another function reports it now
    report_end(end)
    notices.announce([end])
    then(end)
    runs.forget(going)


def _end_of(started: Verdict) -> Verdict | None:
    """Return how a started execution ended, None while it goes on."""
    end = replace(started, outcome=Outcome.STOPPED, reason=GONE, parameters=None, count=None)
    try:
        execution = aws.sagemaker().describe_pipeline_execution(PipelineExecutionArn=started.execution_arn or "")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFound":
            return end
        raise
    outcome = ENDED.get(execution["PipelineExecutionStatus"])
    if outcome is None:
        return None
    return replace(end, outcome=outcome, reason=execution.get("FailureReason"), seconds=_seconds(execution))


def _seconds(execution: Mapping[str, Any]) -> int | None:
    """Return how long an execution took."""
    if not {"CreationTime", "LastModifiedTime"} <= execution.keys():
        return None
    return int((execution["LastModifiedTime"] - execution["CreationTime"]).total_seconds())
