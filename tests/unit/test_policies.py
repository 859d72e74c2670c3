"""The policies in ``docs/policies``: each request of a deploy is allowed, and each grant is needed for one.

What CloudFormation does with the deployer's rights is in its schemas of the resource types; a resource that is new in
the templates is looked at without a change here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
import yaml

from tests import PROJECT
from tests.effort import CFN_LINT
from tests.localaws import ACCOUNT, REGION
from tests.tools.iam import Request, Statement, allows, resource_schemas, resource_types, without_each_grant
from tests.tools.templates import COMPILED_STACK, findings, transformed

POLICIES = PROJECT / "docs" / "policies"
DEPLOYER = ("deployer-1", "deployer-2", "deployer-options")

STACK = "pipeline-triggers-dev"
HERE = f"{REGION}:{ACCOUNT}"
BUCKET = "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b3c"

# What CloudFormation calls the stack's resources, by IAM's type of resource.
ARNS = {
    "cloudformation:stack": [
        f"arn:aws:cloudformation:{HERE}:stack/{STACK}/1",
        f"arn:aws:cloudformation:{HERE}:stack/{STACK}-TriggersStack-1A2B/2",
    ],
    "cloudwatch:alarm": [f"arn:aws:cloudwatch:{HERE}:alarm:{STACK}-MaxStartsAlarm-1A2B"],
    "cloudwatch:dashboard": [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STACK}"],
    "dynamodb:table": [f"arn:aws:dynamodb:{HERE}:table/{STACK}-StateTable-1A2B"],
    "events:event-bus": [f"arn:aws:events:{HERE}:event-bus/{STACK}"],
    "events:rule-on-custom-event-bus": [f"arn:aws:events:{HERE}:rule/shop/{STACK}-Triggers-One"],
    "events:rule-on-default-event-bus": [f"arn:aws:events:{HERE}:rule/{STACK}-Triggers-One"],
    "iam:policy": [f"arn:aws:iam::{ACCOUNT}:policy/{STACK}-OnS3UploadStarts-1A2B"],
    "iam:role": [f"arn:aws:iam::{ACCOUNT}:role/{STACK}-OnS3UploadRole-1A2B"],
    "kms:key": [f"arn:aws:kms:{HERE}:key/1a2b"],
    "lambda:code signing config": [f"arn:aws:lambda:{HERE}:code-signing-config:csc-1"],
    "lambda:eventSourceMapping": [f"arn:aws:lambda:{HERE}:event-source-mapping:1a2b"],
    "lambda:function": [f"arn:aws:lambda:{HERE}:function:{STACK}-OnS3UploadFunction-1A2B"],
    "lambda:layer": [f"arn:aws:lambda:{HERE}:layer:{STACK}-core"],
    "lambda:layerVersion": [f"arn:aws:lambda:{HERE}:layer:{STACK}-core:7"],
    "logs:log-group": [f"arn:aws:logs:{HERE}:log-group:{STACK}-OnS3UploadLogGroup-1A2B"],
    "s3:bucket": [f"arn:aws:s3:::{STACK}-batchbucket-1a2b"],
    "s3:object": [f"{BUCKET}/{STACK}/1a2b.template"],
    "scheduler:schedule": [f"arn:aws:scheduler:{HERE}:schedule/{STACK}-ScheduleGroup-1A2B/Nightly"],
    "scheduler:schedule-group": [f"arn:aws:scheduler:{HERE}:schedule-group/{STACK}-ScheduleGroup-1A2B"],
    "sns:topic": [f"arn:aws:sns:{HERE}:{STACK}-RequestsTopic-1A2B"],
    "sqs:queue": [f"arn:aws:sqs:{HERE}:{STACK}-OnS3UploadQueue-1A2B"],
}

# Of the types that an action can be granted on, those that a kind of resource is.
OWN_TYPES = {
    "AWS::CloudWatch::Alarm": {"alarm"},
    "AWS::CloudWatch::Dashboard": {"dashboard"},
    "AWS::Events::EventBus": {"event-bus"},
    "AWS::Events::Rule": {"rule-on-custom-event-bus", "rule-on-default-event-bus"},
    "AWS::Lambda::EventSourceMapping": {"eventSourceMapping"},
    "AWS::Lambda::Function": {"function"},
}

# AWS denies this call on all alarms, whichever it asks for.
OTHER_RESOURCES = {"cloudwatch:DescribeAlarms": f"arn:aws:cloudwatch:{HERE}:alarm:*"}

# The condition keys of requests.
PASSED_TO = {
    "AWS::Events::Rule": "events.amazonaws.com",
    "AWS::Lambda::Function": "lambda.amazonaws.com",
    "AWS::Scheduler::Schedule": "scheduler.amazonaws.com",
}
CONTEXTS = {
    "iam:*RolePolicy": {"iam:PolicyARN": ARNS["iam:policy"][0]},
    "kms:*": {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"},
    "lambda:*EventSourceMapping": {"lambda:FunctionArn": ARNS["lambda:function"][0]},
}

# What resource types list for features that the templates do not use.
UNUSED = [
    "* ec2:*",  # functions in a VPC
    "* elasticfilesystem:*",
    "* kinesis:*",
    "* s3files:*",
    "AWS::CloudFormation::Stack cloudformation:*StackPolicy",
    "AWS::CloudFormation::Stack cloudformation:UpdateTerminationProtection",
    "AWS::CloudFormation::Stack iam:PassRole",  # a service role
    "AWS::DynamoDB::Table *Import*",
    "AWS::DynamoDB::Table dynamodb:*TableReplica",
    "AWS::DynamoDB::Table dynamodb:*ableKinesisStreamingDestination",
    "AWS::DynamoDB::Table dynamodb:*Item",  # of global tables
    "AWS::DynamoDB::Table dynamodb:DeleteResourcePolicy",
    "AWS::DynamoDB::Table dynamodb:PutResourcePolicy",
    "AWS::DynamoDB::Table dynamodb:Query",
    "AWS::DynamoDB::Table dynamodb:Scan",
    "AWS::DynamoDB::Table dynamodb:UpdateContributorInsights",
    "AWS::DynamoDB::Table dynamodb:UpdateKinesisStreamingDestination",
    "AWS::DynamoDB::Table iam:CreateServiceLinkedRole",  # of global tables
    "AWS::DynamoDB::Table kms:ListAliases",  # the parameter is a key's ARN
    "AWS::DynamoDB::Table logs:*",  # of imports
    "AWS::DynamoDB::Table s3:*",  # of imports
    "AWS::Events::EventBus events:*Permission",  # of other accounts on a bus
    "AWS::Events::EventBus kms:*",
    "AWS::IAM::ManagedPolicy iam:*GroupPolicy",
    "AWS::IAM::ManagedPolicy iam:*UserPolicy",
    "AWS::IAM::Role iam:DeleteRolePermissionsBoundary",  # whoever may do this may lift the limit
    "AWS::Lambda::* kms:*",  # of environments and filters
    "AWS::Lambda::Function lambda:*CapacityProvider",
    "AWS::Lambda::Function lambda:*RuntimeAlias",
    "AWS::Lambda::Function lambda:DeleteFunctionC*",  # concurrency and code signing
    "AWS::Lambda::Function lambda:GetFunctionScalingConfig",
    "AWS::Lambda::Function lambda:PublishVersion",
    "AWS::Lambda::Function lambda:PutFunctionC*",  # concurrency and code signing
    "AWS::Lambda::Function lambda:PutFunctionScalingConfig",
    "AWS::Lambda::Function lambda:GetCodeSigningConfig",
    "AWS::Lambda::Function lambda:PutRuntimeManagementConfig",
    "AWS::Logs::LogGroup firehose:*",  # delivery of vended logs
    "AWS::Logs::LogGroup logs:*ResourcePolic*",
    "AWS::Logs::LogGroup logs:CreateLogDelivery",
    "AWS::Logs::LogGroup logs:DeleteDataProtectionPolicy",
    "AWS::Logs::LogGroup logs:DeleteIndexPolicy",
    "AWS::Logs::LogGroup logs:PutBearerTokenAuthentication",
    "AWS::Logs::LogGroup logs:PutDataProtectionPolicy",
    "AWS::Logs::LogGroup logs:PutIndexPolicy",
    "AWS::Logs::LogGroup logs:PutLogGroupDeletionProtection",
    "AWS::Logs::LogGroup s3:REST.PUT.OBJECT",
    "AWS::S3::Bucket s3:[CDU]*TableConfiguration",  # metadata tables
    "AWS::S3::Bucket iam:*",  # of replication
    "AWS::S3::Bucket s3:*Object",
    "AWS::S3::Bucket s3:DeleteBucket?*",  # the template has encryption and a lifecycle, and nothing else of these
    "AWS::S3::Bucket s3:ListBucket",
    "AWS::S3::Bucket s3:Put*Abac",
    "AWS::S3::Bucket s3:Put*Acl",
    "AWS::S3::Bucket s3:Put*CORS",
    "AWS::S3::Bucket s3:Put*Lo[cg]*",
    "AWS::S3::Bucket s3:Put*Versioning",
    "AWS::S3::Bucket s3:Put*Website",
    "AWS::S3::Bucket s3:PutA*Configuration",
    "AWS::S3::Bucket s3:PutBucketNotification",
    "AWS::S3::Bucket s3:Put*Replication*",
    "AWS::S3::Bucket s3:PutIn*Configuration",
    "AWS::S3::Bucket s3:PutMetricsConfiguration",
    "AWS::S3::Bucket s3:PutObject*",
    "AWS::S3::Bucket s3tables:*",
    "AWS::SNS::* iam:*",  # delivery logs and Firehose
    "AWS::SNS::Topic sns:PutDataProtectionPolicy",
]


def statements(*names: str) -> list[Statement]:
    """Return the statements of policies."""
    policies = [json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8")) for name in names]
    return [statement for policy in policies for statement in policy["Statement"]]


@cache
def actions_by_type() -> dict[str, set[str]]:
    """Return what CloudFormation does to create, tag, read, change and delete each type of resource in use."""
    templates: tuple[Any, ...] = (transformed(), yaml.safe_load(COMPILED_STACK.read_text(encoding="utf-8")))
    types = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    actions = {}
    for name in types | {"AWS::IAM::Role", "AWS::Scheduler::Schedule", "AWS::SNS::Subscription"}:
        schema = resource_schemas()[name]
        handlers = [schema["handlers"].get(step, {}) for step in ("create", "read", "update", "delete")]
        steps = [*handlers, schema.get("tagging", {})]
        actions[name] = {action for step in steps for action in step.get("permissions", [])}
    return actions


def of_resources() -> Iterator[Request]:
    """Yield the requests of CloudFormation, each on a resource of the type that it is for."""
    for kind, actions in actions_by_type().items():
        for action in actions:
            if not any(fnmatchcase(f"{kind} {action}", unused) for unused in UNUSED):
                yield from requests(kind, action)


def requests(kind: str, action: str) -> Iterator[Request]:
    """Yield the requests of one action for one type of resource."""
    types = resource_types(action)
    own = types & OWN_TYPES.get(kind, types) or types
    service = action.partition(":")[0]
    arns = [arn for name in own for arn in ARNS.get(f"{service}:{name}", [])]
    context = next((keys for pattern, keys in CONTEXTS.items() if fnmatchcase(action, pattern)), {})
    if action == "iam:PassRole":
        context = {"iam:PassedToService": PASSED_TO[kind]}
    assert arns or not types, f"{kind}: no example of {types} for {action}"
    for arn in [OTHER_RESOURCES[action]] if action in OTHER_RESOURCES else arns or ["*"]:
        yield Request(action, arn, context, kind)


def on(reason: str, resource: str, *actions: str) -> list[Request]:
    """Return requests of several actions on one resource."""
    return [Request(action, resource, {}, reason) for action in actions]


STACK_ARN = ARNS["cloudformation:stack"][0]
SERVERLESS = f"arn:aws:cloudformation:{REGION}:aws:transform/Serverless-2016-10-31"
SAM_BUCKET_STACK = f"arn:aws:cloudformation:{HERE}:stack/aws-sam-cli-managed-default/1"

# make build
CHECK_AWS = [
    *on("check --aws", "arn:aws:s3:::raw", "s3:GetBucketLocation", "s3:GetBucketNotification"),
    *on("check --aws", f"arn:aws:sagemaker:{HERE}:pipeline/train", "sagemaker:DescribePipeline"),
    *on("check --aws", f"arn:aws:sns:{HERE}:alarms", "sns:GetTopicAttributes"),
    *on("check --aws", f"arn:aws:cloudtrail:{HERE}:trail/all", "cloudtrail:GetEventSelectors"),
    *on("check --aws", f"arn:aws:cloudtrail:{HERE}:trail/all", "cloudtrail:GetTrailStatus"),
    *on("check --aws", "*", "cloudtrail:DescribeTrails", "events:TestEventPattern", "events:ListEventBuses"),
    *on("check --aws", "*", "events:ListRules", "scheduler:ListSchedules"),
    *on("check --aws", f"arn:aws:events:{HERE}:rule/other", "events:ListTargetsByRule", "events:ListTagsForResource"),
    *on("check --aws", f"arn:aws:scheduler:{HERE}:schedule/default/other", "scheduler:GetSchedule"),
    *on("check --aws", f"arn:aws:cloudformation:{HERE}:stack/other/1", "cloudformation:DescribeStackResources"),
]

# make plan, which is also how a deploy begins
CHANGE_SET = [
    *on("sam", SAM_BUCKET_STACK, "cloudformation:DescribeStacks"),
    *on("sam", STACK_ARN, "cloudformation:DescribeStacks", "cloudformation:GetTemplateSummary"),
    *on("sam", STACK_ARN, "cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet"),
    *on("sam, stack tags", STACK_ARN, "cloudformation:TagResource"),
    *on("sam", SERVERLESS, "cloudformation:CreateChangeSet"),
    *on("sam, which looks for an uploaded file", BUCKET, "s3:ListBucket"),
]

DEPLOY = [
    *CHECK_AWS,
    *CHANGE_SET,
    *on("sam", ARNS["s3:object"][0], "s3:PutObject"),
    *on("sam", STACK_ARN, "cloudformation:ExecuteChangeSet", "cloudformation:DescribeStackEvents"),
    *on("stack tags that changed", STACK_ARN, "cloudformation:UntagResource"),
    *on("after a plan", STACK_ARN, "cloudformation:DeleteChangeSet"),
    *on("delete", STACK_ARN, "cloudformation:DeleteStack"),
]

PLAN = [*CHECK_AWS, *CHANGE_SET, *on("sam", f"{BUCKET}/plans/1a2b", "s3:GetObject", "s3:PutObject")]


def denied(policies: list[Statement], needed: list[Request]) -> list[str]:
    """Return the requests that policies do not allow."""
    return [str(request) for request in needed if not allows(policies, request)]


def test_every_request_of_a_deploy_is_allowed() -> None:
    """Whatever sam, the check and CloudFormation do, on the resource that it is done to."""
    assert denied(statements(*DEPLOYER), [*DEPLOY, *of_resources()]) == []


def test_every_request_of_a_plan_is_allowed() -> None:
    """It checks, uploads under a prefix of its own, and makes a change set."""
    assert denied(statements("plan"), PLAN) == []


def unneeded(policies: list[Statement], needed: list[Request]) -> list[str]:
    """Return the grants without which every request is still allowed."""
    allowing = {
        str(request): [position for position, statement in enumerate(policies) if allows([statement], request)]
        for request in needed
    }
    return [
        name
        for position, statement in enumerate(policies)
        for name, rest in without_each_grant(statement)
        if not denied(rest, [request for request in needed if allowing[str(request)] == [position]])
    ]


def test_every_grant_of_the_deployer_is_needed() -> None:
    """Without any single action, or any single resource of a statement, a request is denied."""
    assert unneeded(statements(*DEPLOYER), [*DEPLOY, *of_resources()]) == []


def test_every_grant_of_a_plan_is_needed() -> None:
    """Without any single action, or any single resource of a statement, a request is denied."""
    assert unneeded(statements("plan"), PLAN) == []


@pytest.mark.parametrize(
    "request_",
    [
        Request("cloudformation:ExecuteChangeSet", STACK_ARN),
        Request("s3:PutObject", ARNS["s3:object"][0]),
        Request("iam:PassRole", ARNS["iam:role"][0], {"iam:PassedToService": "lambda.amazonaws.com"}),
        *(Request(action, STACK_ARN) for action in ("cloudformation:CreateStack", "cloudformation:UpdateStack")),
    ],
    ids=str,
)
def test_a_plan_can_change_nothing(request_: Request) -> None:
    """The code of a pull request runs with it: it neither deploys nor writes where a deploy reads."""
    assert not allows(statements("plan"), request_)


def test_a_deploy_reads_nothing_that_a_plan_uploads() -> None:
    """So no file of a pull request is ever deployed under the name of another."""
    assert not allows(statements(*DEPLOYER), Request("s3:GetObject", f"{BUCKET}/plans/1a2b"))


@pytest.mark.parametrize(
    "request_",
    [
        Request("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
        Request("iam:AttachRolePolicy", ARNS["iam:role"][0], {"iam:PolicyARN": "arn:aws:iam::aws:policy/PowerUser"}),
        Request("iam:PassRole", ARNS["iam:role"][0], {"iam:PassedToService": "ec2.amazonaws.com"}),
        Request("iam:DeleteRolePermissionsBoundary", ARNS["iam:role"][0]),
        Request("lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": f"arn:aws:lambda:{HERE}:function:any"}),
        Request("lambda:UpdateFunctionCode", f"arn:aws:lambda:{HERE}:function:any"),
        Request("sqs:ReceiveMessage", ARNS["sqs:queue"][0]),
        Request("dynamodb:GetItem", ARNS["dynamodb:table"][0]),
        Request("sagemaker:StartPipelineExecution", f"arn:aws:sagemaker:{HERE}:pipeline/train"),
        Request("kms:Decrypt", ARNS["kms:key"][0], {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}),
        Request("s3:GetObject", "arn:aws:s3:::raw/data.csv"),
    ],
    ids=str,
)
def test_a_deployer_can_do_nothing_outside_the_stack(request_: Request) -> None:
    """Neither other resources nor the data in its own."""
    assert not allows(statements(*DEPLOYER), request_)


@pytest.mark.parametrize("unused", UNUSED)
def test_each_exception_is_one(unused: str) -> None:
    """An exception that no resource type needs any more has to go."""
    assert any(fnmatchcase(f"{kind} {action}", unused) for kind, some in actions_by_type().items() for action in some)


@CFN_LINT
def test_each_action_can_apply_to_its_resources() -> None:
    """cfn-lint knows IAM's actions and the resources that they take."""
    resources = {
        f"Policy{number}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": json.loads(path.read_text(encoding="utf-8"))},
        }
        for number, path in enumerate(sorted(POLICIES.glob("*.json")))
    }
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    assert findings(json.dumps(template)) == []


def test_each_policy_fits_into_a_managed_policy() -> None:
    """IAM counts 6,144 characters without white space."""
    for path in POLICIES.glob("*.json"):
        assert len(json.dumps(json.loads(path.read_text(encoding="utf-8")), separators=(",", ":"))) <= 6144
