"""Documents → ``triggers.json`` (what the handlers read) and ``stack.yaml`` (a nested CloudFormation stack).

Pure: no AWS, and the same documents always give the same bytes, so that both files can be committed and
compared like a lock file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline_triggers.documents import direct, quotas, schedules
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.trigger_check import Stages
from pipeline_triggers.errors import DocumentsError, Problem
from pipeline_triggers.language import lookups, sources, triggers_json
from pipeline_triggers.language.sources import DIRECT_RULES, DIRECT_SCHEDULES, HANDLERS, SOURCES
from pipeline_triggers.language.stages import PSEUDO_PARAMETERS, REFERENCE, STAGES_FILE, references
from pipeline_triggers.models import Start, Trigger

COMPILED = "compiled"
_STACK = "stack.yaml"
_PAST = "Past"  # in the stack's Metadata

MAX_DESCRIPTION_LENGTH = 512  # AWS::Events::Rule, AWS::Scheduler::Schedule
MAX_READABLE = 100  # of a logical id, which may have 255 characters; EventBridge names its rule after it

_STAGES = "Stages"
_LOWER_CASED_STAGES = "LowerCasedStages"
_SERVICE = "arn:${{AWS::Partition}}:{}:${{AWS::Region}}:${{AWS::AccountId}}:"
_PIPELINE = _SERVICE.format("sagemaker") + "pipeline/"
_KNOWN_TO_SUB = PSEUDO_PARAMETERS | {"AWS::Partition"}

# To start a pipeline, to hold values against its definition, and to look for a start that was not noted.
_STARTS = ("sagemaker:StartPipelineExecution", "sagemaker:DescribePipeline", "sagemaker:ListPipelineExecutions")

Resource = dict[str, Any]
Intrinsic = dict[str, Any]

_HEADER = """\
# Compiled from the documents in layers/triggers by `triggers compile`. Do not edit; commit it with them.
"""

# What a target can't take within a day goes to the dead-letter queue. Both figures are EventBridge's and
# Scheduler's own defaults, written down so that nobody has to look them up.
_RETRY_POLICY = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def compile_documents(documents: Documents, past: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the compiled files' texts by name.

    ``past`` says which times of schedules have passed (``schedules.past``): what never fires again is left out, and so
    is a start, which Scheduler refuses when it was more than five minutes ago.

    Raises:
        DocumentsError: the stack would be larger than CloudFormation takes.

    """
    stack = _stack(documents, past)
    text = _HEADER + yaml.dump(stack, Dumper=_WithoutAliases, sort_keys=False, width=110, allow_unicode=True)
    if exceeded := quotas.of_template(len(stack["Resources"]), len(text.encode())):
        raise DocumentsError([Problem(STAGES_FILE, 1, "", told) for told in exceeded])
    return {"triggers.json": triggers_json.dump(documents.triggers, documents.stages), _STACK: text}


class _WithoutAliases(yaml.SafeDumper):
    """CloudFormation reads no YAML aliases, which PyYAML writes for what stands twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def past_when_compiled(directory: Path) -> frozenset[str]:
    """Return which times had passed when the committed files were compiled: time alone makes nothing stale."""
    try:
        text = (directory / COMPILED / _STACK).read_text(encoding="utf-8")
        return frozenset(yaml.safe_load(text)["Metadata"][_PAST])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return frozenset()  # they are stale, or nothing had


def stale(directory: Path, compiled: Mapping[str, str]) -> list[Path]:
    """Return the committed files that are not what compiling gives."""
    paths = {directory / COMPILED / name: text for name, text in compiled.items()}
    return [path for path, text in paths.items() if not path.is_file() or path.read_bytes() != text.encode()]


def write(directory: Path, compiled: Mapping[str, str]) -> None:
    """Write the compiled files."""
    (directory / COMPILED).mkdir(exist_ok=True)
    for name, text in compiled.items():
        (directory / COMPILED / name).write_text(text, encoding="utf-8")


def _stack(documents: Documents, past: frozenset[str] = frozenset()) -> dict[str, Any]:
    resources = _started_directly(documents, past)
    for handler in HANDLERS:
        handled = [trigger for trigger in documents.triggers if sources.starter(trigger) == handler]
        policies = _policies(handler, handled, documents.stages)
        # An event that comes before the handler may start its pipeline would be denied.
        resources |= policies | _rules(handled, list(policies)) | _schedules(handled, list(policies), past)
        if handler == "OnSnsMessage":
            resources |= _subscriptions(handled, list(policies))
    handed_in = [f"{handler}{name}" for handler in HANDLERS for name in ("QueueArn", "DeadLetterQueueArn", "RoleName")]
    handed_in += ["OnSnsMessageQueueUrl", "OnSnsMessageDeadLetterQueueUrl", "RequestsTopicArn"]
    handed_in += ["ScheduleGroup", "ScheduleRoleArn"]
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Pipeline Triggers - rules, schedules, subscriptions and policies, compiled from the documents",
        # Every source's queue is handed in, whether a trigger uses it now or not.
        "Metadata": {
            "cfn-lint": {"config": {"ignore_checks": ["W2001", "W7001"]}},
            **({_PAST: sorted(past)} if past else {}),
        },
        "Parameters": {
            "Stage": {"Type": "String", "AllowedValues": list(documents.stages)},
            **{name: {"Type": "String"} for name in handed_in},
        },
        **_mappings(documents.stages),
        "Resources": resources,
    }


def _mappings(stages: Stages) -> dict[str, Any]:
    """Hand the stages' values to CloudFormation, which refuses empty mappings."""
    if not all(stages.values()):
        return {}
    lower = {stage: {name: value.lower() for name, value in values.items()} for stage, values in stages.items()}
    return {
        "Mappings": {_STAGES: {stage: dict(values) for stage, values in stages.items()}, _LOWER_CASED_STAGES: lower}
    }


