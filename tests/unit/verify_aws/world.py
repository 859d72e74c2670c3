"""An account in moto that answers as AWS would, or as it should not, where moto has no answer.

``answers`` take the place of an operation; ``reactions`` come after one, as the events do that AWS sends then.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from unittest.mock import Mock

import boto3

from tests.localaws import REGION
from tests.unit.verify_aws.missing import Answer, Missing, Parameters, Refused
from tests.verify_aws.account import NAME, Account

Reaction = Callable[["World", Parameters, Mapping[str, Any]], None]


class Killed(BaseException):
    """Stands for Ctrl-C and for a lost laptop: nothing of the run continues."""


class World(Account):
    """An account without waiting, whose run is killed before the nth call, or after it if n is negative."""

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        reactions: Mapping[str, Reaction] | None = None,
        *,
        missing: Missing | None = None,
        kill_at: int = 0,
        **options: Any,
    ) -> None:
        self.missing = missing or Missing()
        self.answers = {**self.missing.answers(), **(answers or {})}
        self.reactions = reactions or {}
        self.kill_at, self.made = 0, list[str]()  # what was asked of AWS
        WORLDS[:] = [self]
        super().__init__(_session(), pace=0, _clients=_clients(), **options)
        self.kill_at, self.made = kill_at, []

    def before(self, operation: str, asked: Parameters) -> Any:
        """Answer, or leave it to moto."""
        self.made.append(operation)
        if len(self.made) == self.kill_at:
            raise Killed
        if operation not in self.answers:
            return None
        try:
            return Mock(status_code=200), {"ResponseMetadata": {}, **self.answers[operation](asked)}
        except Refused as refused:
            error = {"Code": refused.code, "Message": refused.message}
            return Mock(status_code=400), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    def after(self, operation: str, asked: Parameters, parsed: Parameters) -> None:
        """React."""
        if len(self.made) == -self.kill_at:
            raise Killed
        if "Error" not in parsed and operation in self.reactions:
            self.reactions[operation](self, asked, parsed)

    def deliver(self, queue: str, event: Any, attributes: Mapping[str, str] | None = None) -> None:
        """Put an event into the queue of a probe, as EventBridge or Scheduler does."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=f"{NAME}-{queue}")["QueueUrl"]
        named = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event), MessageAttributes=named)


def payload(answer: Any) -> Answer:
    """Answer as a function does."""
    return lambda _: {"Payload": io.BytesIO(json.dumps(answer).encode())}


# Clients take longer to make than most probes: all worlds share them, and the latest one answers.
WORLDS: list[World] = []


@cache
def _session() -> boto3.Session:
    session = boto3.Session("test", "test", region_name=REGION)
    session.events.register("provide-client-params", _note)
    session.events.register("before-call", lambda model, context, **_: WORLDS[-1].before(model.name, context["asked"]))
    session.events.register(
        "after-call", lambda model, context, parsed, **_: WORLDS[-1].after(model.name, context["asked"], parsed)
    )
    return session


@cache
def _clients() -> dict[str, Any]:
    return {}


def _note(params: Parameters, context: dict[str, Any], **_: Any) -> None:
    context["asked"] = params
