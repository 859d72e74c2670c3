"""The one place that starts pipeline executions."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from pipeline_triggers import aws
from pipeline_triggers.errors import MaxStarts, Rejected, Waiting
from pipeline_triggers.language.values import evaluate, no_execution, no_experiment
from pipeline_triggers.models import Occurrence, Outcome, Run, Trigger
from pipeline_triggers.starts import definition, ledger
from pipeline_triggers.text import brief

CLOCKS_DIFFER_BY = timedelta(minutes=5)

# How long a start may still be tried again, in seconds.
TimeLeft = Callable[[], float]

# Before a start is tried again in a moment: up to twice as long each time, up to the most.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0  # seconds

MAX_DEPTH = 10  # of executions, each started by the end of the one before

MAX_PARAMETERS = 200  # StartPipelineExecution: PipelineParameters

# StartPipelineExecution: PipelineExecutionDisplayName, PipelineExecutionDescription
MAX_DISPLAY_NAME_LENGTH, MAX_DESCRIPTION_LENGTH = 82, 3072


def plan(trigger: Trigger, target: int, occurrence: Occurrence, stack: str) -> Run:
    """Decide one start: ``target`` is the position in ``trigger.start``.

    The token depends on what happened and on what is to be started for it, never on computed values or the
    clock, so that each redelivery asks for the same execution.

    Raises:
        Rejected: a value can't be computed from this event, or it ends too long a chain of executions.

    """
    start = trigger.start[target]
    if occurrence.depth > MAX_DEPTH:
        told = "such a chain is a loop, most likely; end it in the documents, or start it anew"
        raise Rejected(f"{MAX_DEPTH} pipelines in a row were each started by the end of the one before; {told}")
    # Not the position: what is taken out of the list before a redrive must not make the rest start again.
    same = [one.pipeline for one in trigger.start[:target]].count(start.pipeline)
    identity = json.dumps(
        [stack, trigger.id, start.pipeline, same, *_identity(trigger, occurrence), *_again(occurrence)]
    )
    token = hashlib.sha256(identity.encode()).hexdigest()
    computed = {name: _evaluated(f"parameter {name}", source, occurrence) for name, source in start.parameters.items()}
    requested = occurrence.request.parameters if occurrence.request else {}
    values = {**computed, **requested}
    if len(values) > MAX_PARAMETERS:
        raise Rejected(f"{len(values)} parameters are set, with those of the request; SageMaker takes {MAX_PARAMETERS}")
    return Run(start.pipeline, values, token, _options(trigger, occurrence, token))


def _identity(trigger: Trigger, occurrence: Occurrence) -> tuple[str, ...]:
    if trigger.dedupe:
        return ("dedupe", _evaluated("dedupe", trigger.dedupe, occurrence))
    if occurrence.request and occurrence.request.dedupe:
        return ("dedupe", occurrence.request.dedupe)
    return occurrence.identity


def _again(occurrence: Occurrence) -> tuple[str, ...]:
    """Return what tells it from the same occurrence before, whatever names that, a business key included."""
    return (f"again {occurrence.again}",) if occurrence.again else ()


def _options(trigger: Trigger, occurrence: Occurrence, token: str) -> dict[str, Any]:
    """Return StartPipelineExecution's arguments besides the pipeline, its parameters and the token."""
    options = trigger.options

    def value(field: str, source: str | None, wrong: Callable[[str], str | None] = lambda _: None) -> str | None:
        if source is None:
            return None
        text = _evaluated(field, source, occurrence)
        if told := wrong(text):
            raise Rejected(f"{field}: {brief(text)} {told}")
        return text

    depth = f"depth {occurrence.depth}" if occurrence.depth else ""
    ends_with = (*_again(occurrence), depth, _identified(token))
    told = ", ".join(filter(None, (f"trigger {trigger.id}, event {occurrence.event_id}", *ends_with)))
    selected = {
        "SelectedSteps": [{"StepName": step} for step in options.steps],
        "SourcePipelineExecutionArn": value("source_execution", options.source_execution, no_execution),
    }
    version = options.version
    by_number = version is not None and version.isdecimal()
    return _given(
        PipelineExecutionDisplayName=_display_name(trigger.id, token, value("display_name", options.display_name)),
        PipelineExecutionDescription=_one_line("; ".join(filter(None, (trigger.description, told)))),
        ParallelismConfiguration=_given(MaxParallelExecutionSteps=options.max_parallel_steps),
        SelectiveExecutionConfig=_given(**selected) if options.steps else None,
        PipelineVersionId=int(version) if version and by_number else None,
        PipelineVersionAlias=None if by_number else version,
        MlflowExperimentName=value("mlflow_experiment", options.mlflow_experiment, no_experiment),
    )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: argument for name, argument in arguments.items() if argument not in (None, "", {}, [])}


