"""The functions' roles: each grant is for a call that the function's code makes on that resource, and each is granted.

The calls are read from the code, so a new call, a new function and a new grant are looked at without a change here.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import grimp
import pytest
from botocore import xform_name
from pipeline_triggers.language.lookups import LOOKUPS
from pipeline_triggers.language.sources import HANDLERS, SOURCES

from tests.tools.iam import as_list, without_each_grant
from tests.tools.templates import with_parameters

ALL_FEATURES = with_parameters(NotificationTopic="arn:aws:sns:eu-central-1:123456789012:reports")
FUNCTIONS = {name: one for name, one in ALL_FEATURES.items() if one["Type"] == "AWS::Lambda::Function"}

Grant = tuple[str, str]  # an action, and the logical id or the end of the ARN of what it is granted on

# What Lambda does with the function's role.
BY_LAMBDA = {
    "sqs:ReceiveMessage": "{}Queue",
    "sqs:DeleteMessage": "{}Queue",
    "sqs:GetQueueAttributes": "{}Queue",
    "logs:CreateLogStream": "{}LogGroup",
    "logs:PutLogEvents": "{}LogGroup",
}

# What the calls of a package, or of one of its modules, are made on.
TABLES = {
    "batches": "BatchTable",
    "delivery": "StateTable",
    "history": "HistoryTable",
    "janitor": "SnapshotTable",
    "starts": "StateTable",
}
SENDS_TO = {"batches": "OnBatchQueue", "dead_letters": "{}DeadLetterQueue", "janitor": "{}Queue"}
OTHERS = {
    "cloudformation:DescribeStackResources": "*",
    "events:DeleteRule": "rule/*",
    "events:DescribeRule": "rule/*",
    "events:ListEventBuses": "*",
    "events:ListRuleNamesByTarget": "*",
    "events:ListRules": "*",
    "events:ListTagsForResource": "rule/*",
    "events:ListTargetsByRule": "rule/*",
    "events:PutEvents": "EventBus",
    "events:RemoveTargets": "rule/*",
    "s3:PutObject": "BatchBucket/batches/*",
    "sagemaker:DescribePipeline": "pipeline/*",
    "sagemaker:DescribePipelineExecution": "pipeline/*/execution/*",
    "sagemaker:ListPipelines": "*",
    "scheduler:DeleteSchedule": "schedule/*/*",
    "scheduler:GetSchedule": "schedule/*/*",
    "scheduler:ListSchedules": "*",
    "sns:Publish": "NotificationTopic",
    "sqs:ChangeMessageVisibility": "{}Queue",
}

# Calls that IAM knows under other names, or that need no grant.
OTHER_NAMES = {
    "dynamodb:TransactWriteItems": {
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    },
    "s3:HeadObject": {"s3:GetObject"},
    "sqs:SendMessageBatch": {"sqs:SendMessage"},
    "sts:GetCallerIdentity": set(),
}

# Methods of something else with the name of a call.
NOT_CALLS = {
    "events:DescribeEndpoint",
    "sagemaker:Search",  # of regular expressions
    "scheduler:ListTagsForResource",
    "sns:ListTagsForResource",
}

# Granted by the compiled stack, on what the documents name.
GRANTS = [
    *(grant for lookup in LOOKUPS.values() for grant in lookup.grants),
    *(grant for source in SOURCES.values() for grant in source.grants),
]
BY_DOCUMENTS = {"sagemaker:StartPipelineExecution", "sagemaker:ListPipelineExecutions"} | {
    action for grant in GRANTS for action in grant.actions
}

# What only others call in the modules that functions share: triggers restore reads the snapshots, triggers history the
# records of verdicts, on_batch writes lists and manifests, and only the triggers' handlers let events join.
BY_OTHERS: dict[str, set[Grant]] = {
    "JanitorFunction": {("dynamodb:Query", "SnapshotTable"), ("dynamodb:Scan", "SnapshotTable")},
    "OnBatchFunction": {("dynamodb:ConditionCheckItem", "BatchTable")},
    **{
        f"{handler}Function": {
            ("dynamodb:BatchWriteItem", "BatchTable"),
            ("dynamodb:Query", "HistoryTable"),
            ("s3:PutObject", "BatchBucket/batches/*"),
        }
        for handler in HANDLERS
    },
}


# An index is a resource of its own; the code names it in the arguments of a query.
BY_INDEX: dict[str, set[Grant]] = {"OnBatchFunction": {("dynamodb:Query", "HistoryTable/index/by_trigger")}}


@cache
def methods() -> dict[str, set[str]]:
    """Return the calls of the services in use by the names of boto3's methods."""
    session = botocore.session.get_session()
    found: dict[str, set[str]] = {}
    for service in ("cloudformation", "dynamodb", "events", "s3", "sagemaker", "scheduler", "sns", "sqs", "sts"):
        for operation in session.get_service_model(service).operation_names:
            found.setdefault(xform_name(operation), set()).add(f"{service}:{operation}")
    return found


@cache
def graph() -> Any:
    """Return which module imports which."""
    return grimp.build_graph("functions", "pipeline_triggers")


@cache
def calls_of(module: str) -> frozenset[str]:
    """Return the calls whose methods a module names."""
    spec = importlib.util.find_spec(module)
    assert spec
    assert spec.origin
    names = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # get_paginator("list_rules")
            names.add(node.value)
    return frozenset(call for name in names for call in methods().get(name, ()))


