"""The deployed handlers on an AWS in memory, minute by minute: events in, executions and verdicts out."""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from pipeline_triggers.batches import pauses
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table as Batches
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.starts import definition, deployed
from pipeline_triggers.telemetry import logger

from functions import on_batch, on_endpoint_status, on_event, on_s3_upload
from tests.simulation.batch_table import MemoryTable
from tests.simulation.dynamodb_model import Table
from tests.simulation.invocation import ENVIRONMENT, calling, context, record

START = datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()
HANDLERS: Mapping[str, Any] = {
    "OnS3Upload": on_s3_upload.handler,
    "OnEndpointStatus": on_endpoint_status.handler,
    "OnEvent": on_event.handler,
}
ACCOUNT = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline"


@dataclass
class Execution:
    """An execution; it runs until the player ends it."""

    arn: str
    pipeline: str
    parameters: dict[str, str]
    token: str
    description: str
    started_at: float
    status: str = "Executing"


@dataclass
class Player:
    """What is deployed, and what has come of it."""

    triggers: Mapping[str, Trigger]
    limits: Mapping[str, Limits]
    now: float = START
    executions: list[Execution] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    put: list[dict[str, Any]] = field(default_factory=list)  # on the stack's bus
    looks: int = 0  # at executions
    _steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = Table(lambda: self.now)
        self.table = MemoryTable(lambda: self.now)
        self.history = MemoryTable(lambda: self.now)

    # ---- What happens

    def upload(self, trigger: str, *keys: str) -> None:
        """Upload files for a trigger, or for its part with an upload."""
        (view,) = (view for view in self.triggers[trigger].views() if view.when.source == "s3")
        for key in keys:
            event = self._sample(view)
            event["detail"]["bucket"]["name"] = view.when.fields["bucket"]
            event["detail"]["object"] |= {"key": key, "sequencer": f"{int(self.now * 1000):016x}"}
            self.happen(view, event)

    def _sample(self, view: Trigger) -> dict[str, Any]:
        occurrence = sample(view.when)
        assert occurrence
        moment = datetime.fromtimestamp(self.now, UTC)
        return copy.deepcopy(dict(occurrence.event)) | {"id": str(uuid.uuid4()), "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}

    def send(self, trigger: str, source: str, **changed: Any) -> None:
        """Let a source send its sample event, with changed details."""
        (view,) = (view for view in self.triggers[trigger].views() if view.when.source == source)
        event = self._sample(view)
        event["detail"] |= changed
        self.happen(view, event)

    def happen(self, view: Trigger, event: Mapping[str, Any]) -> None:
        """Let a rule hand an event to its handler, which has to end with it."""
        part = {"part": view.part} if view.part else {}
        body = json.dumps({"trigger": view.id, "event": event, **part})
        self._invoke(HANDLERS[SOURCES[view.when.source].handler], body)
        self._work()

    def fire(self, trigger: str) -> None:
        """Let a trigger's schedule fire now."""
        view = self.triggers[trigger]
        event = self._sample(view)
        event["time"] = f"{datetime.fromtimestamp(self.now, UTC):%Y-%m-%dT%H:%M:%SZ}"
        event["detail"] |= {"trigger": trigger}
        self.happen(view, event)

    def deadline(self, trigger: str, moment: str) -> None:
        """Let a deadline's schedule fire; it is judged a minute later."""
        self.now = max(self.now, datetime.fromisoformat(moment).timestamp() + 61)
        self._steps.append(json.dumps({"deadline": trigger, "scheduled": moment}))
        self._work()

    def minutes(self, number: int) -> None:
        """Let time pass, with a sweep each minute."""
        for _ in range(number):
            self.now += 60
            moment = datetime.fromtimestamp(self.now, UTC)
            self._steps.append(json.dumps({"sweep": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}))
            self._work()

    def end(self, pipeline: str, status: str = "Succeeded", events: int = 1) -> None:
        """End the oldest running execution of a pipeline, and let EventBridge report it, so many times."""
        execution = next(one for one in self.executions if one.pipeline == pipeline and one.status == "Executing")
        execution.status = status
        detail = {"pipelineArn": f"{ACCOUNT}/{pipeline}", "pipelineExecutionArn": execution.arn}
        self._steps += [json.dumps({"detail": detail | {"currentPipelineExecutionStatus": status}})] * events
        self._work()

    def pause(self, kind: str, name: str, until: float | None = None) -> None:
        """Pause, as the command does."""
        table = Batches(self.table, "batches")
        ends = None if until is None else int(until)
        pauses.pause(Pause(kind, name, ends, "me", "test", int(self.now)), Store(table), Records(table))
        self.now += 31  # handlers remember the pauses for half a minute

    def resume(self, kind: str, name: str) -> None:
        """Resume, as the command does."""
        assert pauses.resume(kind, name, Records(Batches(self.table, "batches")))

    # ---- What came of it

    def running(self, pipeline: str) -> list[Execution]:
        """Return the executions of a pipeline that run."""
        return [one for one in self.executions if one.pipeline == pipeline and one.status == "Executing"]

    def parameters(self, pipeline: str) -> list[dict[str, str]]:
        """Return what each execution of a pipeline was started with, in order."""
        return [one.parameters for one in self.executions if one.pipeline == pipeline]

    def outcomes(self, trigger: str) -> list[str]:
        """Return a trigger's verdicts so far, in order."""
        return [str(verdict["outcome"]) for verdict in self.verdicts if verdict["trigger"] == trigger]

    def manifest(self, uri: str) -> list[Any]:
        """Return what a manifest holds."""
        entries: list[Any] = json.loads(self.files[uri])
        return entries

    # ---- Lambda and AWS

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put this AWS around the handlers."""
        with ExitStack() as stack:
            stack.enter_context(calling(self._called))
            for target, name, instead in (
                (sys, "stdout", StringIO()),  # where metrics go
                (deployed, "triggers", lambda: self.triggers),
                (deployed, "limits", lambda: self.limits),
                (deployed, "manifest_bucket", lambda: ENVIRONMENT["BATCH_BUCKET"]),
                (definition, "fit", lambda _, values, __: dict(values)),
                (logger.registered_handler, "emit", self._note),
                (time, "time", lambda: self.now),
                (time, "sleep", lambda _: None),
            ):
                stack.enter_context(patch.object(target, name, instead))
            yield

    def _invoke(self, handler: Any, body: str) -> bool:
        failed = handler({"Records": [record(str(uuid.uuid4()), body, sent_at=self.now)]}, context())
        return not failed["batchItemFailures"]

    def _work(self) -> None:
        """Let ``on_batch`` process its messages, and what they ask for in turn."""
        while self._steps:
            body = self._steps.pop(0)
            assert self._invoke(on_batch.handler, body), (body, self.verdicts[-1:])

    def _note(self, line: logging.LogRecord) -> None:
        if line.getMessage() == "verdict":
            self.verdicts.append({name: getattr(line, name, None) for name in _VERDICT})
        elif line.exc_info:
            raise AssertionError(line.getMessage()) from line.exc_info[1]

    def _called(self, _: BaseClient, operation: str, call: dict[str, Any]) -> Any:
        """Carry out a call to AWS."""
        if operation in ("GetItem", "BatchGetItem") and "batches" in (
            call.get("TableName"),
            *call.get("RequestItems", ()),
        ):
            return self.table.get_item(**call) if operation == "GetItem" else self.table.batch_get_item(**call)
        if call.get("TableName") == ENVIRONMENT["HISTORY_TABLE"]:
            return getattr(self.history, _SNAKE[operation])(**call)
        match operation:
            case "Query":
                return self.table.query(**call)
            case "TransactWriteItems":
                return self.table.transact_write_items(**call)
            case "BatchWriteItem" if ENVIRONMENT["HISTORY_TABLE"] in call["RequestItems"]:
                return self.history.batch_write_item(**call)
            case "BatchWriteItem":
                return self.table.batch_write_item(**call)
            case "BatchGetItem":
                ((name, request),) = call["RequestItems"].items()
                answers = [self.state.get_item(key, ConsistentRead=True) for key in request["Keys"]]
                return {"Responses": {name: [answer["Item"] for answer in answers if answer]}}
            case "PutItem" | "GetItem" | "UpdateItem" | "DeleteItem":
                known = {name: value for name, value in call.items() if name != "TableName"}
                return getattr(self.state, _SNAKE[operation])(**known)
            case "SendMessageBatch":
                self._steps += [entry["MessageBody"] for entry in call["Entries"]]
            case "SendMessage":
                assert call["QueueUrl"] == ENVIRONMENT["DEAD_LETTER_QUEUE_URL"]
                self.dead.append(call["MessageBody"])
            case "PutObject":
                self.files[f"s3://{call['Bucket']}/{call['Key']}"] = call["Body"].decode()
            case "StartPipelineExecution":
                return self._start(call)
            case "DescribePipelineExecution":
                (one,) = (one for one in self.executions if one.arn == call["PipelineExecutionArn"])
                self.looks += 1
                return {"PipelineExecutionStatus": one.status}
            case "PutEvents":
                self.put += [json.loads(entry["Detail"]) for entry in call["Entries"]]
                return {"FailedEntryCount": 0}
            case "ListPipelineExecutions":
                return {"PipelineExecutionSummaries": [_summary(one) for one in self._listed(call["PipelineName"])]}
            case "ChangeMessageVisibility":
                pass
            case _:
                raise AssertionError(f"{operation} is not expected")
        return {}

    def _listed(self, pipeline: str) -> list[Execution]:
        return [one for one in self.executions if one.pipeline == pipeline]

    def _start(self, call: Mapping[str, Any]) -> dict[str, str]:
        pipeline = call["PipelineName"]
        token = call["ClientRequestToken"]
        if not any(one.token == token for one in self._listed(pipeline)):
            arn = f"{ACCOUNT}/{pipeline}/execution/{len(self.executions):012d}"
            parameters = {one["Name"]: one["Value"] for one in call["PipelineParameters"]}
            description = call.get("PipelineExecutionDescription", "")
            self.executions.append(Execution(arn, pipeline, parameters, token, description, self.now))
        return {"PipelineExecutionArn": next(one.arn for one in self._listed(pipeline) if one.token == token)}


_SNAKE = {
    "PutItem": "put_item",
    "GetItem": "get_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "Query": "query",
}
_VERDICT = ("outcome", "trigger", "pipeline", "reason", "batch", "subject", "execution_arn")


def _summary(one: Execution) -> dict[str, Any]:
    return {
        "PipelineExecutionArn": one.arn,
        "PipelineExecutionStatus": one.status,
        "StartTime": datetime.fromtimestamp(one.started_at, UTC),
        "PipelineExecutionDescription": one.description,
    }
