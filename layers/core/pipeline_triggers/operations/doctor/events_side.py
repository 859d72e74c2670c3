"""Checks of what fires: buckets, rules, schedules, topics and their subscriptions, each held against its template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline_triggers.operations.check_account import switch_on_command
from pipeline_triggers.operations.doctor.deployment import Deployment, Resource, bus_of
from pipeline_triggers.operations.doctor.finding import command
from pipeline_triggers.operations.doctor.template import same
from pipeline_triggers.text import brief

# A problem and the command that fixes it.
Problem = tuple[str, str]

# What of a schedule its template decides. Scheduler refuses a start that has passed, so its bounds are not compared.
_SCHEDULE = ("State", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target")


def bucket_is_silent(deployment: Deployment) -> Iterator[Problem]:
    """Yield buckets that send no events to EventBridge, or do not exist."""
    for bucket, notifications in deployment.notifications.items():
        if notifications is None:
            yield f"bucket {bucket} does not exist", f"aws s3 mb s3://{bucket} && {switch_on_command(bucket)}"
        elif "EventBridgeConfiguration" not in notifications:
            yield f"bucket {bucket} does not send its events to EventBridge", switch_on_command(bucket)


def bucket_is_encrypted(deployment: Deployment) -> Iterator[Problem]:
    """Yield keys of buckets that do not let a handler read the metadata that its triggers look up.

    A key of AWS's own lets everybody who may read the bucket.
    """
    for bucket, key in deployment.bucket_keys.items():
        role = deployment.stack.resources["OnS3UploadRole"]
        if not deployment.may_decrypt(role, key):
            arn = f"arn:{deployment.home.partition}:iam::{deployment.home.account}:role/{role}"
            fix = command("kms", "create-grant", key_id=key, grantee_principal=arn, operations="Decrypt")
            yield f"bucket {bucket} is encrypted with {key}, which does not let {role} decrypt", fix


def rule_is_missing(deployment: Deployment) -> Iterator[Problem]:
    """Yield rules that somebody deleted; a deploy would not make them again."""
    for rule in deployment.rules:
        if (bus_of(rule), rule.id) not in deployment.listed_rules:
            fix = f"{_put_rule(rule)} && {_put_targets(rule, rule.expected['Targets'])}"
            yield f"{_rule(rule)} was deleted by hand", fix


def rule_is_disabled(deployment: Deployment) -> Iterator[Problem]:
    """Yield rules that were disabled by hand, or enabled."""
    for rule, live in _live(deployment):
        expected = rule.expected.get("State", "ENABLED")
        if live["State"] != expected:
            operation = "enable-rule" if expected == "ENABLED" else "disable-rule"
            fix = command("events", operation, name=rule.id, event_bus_name=bus_of(rule))
            yield f"{_rule(rule)} is {live['State']}; its document makes it {expected}", fix


def rule_matches_something_else(deployment: Deployment) -> Iterator[Problem]:
    """Yield rules whose pattern was changed by hand."""
    for rule, live in _live(deployment):
        if not same(json.loads(live.get("EventPattern") or "{}"), rule.expected["EventPattern"]):
            message = f"{_rule(rule)} was changed by hand: its pattern is {brief(live.get('EventPattern', ''))}"
            yield message, _put_rule(rule)


def rule_has_other_targets(deployment: Deployment) -> Iterator[Problem]:
    """Yield targets of rules that were removed, changed or added by hand, dead-letter queues among them."""
    for rule, _ in _live(deployment):
        expected = {target["Id"]: target for target in rule.expected["Targets"]}
        live = {target["Id"]: target for target in deployment.targets[bus_of(rule), rule.id]}
        for id_, target in expected.items():
            if id_ not in live:
                yield f"{_rule(rule)} lacks its target {id_}", _put_targets(rule, [target])
            elif names := _differences(target, live[id_], target.keys() | live[id_].keys()):
                message = f"{_rule(rule)} was changed by hand: {', '.join(names)} of its target {id_}"
                yield message, _put_targets(rule, [target])
        for id_ in live.keys() - expected.keys():
            fix = command("events", "remove-targets", rule=rule.id, event_bus_name=bus_of(rule), ids=[id_])
            yield f"{_rule(rule)} has a target {id_} that nobody deployed: {live[id_]['Arn']}", fix


def schedule_is_changed(deployment: Deployment) -> Iterator[Problem]:
    """Yield schedules that were deleted, disabled or changed by hand."""
    for schedule in deployment.schedules:
        live = deployment.existing_schedules[schedule.id]
        if live is None:
            yield f"{_schedule(schedule)} was deleted by hand", _write_schedule("create-schedule", schedule)
            continue
        expected = {"State": "ENABLED", "ScheduleExpressionTimezone": "UTC", **schedule.expected}
        if names := _differences(expected, {"ScheduleExpressionTimezone": "UTC", **live}, _SCHEDULE):
            said = "is DISABLED" if names == ["State"] and live["State"] == "DISABLED" else f"differs in {names[0]}"
            message = f"{_schedule(schedule)} was changed by hand: it {said}"
            yield message, _write_schedule("update-schedule", schedule)


def schedule_is_over(deployment: Deployment) -> Iterator[Problem]:
    """Yield schedules that never fire again."""
    now = datetime.now(UTC)
    for schedule in deployment.schedules:
        live = deployment.existing_schedules[schedule.id]
        end = live.get("EndDate") if live else None
        at = schedule.expected["ScheduleExpression"].removeprefix("at(").removesuffix(")")
        if end and end < now:
            yield (
                f"{_schedule(schedule)} is over since {end:%Y-%m-%d %H:%M}",
                "give it a later end, or remove it; deploy",
            )
        elif at != schedule.expected["ScheduleExpression"] and at < f"{now:%Y-%m-%dT%H:%M:%S}":
            yield f"{_schedule(schedule)} was due once, at {at}", "give it another time, or remove it; deploy"


def subscription_is_changed(deployment: Deployment) -> Iterator[Problem]:
    """Yield subscriptions that are gone, unconfirmed, or filter away what their trigger asks for."""
    for subscription, live in deployment.subscriptions:
        topic = subscription.expected["TopicArn"]
        if live is None:
            yield f"the subscription to {topic} was deleted by hand", _subscribe(subscription)
            continue
        if live.get("PendingConfirmation") == "true":
            yield f"the subscription to {topic} is unconfirmed", _subscribe(subscription)
            continue
        for name in ("FilterPolicy", "FilterPolicyScope", "RedrivePolicy"):
            expected, is_value = subscription.expected.get(name), live.get(name) or None
            if name == "FilterPolicyScope":
                if expected is None or expected == is_value:
                    continue
            elif same(expected or {}, json.loads(is_value or "{}")):
                continue
            fix = _set_attribute(live["SubscriptionArn"], name, expected)
            yield f"the subscription to {topic} was changed by hand: its {name} is {brief(is_value or 'none')}", fix


def topic_is_encrypted(deployment: Deployment) -> Iterator[Problem]:
    """Yield topics with a key that keeps AWS's services from publishing there."""
    for topic, attributes in deployment.topics:
        key = attributes.get("KmsMasterKeyId", "")
        expected = topic.expected.get("KmsMasterKeyId", "")
        if key != expected:
            fix = command(
                "sns",
                "set-topic-attributes",
                topic_arn=topic.id,
                attribute_name="KmsMasterKeyId",
                attribute_value=expected,
            )
            yield f"the topic {topic.id} was encrypted by hand with {key or 'nothing'}", fix


