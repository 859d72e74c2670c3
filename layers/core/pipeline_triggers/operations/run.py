"""A trigger is started by hand: send its handler what its rule would send, and wait for the verdicts."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events.envelope import from_rule
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import sources
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations import describe
from pipeline_triggers.operations.explain import check_shape, judge
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.operations.verdict_log import LoggedVerdict, verdicts

PAUSE = 1.0  # seconds between two looks at the log
CLOCKS_DIFFER_BY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was sent: its id, which its verdicts' log lines carry, and the handler's log group."""

    message_id: str
    log_group: str
    at: datetime


def message(stack: Stack, trigger: Trigger, event: Mapping[str, Any], *, again: bool) -> str:
    """Return the message by which the trigger's handler gets an event, as the trigger's rule or topic would send it.

    A trigger with several sources is given as one of them sees it (``Trigger.views``).

    An event that has started the trigger's pipelines before is a DUPLICATE. With ``again`` it counts as another event,
    and the executions' descriptions say so.
    """
    if trigger.when.source == "sns":
        # A stored envelope may come from another stack's topic.
        event = {**event, "TopicArn": sources.topic(trigger.when) or stack.resources["RequestsTopic"]}
    extra = {"part": trigger.part, "again": str(uuid.uuid4()) if again else ""}
    return json.dumps(
        {"trigger": trigger.id, "event": event, **{name: value for name, value in extra.items() if value}}
    )


def check(stack: Stack, trigger: Trigger, triggers: Iterable[Trigger], body: str) -> None:
    """Refuse a message that the trigger's handler would reject, and so keep in its dead-letter queue.

    What depends on something that this user may not read is left to the handler.

    Raises:
        Rejected: the event has another source, or can't start the pipelines; the message is the handler's own.

    """
    event = json.loads(body)["event"]
    check_shape(event)
    _check_source(trigger, event)
    by_id = {one.id: one for one in triggers}
    if trigger.when.source == "sns":
        arrivals = from_topic(stack.resources["RequestsTopic"], body, by_id)
    else:
        arrivals = from_rule(SOURCES[trigger.when.source].handler, body, by_id)
    try:
        explanations = [explanation for arrival in arrivals for explanation in judge(trigger, arrival)]
    except (BotoCoreError, ClientError):
        return
    if reasons := [explanation.reason or "" for explanation in explanations if explanation.outcome == "REJECTED"]:
        raise Rejected("; ".join(dict.fromkeys(reasons)))


def send(stack: Stack, trigger: Trigger, body: str) -> Sent:
    """Send a message to the trigger's handler.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the message could not be sent.

    """
    handler = SOURCES[trigger.when.source].handler
    answer = aws.sqs().send_message(QueueUrl=stack.resources[f"{handler}Queue"], MessageBody=body)
    return Sent(answer["MessageId"], stack.resources[f"{handler}LogGroup"], datetime.now(UTC))


def scheduled_now(stack: Stack, trigger: Trigger) -> dict[str, Any]:
    """Return what the trigger's schedule would send if it were due now.

    Raises:
        NotDeployed: the stack holds no schedule of this trigger, or none any more.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return scheduled_event(describe.schedule(stack, trigger), time, str(uuid.uuid4()))


def scheduled_event(schedule: Mapping[str, Any], time: str, execution: str) -> dict[str, Any]:
    """Return what a schedule, as GetSchedule describes it, sends when it is due at a time."""
    text = schedule["Target"]["Input"]
    filled = {"scheduled-time": time, "execution-id": execution, "schedule-arn": schedule["Arn"]}
    for name, value in filled.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    event: dict[str, Any] = json.loads(text)["event"]
    return event


def wait(sent: Sent, trigger: Trigger, patience: float) -> list[LoggedVerdict]:
    """Wait up to ``patience`` seconds for the final verdicts, and return the verdicts so far.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the log could not be read.

    """
    deadline = time.monotonic() + patience
    while True:
        logged = list(verdicts(sent.log_group, sent.at - CLOCKS_DIFFER_BY, message_id=sent.message_id))
        if are_final(logged, trigger) or time.monotonic() >= deadline:
            return logged
        time.sleep(PAUSE)


def are_final(logged: list[LoggedVerdict], trigger: Trigger) -> bool:
    """Whether no verdict is missing: each pipeline has its own, or there is one for all of them."""
    final = [one.verdict for one in logged if one.verdict.is_final]
    pipelines = {start.pipeline for start in trigger.start}
    decided = {verdict.pipeline for verdict in final}
    return None in decided or (bool(decided) if trigger.one_of else decided >= pipelines)


def _check_source(trigger: Trigger, event: Mapping[str, Any]) -> None:
    """Compare an event with the texts that the trigger's pattern asks for as its source and detail-type."""
    pattern = sources.pattern(trigger.when, str) or {}
    if pattern and event.get("Type") == "Notification":
        raise Rejected(f"this is a notification of SNS; {trigger.id} fires on EventBridge's events")
    for name in ("source", "detail-type"):
        accepted = pattern.get(name, [])
        if accepted and all(isinstance(text, str) for text in accepted) and event.get(name) not in accepted:
            raise Rejected(f"the event's {name} is {event.get(name)!r}; {trigger.id} fires on {' or '.join(accepted)}")
