"""What Lambda and SQS put around a handler, for tests that call it in their own process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError
from pipeline_triggers import aws
from pipeline_triggers.delivery import attempts
from pipeline_triggers.delivery import handler as delivery
from pipeline_triggers.models import Trigger
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import definition, ledger

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
    "GIVE_UP_AFTER_HOURS": "72",
}


def context() -> SimpleNamespace:
    """Return what Lambda tells a handler of its invocation: the function's time runs from now on."""
    ends_at = time.monotonic() + TIME_OUT
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


class TakesAll:
    """Stands for SageMaker and SQS, which take everything: what they get is looked at."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.quarantined: list[dict[str, Any]] = []

    def start_pipeline_execution(self, **call: Any) -> dict[str, str]:
        """Take a start, unless a parameter says to deny it."""
        if any(parameter["Value"] == "denied" for parameter in call["PipelineParameters"]):
            error: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(error, "StartPipelineExecution")
        self.started.append(call)
        return {"PipelineExecutionArn": "arn"}

    def send_message(self, **call: Any) -> None:
        """Take a rejected message."""
        self.quarantined.append(call)


@contextmanager
def taking_all(deployed: Mapping[str, Trigger]) -> Iterator[TakesAll]:
    """Put a world around the handlers in which nothing was started before, and any parameter is declared."""
    world = TakesAll()
    settings.cache_clear()
    with ExitStack() as stack:
        stack.callback(settings.cache_clear)
        stack.enter_context(patch.dict(os.environ, ENVIRONMENT))
        for target, name, instead in (
            (delivery, "triggers", lambda: deployed),
            (definition, "fit", lambda _, values: dict(values)),
            (ledger, "begin", lambda token, _, message: ledger.Entry(token, "", 0, message)),
            (ledger, "resume", lambda *_: None),
            (ledger, "count", lambda *_: "hour"),
            *((ledger, name, lambda *_: None) for name in ("record", "release", "uncount")),
            (attempts, "read", lambda *_: attempts.NONE),
            *((attempts, name, lambda *_, **__: None) for name in ("begin", "waits", "failed", "decided")),
            (aws, "starter", lambda: world),
            (aws, "sqs", lambda: world),
        ):
            stack.enter_context(patch.object(target, name, instead))
        yield world
