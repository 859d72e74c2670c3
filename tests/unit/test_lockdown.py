"""A key and a permissions boundary of one's own: every resource that can have one gets it, new ones included."""

from __future__ import annotations

from typing import Any

import pytest

from tests import PROJECT
from tests.tools.templates import with_parameters

KEY = {"Ref": "KmsKeyArn"}


def by_default(encryption: Any) -> dict[str, Any]:
    """Return a bucket's encryption."""
    return {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": encryption}]}


# How each type of resource that stores something says with which key: without the parameter, and with it.
ENCRYPTION: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "AWS::SQS::Queue": ({"SqsManagedSseEnabled": True}, {"KmsMasterKeyId": KEY}),
    "AWS::SNS::Topic": ({}, {"KmsMasterKeyId": KEY}),
    "AWS::DynamoDB::Table": (
        {"SSESpecification": {"SSEEnabled": False}},
        {"SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}},
    ),
    "AWS::Logs::LogGroup": ({}, {"KmsKeyId": KEY}),
    "AWS::S3::Bucket": (
        {"BucketEncryption": by_default({"SSEAlgorithm": "AES256"})},
        {"BucketEncryption": by_default({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY})},
    ),
}

# Properties that name a key, or switch encryption on, in any of these types.
ABOUT_KEYS = {"SqsManagedSseEnabled", "KmsMasterKeyId", "SSESpecification", "KmsKeyId", "BucketEncryption"}

PLAIN = with_parameters()
WITH_KEY = with_parameters(KmsKeyArn="arn:aws:kms:eu-central-1:123456789012:key/k")


def encryption(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource's properties about encryption."""
    return {name: value for name, value in resource.get("Properties", {}).items() if name in ABOUT_KEYS}


@pytest.mark.parametrize("name", [name for name, resource in PLAIN.items() if resource["Type"] in ENCRYPTION])
def test_everything_that_is_stored_is_encrypted_with_the_given_key(name: str) -> None:
    """Without the parameter, AWS's own keys encrypt; a queue or a table never names both."""
    with_aws_keys, with_key = ENCRYPTION[PLAIN[name]["Type"]]
    assert encryption(PLAIN[name]) == with_aws_keys
    assert encryption(WITH_KEY[name]) == with_key


def test_every_role_may_use_the_key() -> None:
    """Each role reads or writes a queue or a table; without the parameter there is no such policy."""
    roles = [{"Ref": name} for name, resource in PLAIN.items() if resource["Type"] == "AWS::IAM::Role"]
    policy = WITH_KEY["KmsKeyPolicy"]["Properties"]
    assert sorted(policy["Roles"], key=str) == sorted(roles, key=str)
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": KEY}
    assert "KmsKeyPolicy" not in PLAIN


def test_every_role_has_the_permissions_boundary() -> None:
    """So that none may ever do more than that; a test of direct triggers looks at the roles of the compiled stack."""
    with_boundary = with_parameters(PermissionsBoundary="arn:aws:iam::123456789012:policy/boundary")
    for name, resource in with_boundary.items():
        if resource["Type"] == "AWS::IAM::Role":
            assert resource["Properties"]["PermissionsBoundary"] == {"Ref": "PermissionsBoundary"}, name
            assert "PermissionsBoundary" not in PLAIN[name]["Properties"]


# What stays when the stack goes → the command that removes it.
KEPT = {
    "AWS::DynamoDB::Table": "aws dynamodb delete-table ",
    "AWS::Logs::LogGroup": "aws logs delete-log-group ",
    "AWS::S3::Bucket": "aws s3 rb ",
}
RECORDS = [name for name, one in PLAIN.items() if one["Type"] in KEPT]


@pytest.mark.parametrize("name", RECORDS)
def test_records_outlive_the_stack(name: str) -> None:
    """They stay when the stack is deleted, or a change replaces them; a failed first deploy leaves none."""
    assert PLAIN[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert PLAIN[name]["UpdateReplacePolicy"] == "Retain"


def test_the_documentation_says_how_to_remove_what_stays() -> None:
    """With a command for each type of resource."""
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Removing a stack\n")[2].partition("\n## ")[0]
    kept = {one["Type"] for one in PLAIN.values() if "Retain" in one.get("DeletionPolicy", "")}
    assert kept == KEPT.keys()
    assert [kind for kind, command in KEPT.items() if command not in section] == []
