"""IAM: what a handler's role, or a role for direct delivery, may do for its triggers, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_triggers.compile.cloudformation import Intrinsic, Resource, arn, if_given, pipeline_arn, spellings, sub
from pipeline_triggers.documents import quotas
from pipeline_triggers.language import lookups
from pipeline_triggers.language.sources import BATCHES
from pipeline_triggers.language.stages import MANIFEST_BUCKET, Stages
from pipeline_triggers.models import Trigger

# To start a pipeline, to hold values against its definition, and to look for a start that was not noted.
_START = ("sagemaker:StartPipelineExecution", "sagemaker:DescribePipeline", "sagemaker:ListPipelineExecutions")


def handler_policies(handler: str, triggers: Iterable[Trigger], stages: Stages) -> dict[str, Resource]:
    """Let a handler start exactly the pipelines of its triggers, and look up exactly what their expressions name."""
    role = {"Ref": f"{handler}RoleName"}
    return _starts(handler, role, _START, triggers, stages) | _lookups(handler, role, triggers, stages)


def batch_policies(triggers: Iterable[Trigger], stages: Stages) -> dict[str, Resource]:
    """Let ``on_batch`` start each pipeline that AWS does not start itself, and write into a bucket of the stages."""
    role = {"Ref": f"{BATCHES}RoleName"}
    queued = [trigger for trigger in triggers if not trigger.direct]
    policies = _starts(BATCHES, role, _START, queued, stages)
    if any(trigger.collect for trigger in queued) and any(MANIFEST_BUCKET in values for values in stages.values()):
        objects = sub(f"arn:${{AWS::Partition}}:s3:::${{{MANIFEST_BUCKET}}}/batches/*")
        policies[f"{BATCHES}Writes"] = _policy(role, [_allowed(["s3:PutObject"], [objects])])
    return policies


def direct_role(service: str, source: str) -> Resource:
    """Return the role with which EventBridge or Scheduler, for a rule or schedule of this app, starts pipelines."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": arn(service, source)}},
        },
    }
    properties: Resource = {
        "PermissionsBoundary": if_given("PermissionsBoundary", {"Ref": "PermissionsBoundary"}),
        "AssumeRolePolicyDocument": _document([trust]),
    }
    if service == "scheduler":  # which sends to the dead-letter queue with this role; EventBridge as itself
        send = _allowed(["sqs:SendMessage"], [{"Ref": "OnEventDeadLetterQueueArn"}])
        encrypt = _allowed(["kms:Decrypt", "kms:GenerateDataKey"], [{"Ref": "KmsKeyArn"}])
        statements = [send, if_given("KmsKeyArn", encrypt)]
        properties["Policies"] = [{"PolicyName": "send", "PolicyDocument": _document(statements)}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def direct_policies(name: str, triggers: Iterable[Trigger], stages: Stages) -> dict[str, Resource]:
    """Let that role start exactly the pipelines of its triggers."""
    return _starts(name, {"Ref": f"{name}Role"}, _START[:1], triggers, stages)


def _starts(
    name: str, role: Intrinsic, actions: tuple[str, ...], triggers: Iterable[Trigger], stages: Stages
) -> dict[str, Resource]:
    """Return as many policies as the pipelines of some triggers need."""
    pipelines = dict.fromkeys(start.pipeline for trigger in triggers for start in trigger.start)
    return {
        _numbered(f"{name}Starts", number): _policy(
            role, [_allowed(list(actions), [spelt for name in names for spelt in spellings(pipeline_arn(name))])]
        )
        for number, names in enumerate(quotas.policies(pipelines, stages), 1)
    }


def _lookups(handler: str, role: Intrinsic, triggers: Iterable[Trigger], stages: Stages) -> dict[str, Resource]:
    """Return as many policies as the triggers' lookups beyond their events need."""
    actions: dict[str, dict[str, None]] = {}  # by ARN, each once and in order
    for trigger in triggers:
        for grant in lookups.grants(trigger):
            for resource in lookups.arns(grant, trigger):
                actions.setdefault(resource, {}).update(dict.fromkeys(grant.actions))
    divided = quotas.lookups({resource: tuple(names) for resource, names in actions.items()}, stages)
    return {
        _numbered(f"{handler}Asks", number): _policy(
            role, [_allowed(list(actions[resource]), spellings(resource)) for resource in resources]
        )
        for number, resources in enumerate(divided, 1)
    }


def _numbered(name: str, number: int) -> str:
    return f"{name}{number if number > 1 else ''}"


def _allowed(actions: list[str], arns: list[Intrinsic]) -> Resource:
    return {"Effect": "Allow", "Action": actions, "Resource": arns}


def _policy(role: Intrinsic, statements: list[Resource]) -> Resource:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"Roles": [role], "PolicyDocument": _document(statements)},
    }


def _document(statements: list[Resource]) -> Resource:
    return {"Version": "2012-10-17", "Statement": statements}
