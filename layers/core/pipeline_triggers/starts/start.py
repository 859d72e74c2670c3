"""The one place that starts pipeline executions: begin, look for an earlier start, check, count, call, record."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import botocore
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from pipeline_triggers import aws
from pipeline_triggers.errors import Held, PipelineTriggersError, Rejected, Undecided, Waiting
from pipeline_triggers.models import Outcome, Run, Trigger
from pipeline_triggers.starts import definition, ledger
from pipeline_triggers.starts.plan import identified

# Seconds until the function has to end what it has begun.
TimeLeft = Callable[[], float]

# Whether a start that is retried has to wait in line by now.
IsHeld = Callable[[], bool]

NO_TIME = "the function has no time left for it"

# Before a start is retried in a moment: up to twice as long each time, up to the most.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0  # seconds

CLOCKS_DIFFER_BY = timedelta(minutes=5)  # at most, SageMaker's and a function's


def once(
    run: Run, trigger: Trigger, message: str, time_left: TimeLeft, is_held: IsHeld = lambda: False
) -> tuple[Outcome, str]:
    """Start a run unless it was started before, and return its outcome with the execution's ARN.

    ``message`` is the SQS message that asks for it: when it is delivered again, what it started is not a duplicate.

    Raises:
        Rejected: it can't be started as it is.
        Waiting: it may be started later; Held: it has to wait in line.
        botocore.exceptions.ClientError, BotoCoreError: it may work later, or not be allowed.

    """
    entry = ledger.begin(run.token, trigger.id, message, run.occurrence)
    if started := _started_before(entry, run.pipeline, message, time_left):
        return started
    checked, hour = _checked(run, trigger, entry)
    execution = _called(checked, run, hour, entry, time_left, is_held)
    ledger.record(run.token, execution)
    return Outcome.STARTED, execution


def earlier(
    token: str, pipeline: str, message: str, occurrence: str, time_left: TimeLeft
) -> tuple[Outcome, str] | None:
    """Return what came of a start that an earlier delivery of this occurrence made; None when there was none.

    Raises:
        Waiting: another delivery is processing it, or it can't be looked for now.
        botocore.exceptions.ClientError, BotoCoreError: AWS can't answer now.

    """
    entry = ledger.resume(token, message, occurrence)
    if entry is None:
        return None
    started = _started_before(entry, pipeline, message, time_left)
    if started is None:
        ledger.release(entry)
    return started


def _started_before(
    entry: ledger.Entry, pipeline: str, message: str, time_left: TimeLeft
) -> tuple[Outcome, str] | None:
    """Return the outcome and the execution of a start that was recorded, or made and not recorded."""
    if entry.execution:
        ledger.record(entry.token, entry.execution)
        return (Outcome.STARTED if entry.message == message else Outcome.DUPLICATE), entry.execution
    if entry.resumed and (execution := _find(entry, pipeline, time_left)):
        ledger.record(entry.token, execution)
        return Outcome.STARTED, execution
    return None


def _find(entry: ledger.Entry, pipeline: str, time_left: TimeLeft) -> str | None:
    """Look for the execution of a start that was begun and not recorded: its description ends with its identity.

    Raises:
        Undecided: it can't be looked for now.

    """
    pages = (
        aws.sagemaker()
        .get_paginator("list_pipeline_executions")
        .paginate(
            PipelineName=pipeline,
            CreatedAfter=datetime.fromtimestamp(entry.begun_at, UTC) - CLOCKS_DIFFER_BY,
            SortBy="CreationTime",
            SortOrder="Ascending",  # it was among the first after that
            PaginationConfig={"PageSize": 100},
        )
    )
    try:
        _need_time_for_a_page(time_left)
        for page in pages:
            for execution in page["PipelineExecutionSummaries"]:
                if execution.get("PipelineExecutionDescription", "").endswith(identified(entry.token)):
                    return execution["PipelineExecutionArn"]
            _need_time_for_a_page(time_left)
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFound":
            return None  # the pipeline was deleted, with its executions
        if aws.is_transient(error):
            raise Undecided(f"an earlier start can't be looked for now: {aws.reason(error)}") from error
        raise
    return None


def _need_time_for_a_page(time_left: TimeLeft) -> None:
    if time_left() < aws.LONGEST_CALL:
        raise Undecided("the function has no time left to look for the execution of an earlier start")


def _checked(run: Run, trigger: Trigger, entry: ledger.Entry) -> tuple[Run, str]:
    """Check a run against the pipeline's definition, and count it; return it with the hour that it was counted in."""
    try:
        fitting = replace(run, parameters=definition.fit(run.pipeline, run.parameters, run.version))
        return fitting, ledger.count(trigger.first_id, trigger.max_starts)
    except Exception as error:
        ledger.release(entry)
        if aws.is_transient(error):
            raise Waiting(aws.reason(error)) from error
        raise


def _called(checked: Run, run: Run, hour: str, entry: ledger.Entry, time_left: TimeLeft, is_held: IsHeld) -> str:
    """Start a run; what was for certain not started is not counted, and need not be looked for."""
    try:
        return _execute_as_defined(checked, run, time_left, is_held)
    except Exception as error:
        if not isinstance(error, PipelineTriggersError) and not aws.had_no_effect(error):
            raise
        ledger.uncount(hour)
        ledger.release(entry)
        if aws.is_transient(error):
            raise Waiting(aws.reason(error)) from error
        raise


def _execute_as_defined(checked: Run, run: Run, time_left: TimeLeft, is_held: IsHeld) -> str:
    try:
        return execute(checked, time_left, is_held)
    except Rejected:
        # Perhaps because the definition has changed since it was read.
        fresh = replace(run, parameters=definition.refit(run.pipeline, run.parameters, run.version))
        if fresh == checked:
            raise
        return execute(fresh, time_left, is_held)


def execute(run: Run, time_left: TimeLeft, is_held: IsHeld = lambda: False) -> str:
    """Call StartPipelineExecution, again while it is throttled or can't be reached; return the execution's ARN.

    Raises:
        Rejected: SageMaker refuses this start for good.
        Waiting: there is no time for it, and nothing was started.
        Held: a retry has to wait in line, and nothing was started.
        botocore.exceptions.ClientError, BotoCoreError: it may work later.

    """
    longest_pause = FIRST_PAUSE
    while time_left() >= aws.LONGEST_START:
        try:
            return _execute(run)
        except (BotoCoreError, ClientError) as error:
            pause = random.uniform(0, longest_pause)  # noqa: S311 - no secret
            if not aws.is_momentary(error) or time_left() < pause + aws.LONGEST_START:
                raise
        time.sleep(pause)
        if is_held():
            raise Held("paused while it was retried")
        longest_pause = min(LONGEST_PAUSE, 2 * longest_pause)
    raise Waiting(NO_TIME)


def _execute(run: Run) -> str:
    try:
        response = aws.starter().start_pipeline_execution(
            PipelineName=run.pipeline,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in run.parameters.items()],
            ClientRequestToken=run.token,
            **run.options,
        )
    except ParamValidationError as error:
        # Such as an argument that this botocore is too old for.
        raise Rejected(f"botocore {botocore.__version__} can't make this call: {error}") from error
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] in aws.PERMANENT:
            raise Rejected(f"SageMaker refused the start: {details['Code']}: {details['Message']}") from error
        raise
    return response["PipelineExecutionArn"]
