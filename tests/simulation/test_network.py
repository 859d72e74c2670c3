"""The model of the network and of botocore's retries: it does what the real botocore does."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any
from unittest.mock import patch

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError, ClientError
from pipeline_triggers import aws

from tests.clients import forget_clients
from tests.simulation.invocation import ENVIRONMENT
from tests.simulation.network import MISHAPS, with_retries

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "sagemaker": ("describe_pipeline", {"PipelineName": "train"}),
    "starter": (
        "start_pipeline_execution",
        {"PipelineName": "train", "PipelineParameters": [], "ClientRequestToken": "t" * 64},
    ),
    "table": ("get_item", {"Key": {"id": "x"}}),
    "counters": ("get_item", {"Key": {"id": "x"}}),
    "sqs": ("send_message", {"QueueUrl": "https://sqs/queue", "MessageBody": "x"}),
}

# What happens to the first requests; nothing happens to the next.
SEQUENCES = [
    *((name,) * times for name in MISHAPS for times in (1, 2, 3)),
    *itertools.permutations(["no reply", "throttled", "TLS broke"], 2),
]


class Body:
    """What is read of an answer."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, *_: Any) -> bytes:
        """Return all of it, once."""
        content, self.content = self.content, b""
        return content

    def stream(self, *_: Any, **__: Any) -> Any:
        """Give all of it."""
        yield self.read()


def answer(error: ClientError | None = None) -> AWSResponse:
    """Return an answer as it comes over the network, in each protocol that these services speak."""
    status, content = 200, {}
    if error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        content = {"__type": code, "message": "no"}
    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse("https://aws", status, headers, Body(json.dumps(content).encode()))  # type: ignore[arg-type]


def really(client: Any, sequence: tuple[str, ...]) -> tuple[int, str]:
    """Let botocore itself make the call; return how many requests it makes, and what the call comes to."""
    name, arguments = CALLS[client]
    forget_clients()
    made = getattr(aws, client)(*["state"] * (client in ("table", "counters")))
    requests: list[str] = []

    def send(request: Any, **_: Any) -> AWSResponse:
        requests.append(request.method)
        if len(requests) > len(sequence):
            return answer()
        error = MISHAPS[sequence[len(requests) - 1]].error(name)
        if isinstance(error, ClientError):
            return answer(error)
        raise error

    meta = made.client.meta if client in ("table", "counters") else made.meta
    meta.events.register("before-send", send)
    return outcome(lambda: getattr(made, name)(**arguments), requests)


def modelled(client: Any, sequence: tuple[str, ...]) -> tuple[int, str]:
    """Let the model make the call."""
    name, _ = CALLS[client]
    made = getattr(aws, client)(*["state"] * (client in ("table", "counters")))
    meta = made.client.meta if client in ("table", "counters") else made.meta
    requests: list[str] = []

    def request(attempt: int) -> None:
        requests.append(name)
        if attempt <= len(sequence):
            raise MISHAPS[sequence[attempt - 1]].error(name)

    return outcome(lambda: with_retries(meta.config, request, lambda: 0, lambda _: None), requests)


def outcome(call: Any, requests: list[str]) -> tuple[int, str]:
    """Return how many requests a call makes, and its error's kind."""
    try:
        call()
    except ClientError as error:
        return len(requests), error.response["Error"]["Code"]
    except BotoCoreError as error:
        return len(requests), type(error).__name__
    return len(requests), "done"


@pytest.mark.parametrize("client", CALLS)
def test_the_model_retries_what_botocore_retries(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests, and the same error in the end, for each client as the handlers configure it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with patch.object(time, "sleep", lambda _: None):
        for sequence in SEQUENCES:
            assert really(client, sequence) == modelled(client, sequence), sequence
