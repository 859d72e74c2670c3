"""The one door to SageMaker as batches use it: the same checks, ledger and counts as for a single event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.batches.models import Execution, Listing
from pipeline_triggers.errors import MaxStarts, Undecided, Waiting
from pipeline_triggers.models import Run, Trigger
from pipeline_triggers.starts import ledger, start
from pipeline_triggers.telemetry import count_max_starts

# The ledger lets others take a start over after a time in which it must be made.
LONGEST_START = 75  # seconds

# What the ledger holds in place of the SQS message that asked for a start.
BATCH = "batch"

_IDENTITY = re.compile(r"identity ([0-9a-f]{64})$")  # as ``starts.plan`` ends an execution's description


class Unanswered(Exception):
    """An earlier start may have worked, and that can't be known yet; its execution is looked for later."""


class SageMaker:
    """Starts executions and lists them; ``now`` and ``time_left`` are in seconds."""

    def __init__(
        self, triggers: Mapping[str, Trigger], now: Callable[[], float], time_left: Callable[[], float]
    ) -> None:
        self._triggers = triggers
        self._now = now
        self._time_left = time_left

    def start(self, run: Run, trigger: str) -> str:
        """Start a run unless the ledger knows that it was started, and return the execution's ARN."""
        until = self._now() + LONGEST_START

        def time_left() -> float:
            return min(self._time_left(), until - self._now())

        try:
            _, execution = start.once(run, self._triggers[trigger], BATCH, time_left)
        except MaxStarts:
            count_max_starts()
            raise
        except Undecided as error:
            raise Unanswered(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            if run.token in ledger.known([run.token]):
                raise
            # It was given back: nothing was started.
            raise Waiting(aws.reason(error)) from error
        return execution

    def need_room(self, trigger: str) -> None:
        """Raise MaxStarts while the trigger may start nothing in this hour."""
        try:
            ledger.need_room(trigger, self._triggers[trigger].max_starts)
        except MaxStarts:
            count_max_starts()
            raise

    def executions(self, pipeline: str, since: int) -> Listing:
        """List the executions since a time, as far as there is time for that; oldest first."""
        pages = (
            aws.sagemaker()
            .get_paginator("list_pipeline_executions")
            .paginate(
                PipelineName=pipeline,
                CreatedAfter=datetime.fromtimestamp(since, UTC),
                SortBy="CreationTime",
                SortOrder="Ascending",
                PaginationConfig={"PageSize": 100},
            )
        )
        executions: list[Execution] = []
        try:
            for page in pages:
                executions += [
                    Execution(
                        arn=summary["PipelineExecutionArn"],
                        status=summary["PipelineExecutionStatus"],
                        created_at=int(summary["StartTime"].timestamp()),
                        token=_token(summary.get("PipelineExecutionDescription", "")),
                    )
                    for summary in page["PipelineExecutionSummaries"]
                ]
                if self._time_left() <= 0:
                    return Listing(since, tuple(executions), is_complete="NextToken" not in page)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
            executions = []  # the pipeline was deleted, with its executions
        return Listing(since, tuple(executions))


def _token(description: str) -> str:
    identity = _IDENTITY.search(description)
    return identity[1] if identity else ""
