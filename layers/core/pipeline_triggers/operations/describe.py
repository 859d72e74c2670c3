"""What is deployed of a trigger, as AWS itself describes it: its rule, its schedule or its subscription."""

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

    ``kind`` is rule, schedule or subscription. ``fires`` says on what: a bus and a pattern; an expression with its zone
    and bounds; or a topic. ``role`` is what EventBridge assumes for its targets; queues need none.
    """

    kind: str
    arn: str
    state: str
    fires: Mapping[str, str]
    targets: tuple[str, ...]
    role: str | None = None


def deployed(stack: Stack, trigger: Trigger) -> Deployed:
    """Ask AWS what a deployed stack holds of a trigger, or of one of its sources (``Trigger.views``).

    Raises:
        NotDeployed: it holds nothing of this trigger.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    compiled = _compiled(stack)
    if trigger.when.source == "sns":
        return _subscription(trigger, stack, compiled)
    if trigger.when.source == "schedule":
        return _schedule(schedule(stack, trigger))
    return _rule(_physical(trigger, "Rule", stack, compiled), trigger.when.fields.get("bus", "default"))


def schedule(stack: Stack, trigger: Trigger) -> Mapping[str, Any]:
    """Return GetSchedule's answer for a trigger on a schedule.

    Raises:
        NotDeployed: the stack holds no schedule of this trigger, or none any more.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    name = _physical(trigger, "Schedule", stack, _compiled(stack))
    return aws.scheduler().get_schedule(Name=name, GroupName=stack.resources["ScheduleGroup"])


def log_group(stack: Stack, trigger: Trigger) -> str:
    """Return the log group that holds the verdicts of a trigger."""
    return stack.resources[f"{SOURCES[trigger.when.source].handler}LogGroup"]


BATCH_LOG = "OnBatchLogGroup"  # holds the verdicts of batches, and of what waited for its turn


def _compiled(stack: Stack) -> Mapping[str, str]:
    # CloudFormation accepts a stack's ARN as its name.
    return stacks.stack(stack.resources["TriggersStack"]).resources


def _physical(trigger: Trigger, kind: str, stack: Stack, compiled: Mapping[str, str]) -> str:
    physical_id = compiled.get(logical_id(trigger.view_id, kind))
    if physical_id is None:
        over = "; a schedule that is over is not deployed again" if kind == "Schedule" else ""
        raise NotDeployed(f"stack {stack.name} holds no {kind.lower()} of {trigger.id}; deploy it{over}")
    return physical_id


def _rule(physical_id: str, bus: str) -> Deployed:
    # On a bus of its own, a rule's physical id is <bus>|<name>.
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


def _schedule(schedule: Mapping[str, Any]) -> Deployed:
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
        fires={name: value for name, value in fires.items() if value},
        targets=(schedule["Target"]["Arn"],),
        role=schedule["Target"]["RoleArn"],
    )


def _iso(moment: Any) -> str:
    return moment.isoformat() if moment else ""


def _subscription(trigger: Trigger, stack: Stack, compiled: Mapping[str, str]) -> Deployed:
    topic = sources.topic(trigger.when) or stack.resources["RequestsTopic"]
    # A subscription's ARN is its topic's with an id behind it.
    arns = [arn for name, arn in compiled.items() if name.endswith("Subscription") and f"{topic}:" in arn]
    if not arns:
        raise NotDeployed(f"stack {stack.name} does not subscribe to the topic {topic}; deploy {trigger.id}")
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