def _rules(triggers: Iterable[Trigger], policies: list[str]) -> dict[str, Resource]:
    rules = {}
    for trigger in triggers:
        if (pattern := sources.pattern(trigger.when, _text)) is not None:
            rules[logical_id(trigger.id, "Rule")] = _rule(trigger, pattern, policies)
    return rules


def _rule(trigger: Trigger, pattern: Mapping[str, Any], policies: list[str]) -> Resource:
    bus = trigger.when.fields.get("bus")
    tags = [{"Key": key, "Value": _text(value)} for key, value in trigger.tags.items()]
    return {
        "Type": "AWS::Events::Rule",
        "DependsOn": policies,
        "Properties": {
            "Description": _description(trigger),
            "State": _state(trigger),
            **({"EventBusName": _text(bus)} if bus else {}),
            "EventPattern": pattern,
            **({"Tags": tags} if tags else {}),
            "Targets": _direct_targets(trigger) if trigger.direct else [_queue_target(trigger)],
        },
    }


def _queue_target(trigger: Trigger) -> Resource:
    return {
        "Id": "queue",
        "Arn": {"Ref": f"{_handler(trigger)}QueueArn"},
        # The whole event, never values picked out of it: those are not escaped, so an object's
        # key could write JSON of its own.
        "InputTransformer": {
            "InputTemplate": f'{{"trigger": {json.dumps(trigger.id)}, "event": <aws.events.event.json>}}'
        },
        **_failures(trigger),
    }


def _direct_targets(trigger: Trigger) -> list[Resource]:
    return [
        {"Id": f"pipeline-{number}", **_pipeline_target(trigger, start)}
        for number, start in enumerate(trigger.start, 1)
    ]


def _pipeline_target(trigger: Trigger, start: Start) -> Resource:
    """Let EventBridge or Scheduler itself start a pipeline."""
    values = [{"Name": name, "Value": _text(direct.sent(value))} for name, value in start.parameters.items()]
    return {
        "Arn": _sub(_PIPELINE + start.pipeline),
        "RoleArn": {"Fn::GetAtt": [f"{sources.starter(trigger)}Role", "Arn"]},
        **({"SageMakerPipelineParameters": {"PipelineParameterList": values}} if values else {}),
        **_failures(trigger),
    }


def _failures(trigger: Trigger) -> Resource:
    """Keep what a target can't take."""
    return {
        "DeadLetterConfig": {"Arn": {"Ref": f"{_handler(trigger)}DeadLetterQueueArn"}},
        "RetryPolicy": dict(_RETRY_POLICY),
    }


def _handler(trigger: Trigger) -> str:
    return SOURCES[trigger.when.source].handler


def _started_directly(documents: Documents, past: frozenset[str]) -> dict[str, Resource]:
    """Write the direct triggers, with a role for EventBridge and one for Scheduler that may start their pipelines."""
    resources: dict[str, Resource] = {}
    for name, service, of in (
        (DIRECT_RULES, "events", "rule/*"),
        (DIRECT_SCHEDULES, "scheduler", "schedule-group/${ScheduleGroup}"),
    ):
        triggers = [trigger for trigger in documents.triggers if sources.starter(trigger) == name]
        if triggers:
            resources[f"{name}Role"] = _direct_role(service, of)
            policies = _starts(name, {"Ref": f"{name}Role"}, _STARTS[:1], triggers, documents.stages)
            resources |= policies | _rules(triggers, list(policies)) | _schedules(triggers, list(policies), past)
    return resources


