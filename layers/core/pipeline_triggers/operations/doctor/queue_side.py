"""Checks of what takes events: queues, functions and their grants, each held against its template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.operations.doctor.deployment import Deployment, Resource
from pipeline_triggers.operations.doctor.finding import command
from pipeline_triggers.operations.doctor.template import same, same_policy
from pipeline_triggers.text import brief

Problem = tuple[str, str]

MAX_IN_FLIGHT = 120_000  # messages of a queue; beyond that SQS hands out none
NEAR = 0.8  # of that

LATELY = timedelta(minutes=15)  # for errors and throttles, which pass
A_DAY = timedelta(days=1)  # for denials, which do not


def queue_refuses(deployment: Deployment) -> Iterator[Problem]:
    """Yield queues whose policy was changed by hand, so that rules or topics may not send there."""
    for policy in deployment.resources("AWS::SQS::QueuePolicy"):
        for url in policy.expected["Queues"]:
            live = json.loads(deployment.queues[url].get("Policy") or "{}")
            if not same_policy(live, policy.expected["PolicyDocument"]):
                document = json.dumps(policy.expected["PolicyDocument"])
                yield f"the policy of queue {_name(url)} was changed by hand", _set_queue(url, Policy=document)


def queue_is_encrypted(deployment: Deployment) -> Iterator[Problem]:
    """Yield queues with a key by which AWS's services can't send there."""
    for queue in deployment.resources("AWS::SQS::Queue"):
        key = deployment.queues[queue.id].get("KmsMasterKeyId", "")
        expected = queue.expected.get("KmsMasterKeyId", "")
        if key != expected:
            sse = {} if expected else {"SqsManagedSseEnabled": "true"}
            fix = _set_queue(queue.id, KmsMasterKeyId=expected, **sse)
            yield f"queue {_name(queue.id)} was encrypted by hand with {key or 'another key'}", fix


def queue_keeps_nothing(deployment: Deployment) -> Iterator[Problem]:
    """Yield queues that were separated from their dead-letter queues by hand."""
    for queue in deployment.resources("AWS::SQS::Queue"):
        expected = queue.expected.get("RedrivePolicy")
        live = json.loads(deployment.queues[queue.id].get("RedrivePolicy") or "null")
        if not same(expected, live):
            fix = _set_queue(queue.id, RedrivePolicy=json.dumps(expected) if expected else "")
            yield f"the dead-letter settings of queue {_name(queue.id)} were changed by hand", fix


def queue_is_not_read(deployment: Deployment) -> Iterator[Problem]:
    """Yield event source mappings that are off: events wait in their queue, at most for seven days."""
    client = aws.patient("lambda")
    for mapping in deployment.resources("AWS::Lambda::EventSourceMapping"):
        state = client.get_event_source_mapping(UUID=mapping.id)["State"]
        if state in ("Disabled", "Disabling"):
            fix = command("lambda", "update-event-source-mapping", uuid=mapping.id, enabled=True)
            yield f"function {mapping.expected['FunctionName']} reads nothing: its mapping is {state}", fix


def function_may_not_run(deployment: Deployment) -> Iterator[Problem]:
    """Yield functions to which somebody left no concurrency."""
    for function, live in deployment.functions:
        reserved = function.expected.get("ReservedConcurrentExecutions")
        if live["Reserved"] == 0 and reserved != 0:
            fix = command("lambda", "delete-function-concurrency", function_name=function.id)
            yield f"function {function.id} may not run: its reserved concurrency is 0", fix


def function_is_changed(deployment: Deployment) -> Iterator[Problem]:
    """Yield functions that can't run, and those with other layers or variables than were deployed."""
    for function, live in deployment.functions:
        if live.get("State") == "Failed" or live.get("LastUpdateStatus") == "Failed":
            yield (
                f"function {function.id} can't run: {live.get('StateReason', 'its last update failed')}",
                "make deploy",
            )
        variables = function.expected["Environment"]["Variables"]
        if not same(variables, live.get("Environment", {}).get("Variables", {})):
            fix = _update_function(function, environment={"Variables": variables})
            yield f"the environment of function {function.id} was changed by hand", fix
        layers = function.expected["Layers"]
        if [layer["Arn"] for layer in live.get("Layers", ())] != layers:
            yield (
                f"the layers of function {function.id} were changed by hand",
                _update_function(function, layers=layers),
            )


