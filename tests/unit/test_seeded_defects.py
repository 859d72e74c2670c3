"""The scanners of ``make check`` find defects that are put into the transformed template, each in its own resource."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest

from tests.effort import CFN_LINT
from tests.tools.templates import findings, risks, transformed

Properties = dict[str, Any]

OTHER_ACCOUNT = {"AWS": "arn:aws:iam::999999999999:root"}


def first_statement(properties: Properties) -> Properties:
    """Return the first statement of a resource's, or a role's first, policy."""
    policy = properties["Policies"][0] if "Policies" in properties else properties
    statement: Properties = policy["PolicyDocument"]["Statement"][0]
    return statement


def statement(**changes: Any) -> Callable[[Properties], None]:
    """Change members of a policy's first statement; None takes one out."""

    def change(properties: Properties) -> None:
        changed = first_statement(properties)
        changed.update(changes)
        for name in [name for name, value in changes.items() if value is None]:
            del changed[name]

    return change


def property_(**changes: Any) -> Callable[[Properties], None]:
    """Change properties of a resource."""
    return lambda properties: properties.update(changes)


def trust(principal: Any) -> Callable[[Properties], None]:
    """Let somebody else assume a role."""

    def change(properties: Properties) -> None:
        properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = principal

    return change


def without(name: str) -> Callable[[Properties], None]:
    """Take a property out."""
    return lambda properties: properties.pop(name)


# What is wrong → a copy of which resource, the change, and the rule that finds it.
DEFECTS: dict[str, tuple[str, Callable[[Properties], Any], str]] = {
    # cfripper
    "public queue": ("OnEventQueuePolicy", statement(Principal="*", Condition=None), "SQSQueuePolicyPublicRule"),
    "every action on a queue": ("OnEventQueuePolicy", statement(Action="sqs:*"), "SQSQueuePolicyWildcardActionRule"),
    "queue for all but one": (
        "OnEventQueuePolicy",
        statement(Principal=None, NotPrincipal=OTHER_ACCOUNT),
        "SQSQueuePolicyNotPrincipalRule",
    ),
    "queue policy that others may change": (
        "OnEventQueuePolicy",
        statement(Action="sqs:AddPermission"),
        "SQSDangerousPolicyActionsRule",
    ),
    "every action on a topic": (
        "RequestsTopicPolicy",
        statement(Effect="Allow", Action="sns:*"),
        "SNSTopicPolicyWildcardActionRule",
    ),
    "topic for all but one": (
        "RequestsTopicPolicy",
        statement(Effect="Allow", Principal=None, NotPrincipal=OTHER_ACCOUNT),
        "SNSTopicPolicyNotPrincipalRule",
    ),
    "topic policy that others may change": (
        "RequestsTopicPolicy",
        statement(Effect="Allow", Action="sns:AddPermission"),
        "SNSTopicDangerousPolicyActionsRule",
    ),
    "public topic": (
        "RequestsTopicPolicy",
        statement(Effect="Allow", Condition=None),
        "GenericResourceFullWildcardPrincipalRule",
    ),
    "role that may do everything": ("OnEventRole", statement(Action="*", Resource="*"), "IAMRolesOverprivilegedRule"),
    "role of an administrator": (
        "OnEventRole",
        property_(ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
        "IAMRolesOverprivilegedRule",
    ),
    "role that another account assumes": ("OnEventRole", trust(OTHER_ACCOUNT), "CrossAccountTrustRule"),
    "role that anyone assumes": ("OnEventRole", trust({"AWS": "*"}), "FullWildcardPrincipalRule"),
    "every item of every table": (
        "OnEventRole",
        statement(Action=["dynamodb:GetItem"], Resource="*"),
        "WildcardResourceRule",
    ),
    "role that may raise its rights": (
        "OnEventRole",
        statement(Action=["iam:CreatePolicyVersion"], Resource="*"),
        "PrivilegeEscalationRule",
    ),
    # cfn-lint
    "misspelt property": ("OnEventQueue", property_(VisibilityTimeOut=1), "E3002"),
    "too long a visibility": ("OnEventQueue", property_(VisibilityTimeout=43_201), "E3034"),
    "too long a retention": ("OnEventQueue", property_(MessageRetentionPeriod=2_000_000), "E3034"),
    "retention that logs do not have": ("OnEventLogGroup", property_(RetentionInDays=13), "E3030"),
    "runtime that is gone": ("OnEventFunction", property_(Runtime="python3.6"), "E2533"),
    "too long a time-out": ("OnEventFunction", property_(Timeout=9000), "E3034"),
    "too little memory": ("OnEventFunction", property_(MemorySize=64), "E3034"),
    "function without a role": ("OnEventFunction", without("Role"), "E3003"),
    "attribute of a resource that is missing": (
        "OnEventFunction",
        property_(Role={"Fn::GetAtt": ["NoSuchRole", "Arn"]}),
        "E1010",
    ),
    "reference to nothing": ("RequestsTopicPolicy", property_(Topics=[{"Ref": "NoSuchTopic"}]), "E1020"),
    "misspelt action": ("OnEventRole", statement(Action=["sqs:RecieveMessage"]), "W3037"),
    "key that is not an attribute": (
        "StateTable",
        property_(KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}]),
        "E3039",
    ),
    "comparison that does not exist": ("MaxStartsAlarm", property_(ComparisonOperator="Above"), "E3030"),
    "role that nobody assumes": ("OnEventRole", without("AssumeRolePolicyDocument"), "E3003"),
    "schedule without a window": ("JanitorSweep", without("FlexibleTimeWindow"), "E3003"),
    "rule without a pattern": ("JanitorDeletedRule", without("EventPattern"), "E3058"),
}


def seeded_name(defect: str) -> str:
    """Return the logical id of the resource with a defect."""
    return "".join(word.title() for word in defect.split() if word.isalpha()) + "Defect"


@cache
def scanned() -> list[str]:
    """Return all findings in the template with a defective copy of a resource for each defect."""
    of_lint = {defect for defect, (_, _, rule) in DEFECTS.items() if not rule.endswith("Rule")}
    return [*findings(json.dumps(seeded(of_lint))), *risks(seeded(DEFECTS.keys() - of_lint))]


def seeded(defects: Iterable[str]) -> dict[str, Any]:
    """Return the template with a defective copy of a resource for each of these defects."""
    template = transformed()
    for defect in defects:
        name, change, _ = DEFECTS[defect]
        copied = json.loads(json.dumps(template["Resources"][name]))
        change(copied["Properties"])
        template["Resources"][seeded_name(defect)] = copied
    return template


@CFN_LINT
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_seeded_defect_is_found(defect: str) -> None:
    """By the rule for it, at the resource that has it."""
    rule = DEFECTS[defect][2]
    name = re.compile(rf"\b{seeded_name(defect)}\b")
    assert [one for one in scanned() if one.startswith(f"{rule} ") and name.search(one.rpartition(" at Resources/")[2])]