def _direct_role(service: str, of: str) -> Resource:
    source = _SERVICE.format(service) + of
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": source}},
        },
    }
    properties: Resource = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    if service == "scheduler":  # which sends to the dead-letter queue with this role; EventBridge as itself
        statement = _allowed(["sqs:SendMessage"], [{"Ref": "OnEventDeadLetterQueueArn"}])
        document = {"Version": "2012-10-17", "Statement": [statement]}
        properties["Policies"] = [{"PolicyName": "send", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _schedules(triggers: Iterable[Trigger], policies: list[str], past: frozenset[str]) -> dict[str, Resource]:
    return {
        logical_id(trigger.id, "Schedule"): _schedule(trigger, policies, past)
        for trigger in triggers
        if trigger.when.source == "schedule" and not schedules.is_over(trigger, past)
    }


def _schedule(trigger: Trigger, policies: list[str], past: frozenset[str]) -> Resource:
    fields = trigger.when.fields
    ((kind, expression),) = ((kind, fields[kind]) for kind in ("at", "rate", "cron") if kind in fields)
    zone = {"ScheduleExpressionTimezone": _text(fields["timezone"])} if "timezone" in fields else {}
    bounds = {
        property_: schedules.utc(fields[name])
        for property_, name in (("StartDate", "start"), ("EndDate", "end"))
        if name in fields and f"{trigger.id}.{name}" not in past
    }
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": int(fields["jitter"])} if "jitter" in fields else None
    return {
        "Type": "AWS::Scheduler::Schedule",
        "DependsOn": policies,
        "Properties": {
            "GroupName": {"Ref": "ScheduleGroup"},
            "Description": _description(trigger),
            "State": _state(trigger),
            "ScheduleExpression": _text(f"{kind}({' '.join(expression.split())})"),
            **zone,
            **bounds,
            "FlexibleTimeWindow": window or {"Mode": "OFF"},
            "Target": _pipeline_target(trigger, trigger.start[0]) if trigger.direct else _schedule_target(trigger),
        },
    }


def _schedule_target(trigger: Trigger) -> Resource:
    return {
        "Arn": {"Ref": "OnEventQueueArn"},
        "RoleArn": {"Ref": "ScheduleRoleArn"},
        "Input": _sub(json.dumps(_scheduled_event(trigger))),
        **_failures(trigger),
    }


def _scheduled_event(trigger: Trigger) -> dict[str, Any]:
    """Write what a schedule sends: an event as EventBridge's are, in which Scheduler fills in what stands in <…>."""
    event = {
        "version": "0",
        "id": "<aws.scheduler.execution-id>",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "${AWS::AccountId}",
        "time": "<aws.scheduler.scheduled-time>",
        "region": "${AWS::Region}",
        "resources": ["<aws.scheduler.schedule-arn>"],
        "detail": {"trigger": trigger.id, "timezone": trigger.when.fields.get("timezone", "UTC")},
    }
    return {"trigger": trigger.id, "event": event}


def _description(trigger: Trigger) -> str:
    return f"{trigger.id}: {trigger.description}"[:MAX_DESCRIPTION_LENGTH]


def _state(trigger: Trigger) -> str:
    return "ENABLED" if trigger.enabled else "DISABLED"


def _subscriptions(triggers: Iterable[Trigger], policies: list[str]) -> dict[str, Resource]:
    """Subscribe the queue to the stack's own topic, and to each other one once, as SNS allows."""
    users = {topic: trigger for trigger in triggers if trigger.enabled and (topic := sources.topic(trigger.when))}
    own: Intrinsic = {"Ref": "RequestsTopicArn"}
    # SNS does not repeat what a queue denies, so the queue's policy comes first.
    before = [_QUEUE_POLICY, *policies]
    others = {
        logical_id(topic.rpartition(":")[2], "Subscription", of=topic): _subscription(_text(topic), before, trigger)
        for topic, trigger in users.items()
    }
    return {
        _QUEUE_POLICY: _queue_policy([own, *map(_text, users)]),
        "RequestsSubscription": _subscription(own, before),
        **others,
    }


def _subscription(topic: str | Intrinsic, before: list[str], trigger: Trigger | None = None) -> Resource:
    return {
        "Type": "AWS::SNS::Subscription",
        "DependsOn": before,
        "Properties": {
            "TopicArn": topic,
            # A topic may lie in another Region.
            "Region": {"Fn::Select": [3, {"Fn::Split": [":", topic]}]},
            "Protocol": "sqs",
            "Endpoint": {"Ref": "OnSnsMessageQueueArn"},
            "RedrivePolicy": {"deadLetterTargetArn": {"Ref": "OnSnsMessageDeadLetterQueueArn"}},
            **(_filter(trigger) if trigger else {}),
        },
    }


_QUEUE_POLICY = "OnSnsMessageQueuePolicy"


def _queue_policy(topics: list[str | Intrinsic]) -> Resource:
    """Let exactly these topics send: who could send by another could say that it came by one of these."""
    arns = [{"Ref": "OnSnsMessageQueueArn"}, {"Ref": "OnSnsMessageDeadLetterQueueArn"}]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arns,
        "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
    }
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arns,
        "Condition": {"Bool": {"aws:SecureTransport": False}},
    }
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "OnSnsMessageQueueUrl"}, {"Ref": "OnSnsMessageDeadLetterQueueUrl"}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed, denied]},
        },
    }


