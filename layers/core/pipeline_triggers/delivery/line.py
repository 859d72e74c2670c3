"""Starts that wait in line: those of a limited pipeline, and those that a pause holds back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

from pipeline_triggers.batches import door, single
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.batches.models import Target
from pipeline_triggers.batches.pauses import Flag
from pipeline_triggers.batches.single import Queued
from pipeline_triggers.models import Outcome, Run, Trigger
from pipeline_triggers.starts import deployed, ledger


def is_for(trigger: str, pipeline: str) -> bool:
    """Whether a start of a pipeline by a trigger has to wait in line."""
    return pipeline in deployed.limits() or _flag().keeps_in_line(trigger, pipeline)


@cache
def _flag() -> Flag:
    """Return the pauses as this execution environment remembers them."""
    return Flag(connected(lambda: 0).records, lambda: time.time())


def wait(run: Run, trigger: Trigger, target: Target, message: str, time_left: Callable[[], float]) -> dict[str, Any]:
    """Put a start into its pipeline's queue, unless it was made before; return the fields of its verdict.

    ``message`` is the SQS message that asks for it.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: the tables can't be asked or written now.

    """
    before = ledger.known([run.token]).get(run.token)
    if before and before.execution and before.message != door.BATCH:
        outcome = Outcome.STARTED if before.message == message else Outcome.DUPLICATE
        return {"outcome": outcome, "execution_arn": before.execution}
    skip = trigger.when_busy == "skip"
    queued = single.queue(run, trigger.first_id, target.same, message, connected(time_left), skip=skip)
    return {"batch": queued.batch, **_of_queued(queued)}


def _of_queued(queued: Queued) -> dict[str, Any]:
    if not queued.same_message:
        return {"outcome": Outcome.DUPLICATE, "reason": "another delivery brought the same event before"}
    if not queued.end:
        return {"outcome": Outcome.WAITING, "reason": "waits for its turn; triggers batches says for what"}
    if queued.end["outcome"] == Outcome.STARTED:
        return {"outcome": Outcome.STARTED, "execution_arn": queued.end["execution"]}
    return {"outcome": Outcome.DUPLICATE, "reason": f"ended {queued.end['outcome']} before"}