def _live(deployment: Deployment) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for rule in deployment.rules:
        if live := deployment.listed_rules.get((bus_of(rule), rule.id)):
            yield rule, live


def _rule(rule: Resource) -> str:
    return f"rule {rule.id} of {_about(rule)}"


def _schedule(schedule: Resource) -> str:
    return f"schedule {schedule.id} of {_about(schedule)}"


def _about(resource: Resource) -> str:
    """Return the trigger that a rule or schedule is of: descriptions begin with it."""
    return str(resource.expected.get("Description", "the stack")).partition(":")[0]


def _differences(expected: Mapping[str, Any], live: Mapping[str, Any], names: Any) -> list[str]:
    return sorted(name for name in names if not same(expected.get(name), live.get(name)))


def _put_rule(rule: Resource) -> str:
    return command(
        "events",
        "put-rule",
        name=rule.id,
        event_bus_name=bus_of(rule),
        event_pattern=json.dumps(rule.expected["EventPattern"]),
        state=rule.expected.get("State", "ENABLED"),
        description=rule.expected.get("Description", ""),
    )


def _put_targets(rule: Resource, targets: list[Any]) -> str:
    return command("events", "put-targets", rule=rule.id, event_bus_name=bus_of(rule), targets=targets)


def _write_schedule(operation: str, schedule: Resource) -> str:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    written = {name: value for name, value in schedule.expected.items() if name != "StartDate" or value > now}
    return command("scheduler", operation, cli_input_json={"Name": schedule.id, **written})


def _subscribe(subscription: Resource) -> str:
    expected = subscription.expected
    attributes = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name in ("FilterPolicyScope", "FilterPolicy", "RedrivePolicy")
        if (value := expected.get(name))
    }
    return command(
        "sns",
        "subscribe",
        topic_arn=expected["TopicArn"],
        protocol="sqs",
        notification_endpoint=expected["Endpoint"],
        attributes=attributes,
    )


def _set_attribute(arn: str, name: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value or {})
    return command(
        "sns", "set-subscription-attributes", subscription_arn=arn, attribute_name=name, attribute_value=text
    )