def _filter(trigger: Trigger) -> dict[str, Any]:
    if (found := sources.topic_filter(trigger.when)) is None:
        return {}
    scope, policy = found
    return {"FilterPolicyScope": scope, "FilterPolicy": sources.written(policy, _text)}


def _policies(handler: str, triggers: Iterable[Trigger], stages: Stages) -> dict[str, Resource]:
    """Let a handler start exactly the pipelines of its triggers: as many policies as they need."""
    role = {"Ref": f"{handler}RoleName"}
    policies = _starts(handler, role, _STARTS, triggers, stages)
    # What its triggers' expressions ask for beyond their events, and nothing that none asks for.
    asked: dict[str, tuple[str, ...]] = {}
    for trigger in triggers:
        for grant in lookups.grants(trigger):
            asked |= {arn: (*asked.get(arn, ()), *grant.actions) for arn in lookups.arns(grant, trigger)}
    for number, arns in enumerate(quotas.asked(asked, stages), 1):
        statements = [_allowed(list(dict.fromkeys(asked[arn])), _spellings(arn)) for arn in arns]
        policies[f"{handler}Asks{number if number > 1 else ''}"] = _policy(role, statements)
    return policies


def _starts(
    name: str, role: Intrinsic, actions: tuple[str, ...], triggers: Iterable[Trigger], stages: Stages
) -> dict[str, Resource]:
    """Let a role start the pipelines of some triggers."""
    pipelines = dict.fromkeys(start.pipeline for trigger in triggers for start in trigger.start)
    return {
        f"{name}Starts{number if number > 1 else ''}": _policy(
            role, [_allowed(list(actions), [arn for pipeline in names for arn in _spellings(_PIPELINE + pipeline)])]
        )
        for number, names in enumerate(quotas.policies(pipelines, stages), 1)
    }


def _allowed(actions: list[str], arns: list[Intrinsic]) -> Resource:
    return {"Effect": "Allow", "Action": actions, "Resource": arns}


def _policy(role: Intrinsic, statements: list[Resource]) -> Resource:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Roles": [role],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        },
    }


def _spellings(arn: str) -> list[Intrinsic]:
    """Write an ARN in both spellings: SageMaker's may be lower-cased, and IAM compares letter by letter."""
    beginning, kind, name = arn.rpartition("/")
    if ":sagemaker:" not in arn:
        return [_sub(arn)]
    spellings = [_sub(arn), _sub(beginning + kind + _lower(name), _LOWER_CASED_STAGES)]
    return spellings if spellings[0] != spellings[1] else spellings[:1]


def _text(text: str) -> str | Intrinsic:
    """Write a document's text for CloudFormation: a literal, or with the stage's values in it."""
    names = references(text)
    if not names:
        return text
    if text == f"${{{names[0]}}}" and names[0] not in PSEUDO_PARAMETERS:
        return _stage_value(names[0], _STAGES)
    return _sub(text)


def _sub(text: str, mapping: str = _STAGES) -> Intrinsic:
    values = {name: _stage_value(name, mapping) for name in references(text) if name not in _KNOWN_TO_SUB}
    return {"Fn::Sub": [text, values] if values else text}


def _stage_value(name: str, mapping: str) -> Intrinsic:
    return {"Fn::FindInMap": [mapping, {"Ref": "Stage"}, name]}


def _lower(text: str) -> str:
    literals_and_names = enumerate(REFERENCE.split(text))
    return "".join(part.lower() if at % 2 == 0 else f"${{{part}}}" for at, part in literals_and_names)


def logical_id(name: str, kind: str, of: str | None = None) -> str:
    """Name a resource: readable, and with a hash of what it is for, as churn/a-b and churn-a/b read the same."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    readable = "".join(word[:1].upper() + word[1:] for word in words)[:MAX_READABLE]
    return readable + hashlib.sha256((of or name).encode()).hexdigest()[:6] + kind
