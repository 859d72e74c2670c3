"""Deploy, change and delete under roles with exactly the documented policies.

The embedded AWS enforces them for the calls of ``sam`` and ``triggers``. It does not for those that CloudFormation
makes with the deployer's rights; ``tests/unit/test_policies.py`` compares these with CloudFormation's schemas.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import PROJECT
from tests.localaws.local_aws import CommandFailed, LocalAws
from tests.localaws.project import Project

POLICIES = PROJECT / "docs" / "policies"
STACK = "pipeline-triggers-dev"

ONE = """
  one:
    when: {{s3: {{bucket: "${{RawBucket}}", key: "{prefix}/*"}}}}
    start: trained
"""

EMPTY = "Resources: {Handle: {Type: AWS::CloudFormation::WaitConditionHandle}}\n"


def plan(aws: LocalAws, project: Project, template: Path) -> None:
    """Make a change set as ``make plan`` does."""
    assert aws.triggers("check", "--aws", "--documents", str(project.documents)).returncode == 0
    aws.sam(
        *("deploy", "--config-file", str(project.path / "samconfig.toml"), "--template-file", str(template)),
        *("--no-execute-changeset", "--s3-prefix", "plans"),
        project=project.path,
    )


def pattern(aws: LocalAws) -> str:
    """Return the event pattern of the one trigger's rule."""
    (rule,) = aws.client("events").list_rules(NamePrefix=f"{STACK}-TriggersStack")["Rules"]
    return str(rule["EventPattern"])


def create_key(aws: LocalAws) -> str:
    """Create a customer-managed key, and return its ARN."""
    return str(aws.client("kms").create_key()["KeyMetadata"]["Arn"])


def create_boundary(aws: LocalAws) -> str:
    """Create a permissions boundary that allows everything, and return its ARN."""
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    return str(aws.client("iam").create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"])


def test_the_documented_policies_deploy_change_and_delete_the_stack(
    aws: LocalAws, new_project: Callable[[], Project]
) -> None:
    """The deployer's do all of it; those for plans make the change set, and are denied to execute one."""
    aws.create_pipeline("trained", '{"Version": "2020-12-01", "Parameters": [], "Steps": []}')
    project = new_project()
    (project.path / "empty.yaml").write_text(EMPTY, encoding="utf-8")
    # As an administrator does once: the bucket for artifacts is sam's own.
    aws.sam("deploy", "--template-file", "empty.yaml", "--stack-name", "empty", "--resolve-s3", project=project.path)
    names = ("deployer-1", "deployer-2", "deployer-options")
    deployer = aws.as_role("deployer", *(POLICIES / f"{name}.json" for name in names))
    planner = aws.as_role("planner", POLICIES / "plan.json")

    project.compile(ONE.format(prefix="before"))
    template = project.build(aws, STACK)
    plan(planner, project, template)
    with pytest.raises(CommandFailed, match="AccessDenied"):
        planner.deploy(STACK, template, "Stage=dev", project=project.path)
    assert deployer.triggers("check", "--aws", "--documents", str(project.documents)).returncode == 0
    deployer.deploy(STACK, template, "Stage=dev", project=project.path)
    assert "before/" in pattern(aws)

    project.compile(ONE.format(prefix="after"))
    template = project.build(aws, STACK)
    key, boundary = create_key(aws), create_boundary(aws)
    deployer.deploy(STACK, template, f"KmsKeyArn={key}", f"PermissionsBoundary={boundary}", project=project.path)
    assert "after/" in pattern(aws)
    queue = aws.physical_id(STACK, "OnEventQueue")
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["KmsMasterKeyId"] == key
    # The engine keeps no boundary that a change adds to a role; that each role has it is in test_lockdown.

    cloudformation = deployer.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK)
    assert aws.client("events").list_rules(NamePrefix=STACK)["Rules"] == []
