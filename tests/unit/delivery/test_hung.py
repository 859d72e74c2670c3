"""AWS accepts connections and answers nothing: a function ends in time, and gives back only what is left."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config
from pipeline_triggers import aws
from pipeline_triggers.delivery import line, recording
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import definition, deployed, start

from functions import on_s3_upload
from tests.simulation.dynamodb_model import Table
from tests.simulation.faults import ONE
from tests.simulation.invocation import ENVIRONMENT, TIME_OUT, context, record

FASTER = 50  # times, all that takes time; the proportions are the handler's own

CLIENTS = (aws.sagemaker, aws.starter, aws.sqs, aws.table, aws.counters)


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handler's own clients, at a server that answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(deployed, "triggers", lambda: {ONE.id: ONE})
        monkeypatch.setattr(deployed, "limits", dict)
        monkeypatch.setattr(definition, "_cache", {})
        for name in ("_CONFIG", "_QUICK"):
            config: Any = getattr(aws, name)
            times = {"connect_timeout": config.connect_timeout / FASTER, "read_timeout": config.read_timeout / FASTER}
            monkeypatch.setattr(aws, name, config.merge(Config(**times)))
        monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(seconds / FASTER))
        settings.cache_clear()
        line._flag.cache_clear()
        for client in CLIENTS:
            client.cache_clear()
        # Making a client takes time, which a warm function has spent before.
        _ = aws.sagemaker(), aws.starter(), aws.sqs(), aws.table(ENVIRONMENT["STATE_TABLE"])
        yield
        settings.cache_clear()
        for client in CLIENTS:
            client.cache_clear()


def handled(keys: str) -> tuple[list[str], float]:
    """Let a function handle a batch, and return which messages come back, and how much of its time is left."""
    began = time.monotonic()

    def left() -> float:
        return TIME_OUT - (time.monotonic() - began) * FASTER

    faster = {**vars(context()), "get_remaining_time_in_millis": lambda: left() * 1000}
    answer = on_s3_upload.handler({"Records": [message(key) for key in keys]}, SimpleNamespace(**faster))  # type: ignore[arg-type]
    return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]], left()


def message(key: str) -> dict[str, Any]:
    """Return a message of an upload, with the key as its id."""
    event = {"id": key, "detail": {"bucket": {"name": "raw"}, "object": {"key": key, "etag": "e"}}}
    return record(key, json.dumps({"trigger": ONE.id, "event": event}))


@pytest.mark.usefixtures("hung")
def test_when_nothing_answers_all_comes_back_in_time() -> None:
    """The next function tries again, and nothing was begun that was not ended."""
    failed, left = handled("abcdefghij")
    assert failed == list("abcdefghij")
    assert left > 2


@pytest.mark.usefixtures("hung")
def test_an_earlier_start_stays_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only SageMaker and SQS answer nothing; what the ledger knows needs neither, the rest comes back."""
    table = Table(time.time)
    for name in ("table", "counters"):
        monkeypatch.setattr(aws, name, lambda _: table)
    monkeypatch.setattr(line, "is_for", lambda *_: False)
    monkeypatch.setattr(recording, "record", lambda _: None)
    with monkeypatch.context() as healthy:
        healthy.setattr(start, "execute", lambda run, *_: f"arn:{run.parameters['Key']}")
        healthy.setattr(definition, "fit", lambda _pipeline, values, _version: dict(values))
        assert handled("a")[0] == []
    failed, left = handled("abcdefghij")
    assert failed == list("bcdefghij")
    assert left > 2
