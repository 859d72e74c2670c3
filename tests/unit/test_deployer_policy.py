"""The deployer's policies in ``docs/operations.md``: enough for every resource, and no grant that can't apply."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest
import yaml

from tests import PROJECT
from tests.effort import CFN_LINT
from tests.tools.templates import COMPILED_STACK, findings, transformed

# What resource types list for features that the templates do not use.
UNUSED = [
    "cloudformation:*StackPolicy",
    "cloudformation:UpdateTerminationProtection",
    "dynamodb:*Import*",
    "dynamodb:*ableKinesisStreamingDestination",
    "dynamodb:*TableReplica",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",  # items, for global tables
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:PutResourcePolicy",
    "dynamodb:UpdateContributorInsights",
    "dynamodb:UpdateKinesisStreamingDestination",
    "ec2:*",  # functions in a VPC
    "elasticfilesystem:*",
    "events:*Permission",  # of other accounts on a bus
    "firehose:*",  # delivery of vended logs
    "iam:*GroupPolicy",
    "iam:*UserPolicy",
    "iam:*PermissionsBoundary",
    "iam:CreateServiceLinkedRole",  # of global tables
    "kinesis:*",
    "kms:*",  # customer-managed keys
    "lambda:*CapacityProvider",
    "lambda:*RuntimeAlias",
    "lambda:PutFunctionC*",  # concurrency and code signing
    "lambda:PutFunctionScalingConfig",
    "lambda:DeleteFunctionC*",  # concurrency and code signing
    "lambda:GetFunctionScalingConfig",
    "lambda:PublishVersion",
    "lambda:PutRuntimeManagementConfig",
    "logs:*KmsKey",
    "logs:*ResourcePolic*",
    "logs:*LogStream*",  # of imports into tables
    "logs:PutLogEvents",
    "logs:CreateLogDelivery",
    "logs:DeleteDataProtectionPolicy",
    "logs:DeleteIndexPolicy",
    "logs:PutBearerTokenAuthentication",
    "logs:PutDataProtectionPolicy",
    "logs:PutIndexPolicy",
    "logs:PutLogGroupDeletionProtection",
    "s3:GetObjectMetadata",
    "s3:REST.PUT.OBJECT",
    "sns:PutDataProtectionPolicy",
    "s3files:*",
]


@cache
def policies() -> list[dict[str, Any]]:
    """Return the policies as the documentation has them."""
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert found
    return found


def statements() -> list[dict[str, Any]]:
    """Return their statements."""
    return [statement for policy in policies() for statement in policy["Statement"]]


def granted() -> set[str]:
    """Return the actions that a policy allows somewhere."""
    actions = [statement["Action"] for statement in statements()]
    return {action for some in actions for action in ([some] if isinstance(some, str) else some)}


@cache
def needed() -> dict[str, set[str]]:
    """Return what CloudFormation needs to create, read, update and delete each type of resource that is used."""
    templates = (transformed(), yaml.safe_load(COMPILED_STACK.read_text(encoding="utf-8")))
    types = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    schemas = (Path(cfnlint.__file__).parent / "data" / "schemas" / "resources").glob("*.json")
    found: dict[str, set[str]] = {}
    for path in schemas:
        schema = json.loads(path.read_text(encoding="utf-8"))
        if schema["typeName"] in types:
            handlers = [schema["handlers"].get(step, {}) for step in ("create", "read", "update", "delete")]
            found[schema["typeName"]] = {action for handler in handlers for action in handler.get("permissions", [])}
    assert found.keys() == types
    return found


def test_every_resource_can_be_deployed() -> None:
    """Each permission that a resource type names is granted, or belongs to a feature that is not used."""
    lacking = {
        f"{kind}: {action}"
        for kind, actions in needed().items()
        for action in actions - granted()
        if not any(fnmatchcase(action, unused) for unused in UNUSED)
    }
    assert lacking == set()


@pytest.mark.parametrize("unused", UNUSED)
def test_each_exception_is_one(unused: str) -> None:
    """An exception that no resource type needs any more, or that is granted all the same, has to go."""
    actions = {action for actions in needed().values() for action in actions}
    assert any(fnmatchcase(action, unused) for action in actions)
    assert not any(fnmatchcase(action, unused) for action in granted())


@CFN_LINT
def test_each_action_can_apply_to_its_resources() -> None:
    """cfn-lint knows IAM's actions and the resources that they take."""
    resources = {
        f"Deployer{number}": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}
        for number, policy in enumerate(policies())
    }
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    assert findings(json.dumps(template)) == []


def test_each_policy_fits_into_a_managed_policy() -> None:
    """IAM counts 6,144 characters without white space."""
    for policy in policies():
        assert len(json.dumps(policy, separators=(",", ":"))) <= 6144


@pytest.mark.parametrize("service", ["lambda", "scheduler"])
def test_roles_may_be_passed_to_the_services_that_take_one(service: str) -> None:
    """CloudFormation hands them the stack's own roles, with the deployer's rights."""
    (passed,) = [statement for statement in statements() if statement["Action"] == "iam:PassRole"]
    assert passed["Resource"] == "arn:aws:iam::*:role/pipeline-triggers-*"
    assert f"{service}.amazonaws.com" in passed["Condition"]["StringEquals"]["iam:PassedToService"]


@pytest.mark.parametrize("rule", ["pipeline-triggers-dev-Triggers-One", "shop/pipeline-triggers-dev-Triggers-One"])
def test_rules_on_every_bus_can_be_deployed(rule: str) -> None:
    """A rule on another bus has the bus in its ARN."""
    (rules,) = [statement for statement in statements() if statement["Sid"] == "Rules"]
    arn = f"arn:aws:events:eu-central-1:123456789012:rule/{rule}"
    assert any(fnmatchcase(arn, resource) for resource in rules["Resource"])