def needed(function: str) -> set[Grant]:
    """Return what a function's role needs in the template."""
    handler = f"functions.{FUNCTIONS[function]['Properties']['Handler'].partition('.')[0]}"
    name = function.removesuffix("Function")
    grants = {(action, resource.format(name)) for action, resource in BY_LAMBDA.items()}
    for module in graph().find_upstream_modules(handler) | {handler}:
        for call in calls_of(module) - NOT_CALLS:
            for action in OTHER_NAMES.get(call, {call}):
                if function == "JanitorFunction" or action not in BY_DOCUMENTS | {"sagemaker:DescribePipeline"}:
                    grants.add((action, resource_of(action, module).format(name)))
    return (grants | BY_INDEX.get(function, set())) - BY_OTHERS.get(function, set())


def resource_of(action: str, module: str) -> str:
    """Return what the calls of a module are made on."""
    package = module.split(".")[1]
    if action.startswith("dynamodb:"):
        return TABLES[package]
    return SENDS_TO[package] if action == "sqs:SendMessage" else OTHERS[action]


def statements(function: str) -> list[dict[str, Any]]:
    """Return the statements of a function's role."""
    role = FUNCTIONS[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    policies = ALL_FEATURES[role]["Properties"]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def granted(some: Iterable[Mapping[str, Any]]) -> list[Grant]:
    """Return what statements grant."""
    return [
        (action, name_of(resource))
        for statement in some
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]


def name_of(resource: Any) -> str:
    """Return a resource's logical id, or the end of its ARN."""
    match resource:
        case {"Fn::GetAtt": [str(name), "Arn"]} | {"Ref": str(name)}:
            return name
        case {"Fn::Sub": str(text)} if text.startswith("arn:"):
            return text.rpartition(":")[2]
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace(".Arn}", "")
    return str(resource)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_granted_exactly_what_its_function_calls(function: str) -> None:
    """A grant that is taken out is missing here, and a grant that nothing uses, or that is there twice, is too much."""
    assert sorted(granted(statements(function))) == sorted(needed(function))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_statement_allows_without_conditions_and_here(function: str) -> None:
    """The comparison above does not see an effect, a condition, or an ARN's account and Region."""
    for statement in statements(function):
        assert statement.keys() == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        texts = [
            one["Fn::Sub"] for one in as_list(statement["Resource"]) if isinstance(one, Mapping) and "Fn::Sub" in one
        ]
        for arn in (text for text in texts if text.startswith("arn:")):
            assert re.match(r"arn:\$\{AWS::Partition\}:\w+:\$\{AWS::Region\}:\$\{AWS::AccountId\}:", arn), arn


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_grant_that_is_taken_out_is_missed(function: str) -> None:
    """Each action and each resource of each statement, one at a time."""
    all_of_them = statements(function)
    for number, statement in enumerate(all_of_them):
        for name, rest in without_each_grant(statement):
            left = granted([*all_of_them[:number], *rest, *all_of_them[number + 1 :]])
            assert needed(function) - set(left), f"{statement}: {name}"


def test_a_call_that_is_not_granted_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that begins to read the ledger by query needs a grant for that, although it reads batches so."""
    original = calls_of("pipeline_triggers.starts.ledger")
    changed = {"pipeline_triggers.starts.ledger": original | {"dynamodb:Query"}}
    monkeypatch.setitem(globals(), "calls_of", lambda module: changed.get(module) or frozenset[str]())
    assert ("dynamodb:Query", "StateTable") in needed("OnEventFunction")
    assert ("dynamodb:Query", "StateTable") not in granted(statements("OnEventFunction"))


# Schedules of triggers, deadlines of batches, and the daily sweep.
QUEUES_OF_SCHEDULES = {"ScheduleRole": {"OnEventQueue", "OnBatchQueue"}, "JanitorSweepRole": {"JanitorQueue"}}


def role_of(service: str) -> list[str]:
    """Return the roles that a service assumes."""
    roles = {name: one["Properties"] for name, one in ALL_FEATURES.items() if one["Type"] == "AWS::IAM::Role"}
    trusted = {"Service": f"{service}.amazonaws.com"}
    return [
        name for name, one in roles.items() if one["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == trusted
    ]


def test_every_role_is_a_function_s_or_scheduler_s() -> None:
    """So the tests here look at each."""
    roles = {name for name, one in ALL_FEATURES.items() if one["Type"] == "AWS::IAM::Role"}
    of_functions = {one["Properties"]["Role"]["Fn::GetAtt"][0] for one in FUNCTIONS.values()}
    assert of_functions == set(role_of("lambda"))
    assert roles == of_functions | set(role_of("scheduler"))


@pytest.mark.parametrize("role", role_of("scheduler"))
def test_scheduler_sends_to_queues_and_their_dead_letter_queues(role: str) -> None:
    """Nothing else: a schedule's target names the role, so whoever may make a schedule in the group uses it."""
    (policy,) = ALL_FEATURES[role]["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    granted = {resource["Fn::GetAtt"][0] for resource in statement["Resource"]}
    assert granted == {
        f"{name.removesuffix('Queue')}{kind}"
        for name in QUEUES_OF_SCHEDULES[role]
        for kind in ("Queue", "DeadLetterQueue")
    }