def grant_is_missing(deployment: Deployment) -> Iterator[Problem]:
    """Yield compiled policies that were detached or changed by hand: what their triggers start and look up."""
    for policy in deployment.resources("AWS::IAM::ManagedPolicy"):
        document = deployment.policies[policy.id]
        if document is None:
            yield f"the policy {policy.id} was deleted by hand", "make deploy, with any change to the trigger"
            continue
        for role in policy.expected["Roles"]:
            if policy.id not in deployment.attached[role]:
                fix = command("iam", "attach-role-policy", role_name=role, policy_arn=policy.id)
                yield f"role {role} lacks the grants of {policy.name}, which starts or looks up", fix
        if not same_policy(document, policy.expected["PolicyDocument"]):
            expected = json.dumps(policy.expected["PolicyDocument"])
            fix = command(
                "iam", "create-policy-version", policy_arn=policy.id, policy_document=expected, set_as_default=True
            )
            yield f"the grants of {policy.name} were changed by hand", fix


def role_is_changed(deployment: Deployment) -> Iterator[Problem]:
    """Yield roles whose own policies were changed by hand."""
    for role in deployment.resources("AWS::IAM::Role"):
        for policy in role.expected.get("Policies", ()):
            live = deployment.inline_policies[role.id, policy["PolicyName"]]
            if live is None or not same_policy(live, policy["PolicyDocument"]):
                document = json.dumps(policy["PolicyDocument"])
                fix = command(
                    "iam",
                    "put-role-policy",
                    role_name=role.id,
                    policy_name=policy["PolicyName"],
                    policy_document=document,
                )
                yield f"the policy {policy['PolicyName']} of role {role.id} was changed by hand", fix


def function_is_failing(deployment: Deployment) -> Iterator[Problem]:
    """Yield functions that failed or were throttled in the last minutes."""
    now = datetime.now(UTC)
    names = {function.id: function for function, _ in deployment.functions}
    for metric, message in (("Errors", "failed"), ("Throttles", "was throttled")):
        for name, count in deployment.metric(metric, names, now - LATELY, now).items():
            if count:
                group = deployment.stack.resources[names[name].name.removesuffix("Function") + "LogGroup"]
                fix = command("logs", "tail", since="15m").replace("tail", f"tail {group}")
                yield f"function {name} {message} {count:.0f} times in the last 15 minutes", fix


def call_was_denied(deployment: Deployment) -> Iterator[Problem]:
    """Yield the last denial in each log of the last day, unless the function has started something since."""
    since = int((datetime.now(UTC) - A_DAY).timestamp() * 1000)
    for handler in deployment.handlers:
        group = deployment.stack.resources[f"{handler}LogGroup"]
        denials = list(_lines(group, '"AccessDenied"', since))
        if not denials:
            continue
        last = max(denials, key=lambda line: int(line["timestamp"]))
        started = '{ ($.message = "verdict") && ($.outcome = "STARTED") }'
        if not any(True for _ in _lines(group, started, last["timestamp"])):
            reason = _reason(last["message"])
            yield f"{handler} was denied: {brief(reason)}", "grant it, then: triggers redrive"


def messages_are_dead(deployment: Deployment) -> Iterator[Problem]:
    """Yield dead-letter queues that hold messages."""
    for queue in deployment.resources("AWS::SQS::Queue"):
        count = int(deployment.queues[queue.id].get("ApproximateNumberOfMessages", 0))
        if queue.name.endswith("DeadLetterQueue") and count:
            fix = f"triggers redrive --stack {deployment.stack.name}"
            yield f"{count} messages are in {queue.name}; triggers dead-letters says why, this retries after a fix", fix


def queue_is_full(deployment: Deployment) -> Iterator[Problem]:
    """Yield queues with nearly as many messages in flight as SQS allows, beyond which it hands out none."""
    for queue in deployment.resources("AWS::SQS::Queue"):
        count = int(deployment.queues[queue.id].get("ApproximateNumberOfMessagesNotVisible", 0))
        if count >= NEAR * MAX_IN_FLIGHT:
            message = f"{count} messages of queue {queue.name} are in flight, of {MAX_IN_FLIGHT} that SQS allows"
            yield message, f"triggers batches --stack {deployment.stack.name}, and raise the limit that they wait for"


def _lines(group: str, pattern: str, since: int) -> Iterator[Mapping[str, Any]]:
    paginator = aws.logs().get_paginator("filter_log_events")
    for page in paginator.paginate(logGroupName=group, filterPattern=pattern, startTime=since):
        yield from page["events"]


def _reason(line: str) -> str:
    """Return what a log line says of its denial."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry.get("reason") or entry.get("exception") or line)


def _set_queue(url: str, **attributes: str) -> str:
    return command("sqs", "set-queue-attributes", queue_url=url, attributes=attributes)


def _update_function(function: Resource, **changes: Any) -> str:
    return command("lambda", "update-function-configuration", function_name=function.id, **changes)


def _name(url: str) -> str:
    return url.rpartition("/")[2]
