"""What is deployed of a trigger, as AWS itself tells it: its rule, its schedule or its subscription."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.compile.cloudformation import logical_id
from pipeline_triggers.language import sources
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.stacks import NotDeployed, Stack


@dataclass(frozen=True, slots=True)
class Deployed:
    """What fires a trigger, and what it reaches.

    ``kind`` is rule, schedule or subscription. ``fires`` holds what says when: a bus and a pattern; an expression,
    its zone and bounds; or a topic. ``role`` is what EventBridge assumes for its targets, which queues need not.
    """

    kind: str
    arn: str
    state: str
    fires: Mapping[str, str]
    targets: tuple[str, ...]
    role: str | None = None


def describe(stack: Stack, trigger: Trigger) -> Deployed:
    """Ask AWS for what a deployed stack holds of a trigger.

    Raises:
        NotDeployed: it holds nothing of this trigger.
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    compiled = _compiled(stack)
    if trigger.when.source == "sns":
        return _subscription(trigger, stack, compiled)
    if trigger.when.source == "schedule":
        return _described(schedule(stack, trigger))
    return _rule(_physical(trigger, "Rule", stack, compiled), trigger.when.fields.get("bus", "default"))


def schedule(stack: Stack, trigger: Trigger) -> Mapping[str, Any]:
    """Return what GetSchedule answers for a trigger on a schedule.

    Raises:
        NotDeployed: the stack holds no schedule of this trigger, or none any more.
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    name = _physical(trigger, "Schedule", stack, _compiled(stack))
    return aws.scheduler().get_schedule(Name=name, GroupName=stack.resources["ScheduleGroup"])


def log_group(stack: Stack, trigger: Trigger) -> str:
    """Return where the verdicts of a trigger stand."""
    return stack.resources[f"{SOURCES[trigger.when.source].handler}LogGroup"]


def _compiled(stack: Stack) -> Mapping[str, str]:
    # CloudFormation takes a stack's ARN for its name.
    return stacks.stack(stack.resources["TriggersStack"]).resources


def _physical(trigger: Trigger, kind: str, stack: Stack, compiled: Mapping[str, str]) -> str:
    found = compiled.get(logical_id(trigger.id, kind))
    if found is None:
        over = "; a schedule that is over is not made again" if kind == "Schedule" else ""
        raise NotDeployed(f"stack {stack.name} holds no {kind.lower()} of {trigger.id}; deploy it{over}")
    return found


def _rule(physical_id: str, bus: str) -> Deployed:
    # That of a rule on a bus of its own is <bus>|<name>.
    name = physical_id.rpartition("|")[2]
    rule = aws.events().describe_rule(Name=name, EventBusName=bus)
    targets = aws.events().list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]  # five at most
    roles = [target["RoleArn"] for target in targets if "RoleArn" in target]
    return Deployed(
        kind="rule",
        arn=rule["Arn"],
        state=rule["State"],
        fires={"bus": rule.get("EventBusName", bus), "pattern": rule["EventPattern"]},
        targets=tuple(target["Arn"] for target in targets),
        role=roles[0] if roles else None,
    )


def _described(schedule: Mapping[str, Any]) -> Deployed:
    window = schedule["FlexibleTimeWindow"]
    fires = {
        "expression": schedule["ScheduleExpression"],
        "timezone": schedule.get("ScheduleExpressionTimezone", "UTC"),
        "start": _iso(schedule.get("StartDate")),
        "end": _iso(schedule.get("EndDate")),
        "jitter": f"{window['MaximumWindowInMinutes']} minutes" if "MaximumWindowInMinutes" in window else "",
    }
    return Deployed(
        kind="schedule",
        arn=schedule["Arn"],
        state=schedule["State"],
        fires={name: told for name, told in fires.items() if told},
        targets=(schedule["Target"]["Arn"],),
        role=schedule["Target"]["RoleArn"],
    )


def _iso(moment: Any) -> str:
    return moment.isoformat() if moment else ""


def _subscription(trigger: Trigger, stack: Stack, compiled: Mapping[str, str]) -> Deployed:
    topic = sources.topic(trigger.when) or stack.resources["RequestsTopic"]
    # A subscription's ARN is its topic's, and an id.
    arns = [found for name, found in compiled.items() if name.endswith("Subscription") and f"{topic}:" in found]
    if not arns:
        raise NotDeployed(f"stack {stack.name} subscribes to no topic {topic}; deploy {trigger.id}")
    attributes = aws.sns(topic.split(":")[3]).get_subscription_attributes(SubscriptionArn=arns[0])["Attributes"]
    queue = aws.sqs().get_queue_attributes(QueueUrl=stack.resources["OnSnsMessageQueue"], AttributeNames=["QueueArn"])
    policy = attributes.get("FilterPolicy")
    return Deployed(
        kind="subscription",
        arn=arns[0],
        state="PENDING" if attributes.get("PendingConfirmation") == "true" else "ENABLED",
        fires={"topic": topic, **({"filter": json.dumps(json.loads(policy))} if policy else {})},
        targets=(queue["Attributes"]["QueueArn"],),
    )
