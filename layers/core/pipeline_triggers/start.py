"""The one place that starts pipeline executions."""

from __future__ import annotations

import hashlib
import json
import re

from botocore.exceptions import ClientError

from pipeline_triggers import aws, definition
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Occurrence, Run, Trigger
from pipeline_triggers.parameters import evaluate

MAX_DISPLAY_NAME_LENGTH = 82  # StartPipelineExecution: PipelineExecutionDisplayName


def plan(trigger: Trigger, target: int, occurrence: Occurrence, stack: str) -> Run:
    """Decide one start: ``target`` is the position in ``trigger.start``.

    The token depends on what happened and on what is to be started for it, never on computed values or the
    clock, so that each redelivery asks for the same execution.

    Raises:
        Rejected: a parameter can't be computed from this event.

    """
    start = trigger.start[target]
    identity = json.dumps([stack, trigger.id, target, start.pipeline, *occurrence.identity])
    token = hashlib.sha256(identity.encode()).hexdigest()
    return Run(
        pipeline=start.pipeline,
        parameters={name: _evaluated(name, source, occurrence) for name, source in start.parameters.items()},
        token=token,
        display_name=_display_name(trigger.id, token),
        description=f"trigger {trigger.id}, event {occurrence.event_id}, identity {token}",
    )


def execute(run: Run) -> str:
    """Call StartPipelineExecution and return the execution's ARN.

    Raises:
        Rejected: the pipeline's definition does not take the values, or SageMaker refuses this start for good.
        botocore.exceptions.ClientError, BotoCoreError: it may work later.

    """
    parameters = definition.fit(run.pipeline, run.parameters)
    try:
        answer = aws.sagemaker().start_pipeline_execution(
            PipelineName=run.pipeline,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in parameters.items()],
            ClientRequestToken=run.token,
            PipelineExecutionDisplayName=run.display_name,
            PipelineExecutionDescription=run.description,
        )
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] in aws.PERMANENT:
            raise Rejected(f"SageMaker refused the start: {details['Code']}: {details['Message']}") from error
        raise
    return answer["PipelineExecutionArn"]


def _evaluated(name: str, source: str, occurrence: Occurrence) -> str:
    try:
        return evaluate(source, occurrence)
    except Rejected as error:
        raise Rejected(f"parameter {name}: {error}") from error


def _display_name(trigger_id: str, token: str) -> str:
    """Name the execution after its trigger, in the letters that SageMaker allows here."""
    suffix = f"-{token[:8]}"
    name = re.sub(r"[^A-Za-z0-9]+", "-", trigger_id)[: MAX_DISPLAY_NAME_LENGTH - len(suffix)].strip("-")
    return name + suffix