def once(run: Run, trigger: Trigger, message: str, time_left: TimeLeft) -> tuple[Outcome, str]:
    """Start a run unless it was started before, and return what came of it with the execution's ARN.

    ``message`` is the SQS message that asks for it: when it is delivered again, what it started is no duplicate.

    Raises:
        Rejected: it can't be started as it is.
        Waiting: it may be started later.
        botocore.exceptions.ClientError, BotoCoreError: it may work later, or not be allowed.

    """
    before = ledger.begin(run.token, trigger.id, message)
    if before and before.execution:
        ledger.started(run.token, before.execution)  # remembered for as long again
        return (Outcome.STARTED if before.message == message else Outcome.DUPLICATE), before.execution
    if before and (execution := _found(run, before.begun_at, time_left)):
        ledger.started(run.token, execution)
        return Outcome.STARTED, execution
    try:
        fitting = replace(run, parameters=definition.fit(run.pipeline, run.parameters))
        hour = ledger.count(trigger.id, trigger.max_starts)
        if hour is None:
            raise MaxStarts(f"{trigger.id} has started {trigger.max_starts} executions in this hour, its max_starts")
    except Exception:
        ledger.release(run.token)
        raise
    unsent = False
    try:
        try:
            execution = execute(fitting, time_left)
        except Rejected:
            # Perhaps because the definition has changed since it was read.
            unsent = True
            anew = replace(run, parameters=definition.refit(run.pipeline, run.parameters))
            if anew == fitting:
                raise
            unsent = False
            execution = execute(anew, time_left)
    except Exception as error:
        # Without an answer it may have been started, and is looked for when the message comes again.
        if unsent or isinstance(error, Rejected) or aws.did_nothing(error):
            ledger.uncount(hour)
            ledger.release(run.token)
        raise
    ledger.started(run.token, execution)
    return Outcome.STARTED, execution


def _found(run: Run, begun_at: int, time_left: TimeLeft) -> str | None:
    """Look for the execution of a start that was begun and not noted: its description ends with its identity."""
    pages = (
        aws.sagemaker()
        .get_paginator("list_pipeline_executions")
        .paginate(
            PipelineName=run.pipeline,
            CreatedAfter=datetime.fromtimestamp(begun_at, UTC) - CLOCKS_DIFFER_BY,
            SortBy="CreationTime",
            SortOrder="Ascending",  # it was among the first after that
            PaginationConfig={"PageSize": 100},
        )
    )
    for page in pages:
        for execution in page["PipelineExecutionSummaries"]:
            if execution.get("PipelineExecutionDescription", "").endswith(_identified(run.token)):
                return execution["PipelineExecutionArn"]
        if time_left() <= 0:
            raise Waiting("the function has no time left to look for the execution of a start that broke off")
    return None


def _identified(token: str) -> str:
    return f"identity {token}"


def execute(run: Run, time_left: TimeLeft) -> str:
    """Call StartPipelineExecution, again while it can't be reached or its rate is met, and return the execution's ARN.

    Raises:
        Rejected: SageMaker refuses this start for good.
        botocore.exceptions.ClientError, BotoCoreError: it may work later.

    """
    longest = FIRST_PAUSE
    while True:
        try:
            return _execute(run)
        except (BotoCoreError, ClientError) as error:
            pause = random.uniform(0, longest)  # noqa: S311 - no secret
            if not aws.is_momentary(error) or time_left() < pause:
                raise
        time.sleep(pause)
        longest = min(LONGEST_PAUSE, 2 * longest)


def _execute(run: Run) -> str:
    try:
        answer = aws.starter().start_pipeline_execution(
            PipelineName=run.pipeline,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in run.parameters.items()],
            ClientRequestToken=run.token,
            **run.options,
        )
    except ParamValidationError as error:
        # Such as an argument that the runtime's boto3 is too old for.
        raise Rejected(f"boto3 {boto3.__version__} can't make this call: {error}") from error
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] in aws.PERMANENT:
            raise Rejected(f"SageMaker refused the start: {details['Code']}: {details['Message']}") from error
        raise
    return answer["PipelineExecutionArn"]


def _evaluated(field: str, source: str, occurrence: Occurrence) -> str:
    try:
        return evaluate(source, occurrence)
    except Rejected as error:
        raise Rejected(f"{field}: {error}") from error


def _display_name(trigger_id: str, token: str, wanted: str | None) -> str:
    """Name the execution as wanted, or after its trigger, in the letters that SageMaker allows here."""
    if name := _allowed(wanted or "")[:MAX_DISPLAY_NAME_LENGTH].strip("-"):
        return name
    suffix = f"-{token[:8]}"
    return _allowed(trigger_id)[: MAX_DISPLAY_NAME_LENGTH - len(suffix)].strip("-") + suffix


def _one_line(description: str) -> str:
    """Write a description as SageMaker allows it; its end stays, by which an execution is found."""
    return " ".join(description.split())[-MAX_DESCRIPTION_LENGTH:]


def _allowed(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
