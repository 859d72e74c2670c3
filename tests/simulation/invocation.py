"""What Lambda and SQS put around a handler, for tests that call it in their own process."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from pipeline_triggers import aws
from pipeline_triggers.delivery import line
from pipeline_triggers.models import Trigger
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import definition, deployed
from pipeline_triggers.telemetry import logger

from tests.simulation.network import refusal

# As template.yaml says.
TIME_OUT = 120
VISIBILITY = 720
MOST_RECEIVES = 600
RETENTION = 7 * 24 * 3600

ENVIRONMENT = {
    "STACK_NAME": "stack",
    "STAGE": "dev",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "ACCOUNT_ID": "123456789012",
    "QUEUE_URL": "https://sqs/queue",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "REQUESTS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:requests",
    "STATE_TABLE": "state",
    "BATCH_TABLE": "batches",
    "BATCH_QUEUE_URL": "https://sqs/batches",
    "BATCH_BUCKET": "batches",
    "HISTORY_TABLE": "history",
    "HISTORY_DAYS": "90",
    "EVENT_BUS": "stack",
    "GIVE_UP_AFTER_HOURS": "72",
    "TRIGGER_METRICS": "off",
}


def context(time_out: float = TIME_OUT) -> SimpleNamespace:
    """Return what Lambda says to a handler about its invocation: the function's time runs from now on."""
    ends_at = time.monotonic() + time_out
    return SimpleNamespace(
        function_name="handler",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:handler",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: int((ends_at - time.monotonic()) * 1000),
    )


def record(message_id: str, body: str, receives: int = 1, sent_at: float | None = None) -> dict[str, Any]:
    """Return an SQS record as Lambda hands it over; the times are Unix times."""
    sent = int((time.time() if sent_at is None else sent_at) * 1000)
    attributes = {"ApproximateReceiveCount": str(receives), "SentTimestamp": str(sent)}
    ids = {"messageId": message_id, "receiptHandle": f"handle of {message_id}", "eventSource": "aws:sqs"}
    return {**ids, "body": body, "attributes": attributes}


def sleeping(instead: Callable[[float], None], ours: Callable[[], bool] | None = None) -> Callable[[float], None]:
    """Return a ``time.sleep`` for this thread, or for ours; any other in the process sleeps as ever."""
    thread, sleep = threading.current_thread(), time.sleep

    def of_thread(seconds: float) -> None:
        is_ours = ours() if ours else threading.current_thread() is thread
        (instead if is_ours else sleep)(seconds)

    return of_thread


class AcceptAll:
    """Stands for an AWS that accepts everything and remembers only what it got."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.quarantined: list[dict[str, Any]] = []

    def call(self, _: BaseClient, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Accept a call; a start is denied if a parameter says so."""
        if operation == "StartPipelineExecution":
            if any(parameter["Value"] == "denied" for parameter in parameters["PipelineParameters"]):
                raise refusal("AccessDeniedException")(operation)
            self.started.append(parameters)
        if operation == "SendMessage":
            self.quarantined.append(parameters)
        return {"PipelineExecutionArn": "arn", "Items": [], "FailedEntryCount": 0}


@contextmanager
def accepting_all(triggers: Mapping[str, Trigger]) -> Iterator[AcceptAll]:
    """Put a world around the handlers in which nothing was started before, and any parameter is declared."""
    world = AcceptAll()
    with ExitStack() as stack:
        stack.enter_context(calling(world.call))
        stack.enter_context(patch.object(deployed, "triggers", lambda: triggers))
        stack.enter_context(patch.object(definition, "fit", lambda _pipeline, values, _version: dict(values)))
        yield world


def verdicts_of(function: Any, records: Sequence[Any]) -> list[dict[str, Any]]:
    """Let a handler's function handle records, ten at a time and all of them, and return the verdicts that it logs."""
    log = io.StringIO()
    with patch.object(logger.registered_handler, "stream", log), redirect_stdout(io.StringIO()):
        for first in range(0, len(records), 10):
            batch = {"Records": records[first : first + 10]}
            assert function.handler(batch, context()) == {"batchItemFailures": []}
    lines = [json.loads(line) for line in log.getvalue().split("\n") if line]
    assert {line["message"] for line in lines} == {"verdict"}
    return lines


@contextmanager
def calling(call: Callable[..., Any]) -> Iterator[None]:
    """Let the handlers' clients call this instead of AWS: a client, an operation, its parameters. Remember nothing."""
    made = _clients()
    definition._cache.clear()
    settings.cache_clear()
    line._flag.cache_clear()
    with ExitStack() as stack:
        stack.callback(settings.cache_clear)
        stack.enter_context(patch.dict(os.environ, ENVIRONMENT))
        stack.enter_context(patch.object(deployed, "limits", dict))
        stack.enter_context(patch.object(BaseClient, "_make_api_call", lambda *of_call: call(*of_call)))
        for name, client in made.items():
            stack.enter_context(patch.object(aws, name, lambda *_, client=client: client))
        yield


CLIENTS = ("dynamodb", "sagemaker", "starter", "sqs", "s3", "event_bus")


@cache
def _clients() -> Mapping[str, Any]:
    """Make the handlers' clients once: that takes longer than all else."""
    with patch.dict(os.environ, ENVIRONMENT):
        tables = {name: getattr(aws, name).__wrapped__("state") for name in ("table", "counters")}
        return {**tables, **{name: getattr(aws, name).__wrapped__() for name in CLIENTS}}
