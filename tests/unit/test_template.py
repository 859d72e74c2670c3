"""``template.yaml``, as CloudFormation gets it: what the embedded AWS does not check."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from pipeline_triggers.batches import decision, door
from pipeline_triggers.batches import handler as batches
from pipeline_triggers.batches.store import KEPT_BATCHES
from pipeline_triggers.delivery.decision import MAX_CRASHES, MAX_LOOKS, TIME_FOR_A_START, TIME_TO_DECIDE
from pipeline_triggers.delivery.handler import LONGEST_WAIT
from pipeline_triggers.janitor import claims, cleanups, report
from pipeline_triggers.janitor import handler as janitor
from pipeline_triggers.language.sources import HANDLERS, pipeline
from pipeline_triggers.starts import ledger

from tests import PROJECT
from tests.effort import CFN_LINT
from tests.localaws.local_aws import deletion
from tests.simulation import janitor_world
from tests.tools.templates import COMPILED_STACK, findings, transformed

RESOURCES: dict[str, dict[str, Any]] = transformed()["Resources"]

# Those of the triggers, of their batches, and of deleted pipelines.
FUNCTIONS = (*HANDLERS, "OnBatch", "Janitor")

# What IAM grants for everything or not at all, in the one statement that may: the actions list, or find by what is not
# the name of a resource.
ONLY_WHOLE = {
    "scheduler:ListSchedules",
    "events:ListEventBuses",
    "events:ListRules",
    "events:ListRuleNamesByTarget",
    "sagemaker:ListPipelines",
    "cloudformation:DescribeStackResources",
}


@cache
def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type, by logical id."""
    return {name: found["Properties"] for name, found in RESOURCES.items() if found["Type"] == kind}


def statements(kind: str) -> Iterator[dict[str, Any]]:
    """Give the policy statements of all resources of a type."""
    for properties in of_type(kind).values():
        for policy in properties.get("Policies", [properties]):
            yield from policy["PolicyDocument"]["Statement"]


PARTS = ("Function", "Role", "LogGroup", "Queue", "DeadLetterQueue", "QueuePolicy", "DeadLetterAlarm", "ErrorsAlarm")


def parts(handler: str) -> dict[str, Any]:
    """Return the resources of a handler, with its own name and what only it has taken out."""
    resources = {part: RESOURCES.get(f"{handler}{part}") for part in PARTS}
    function = f"{handler}Function"
    resources["Mapping"] = next(
        resource
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        and resource["Properties"]["FunctionName"] == {"Ref": function}
    )
    alike: dict[str, Any] = json.loads(json.dumps(resources).replace(handler, "Handler"))
    del alike["Function"]["Properties"]["Handler"]
    alike["Function"]["Properties"]["Environment"]["Variables"].pop("REQUESTS_TOPIC_ARN", None)
    return alike


@pytest.mark.parametrize("handler", HANDLERS)
def test_handlers_differ_in_their_names_only(handler: str) -> None:
    """What holds for one handler's resources holds for all; the policy of the SNS queue is in the compiled stack."""
    expected, actual = parts("OnS3Upload"), parts(handler)
    if handler == "OnSnsMessage":
        assert expected.pop("QueuePolicy") is not None
        assert actual.pop("QueuePolicy") is None
    assert actual == expected


def test_logs_hold_the_functions_own_lines_and_failures_only() -> None:
    """Of Lambda's own lines those of failed invocations are kept, so the verdicts stand out."""
    for name, function in of_type("AWS::Lambda::Function").items():
        log_group = {"Ref": name.replace("Function", "LogGroup")}
        levels = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN"}
        assert function["LoggingConfig"] == {**levels, "LogGroup": log_group}


def test_every_function_has_a_role_of_its_own() -> None:
    """SAM would else attach a policy with which a function can read every queue of the account."""
    functions = of_type("AWS::Lambda::Function")
    assert functions.keys() == {f"{handler}Function" for handler in FUNCTIONS}
    for handler in FUNCTIONS:
        assert functions[f"{handler}Function"]["Role"] == {"Fn::GetAtt": [f"{handler}Role", "Arn"]}
    assert not [role for role in of_type("AWS::IAM::Role").values() if "ManagedPolicyArns" in role]


def test_no_role_may_do_anything_to_everything() -> None:
    """Each grant names its actions and its resource, but for what can't be granted so."""
    granted = [statement for statement in statements("AWS::IAM::Role") if "Fn::If" not in statement]
    whole = [statement for statement in granted if statement["Resource"] == "*"]
    assert [set(statement["Action"]) for statement in whole] == [ONLY_WHOLE]
    for statement in granted:
        actions = statement["Action"]
        assert not [action for action in ([actions] if isinstance(actions, str) else actions) if "*" in action]


@pytest.mark.parametrize("queue", [f"{handler}{kind}" for handler in HANDLERS for kind in ("Queue", "DeadLetterQueue")])
def test_queues_take_encrypted_messages_of_this_account_only(queue: str) -> None:
    """Only rules of this account may send, and nothing unencrypted is accepted.

    The policy of the queue for messages is compiled, with the topics in it.
    """
    policies = [found for found in of_type("AWS::SQS::QueuePolicy").values() if {"Ref": queue} in found["Queues"]]
    if queue.startswith("OnSnsMessage"):
        assert policies == []
        return
    (policy,) = policies
    allow, deny = policy["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", {"Service": "events.amazonaws.com"})
    assert allow["Action"] == "sqs:SendMessage"
    (source,) = allow["Condition"]["ArnLike"].values()
    assert source == {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/*"}
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sqs:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    assert arn in allow["Resource"]
    assert arn in deny["Resource"]


def test_the_topic_of_requests_takes_encrypted_messages_only() -> None:
    """Who may publish is for IAM to say: the policy allows nobody."""
    (policy,) = of_type("AWS::SNS::TopicPolicy").values()
    topic = {"Ref": "RequestsTopic"}
    assert policy["Topics"] == [topic]
    (deny,) = policy["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Principal"], deny["Action"], deny["Resource"]) == ("Deny", "*", "sns:Publish", topic)
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_message_stays_hidden_while_its_function_can_work_on_it(handler: str) -> None:
    """AWS asks for six times the time-out; the embedded AWS accepts anything."""
    time_out = of_type("AWS::Lambda::Function")[f"{handler}Function"]["Timeout"]
    queue = of_type("AWS::SQS::Queue")[f"{handler}Queue"]
    assert queue["VisibilityTimeout"] == 6 * time_out
    assert time_out == ledger.FUNCTION_TIMEOUT > TIME_FOR_A_START
    assert time_out + ledger.LISTING_BOUND + 2 * ledger.CLOCK_SKEW <= ledger.LEASE < queue["VisibilityTimeout"]


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_message_expires_in_its_queue(handler: str) -> None:
    """It is given up by its age, or moved by its receives, before that; a test of the burst says how many it needs."""
    queue = of_type("AWS::SQS::Queue")[f"{handler}Queue"]
    give_up_after = transformed()["Parameters"]["GiveUpAfterHours"]["MaxValue"] * 3600
    crashes = (MAX_CRASHES + MAX_LOOKS) * queue["VisibilityTimeout"]
    assert give_up_after + TIME_TO_DECIDE + crashes + LONGEST_WAIT < queue["MessageRetentionPeriod"]
    most_receives = queue["RedrivePolicy"]["maxReceiveCount"]
    assert most_receives * queue["VisibilityTimeout"] < queue["MessageRetentionPeriod"]
    # SQS leaves it its age when it moves it.
    dead_letters = of_type("AWS::SQS::Queue")[f"{handler}DeadLetterQueue"]
    assert queue["MessageRetentionPeriod"] <= dead_letters["MessageRetentionPeriod"] - 7 * 24 * 3600


def test_the_ledger_outlives_the_dead_letter_queues() -> None:
    """A message that is sent again on its last day there is still known."""
    queues = of_type("AWS::SQS::Queue")
    for handler in HANDLERS:
        kept = sum(queues[f"{handler}{kind}"]["MessageRetentionPeriod"] for kind in ("Queue", "DeadLetterQueue"))
        assert kept + queues[f"{handler}Queue"]["MessageRetentionPeriod"] < ledger.KEPT
    for table in of_type("AWS::DynamoDB::Table").values():
        assert_kept(table)


def assert_kept(table: dict[str, Any]) -> None:
    """Assert that items expire by themselves only, and that lost ones can be had back."""
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_an_alarm_looks_at_each_dead_letter_queue_at_each_function_and_at_max_starts() -> None:
    """Nothing waits there unseen, no function breaks off unseen; a parameter names whom to notify."""
    alarms = of_type("AWS::CloudWatch::Alarm")
    of_queues = {f"{handler}DeadLetterAlarm" for handler in FUNCTIONS}
    of_functions = {f"{handler}ErrorsAlarm" for handler in FUNCTIONS}
    assert alarms.keys() == of_queues | of_functions | {
        *("MaxStartsAlarm", "BatchMissedAlarm", "BatchWaitingAlarm", "JanitorTooManyAlarm")
    }
    for handler in FUNCTIONS:
        function = [{"Name": "FunctionName", "Value": {"Ref": f"{handler}Function"}}]
        assert alarms[f"{handler}ErrorsAlarm"]["Dimensions"] == function
        name = {"Fn::GetAtt": [f"{handler}DeadLetterQueue", "QueueName"]}
        assert alarms[f"{handler}DeadLetterAlarm"]["Dimensions"] == [{"Name": "QueueName", "Value": name}]
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], []]}


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_message_outlives_its_queue_in_the_dead_letter_queue(handler: str) -> None:
    """A message keeps its age when it moves, so the second queue must keep it longer."""
    queues = of_type("AWS::SQS::Queue")
    kept = queues[f"{handler}DeadLetterQueue"]["MessageRetentionPeriod"]
    assert kept == 14 * 24 * 3600
    assert queues[f"{handler}Queue"]["MessageRetentionPeriod"] <= kept / 2


def test_only_failed_messages_of_a_batch_come_back() -> None:
    """Without this response type, one failure would repeat the whole batch."""
    mappings = of_type("AWS::Lambda::EventSourceMapping").values()
    assert len(mappings) == len(FUNCTIONS)
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_function_knows_a_trigger_before_its_rule_fires() -> None:
    """The triggers' stack waits for the functions that read the compiled triggers, and hands in every queue."""
    readers = (*HANDLERS, "OnBatch")
    assert {f"{handler}Function" for handler in readers} <= set(RESOURCES["TriggersStack"]["DependsOn"])
    handed_in = RESOURCES["TriggersStack"]["Properties"]["Parameters"]
    assert handed_in.keys() == yaml.safe_load(COMPILED_STACK.read_text(encoding="utf-8"))["Parameters"].keys()
    for handler in readers:
        assert handed_in[f"{handler}QueueArn"] == {"Fn::GetAtt": [f"{handler}Queue", "Arn"]}
        assert handed_in[f"{handler}DeadLetterQueueArn"] == {"Fn::GetAtt": [f"{handler}DeadLetterQueue", "Arn"]}
        assert handed_in[f"{handler}RoleName"] == {"Ref": f"{handler}Role"}


def test_only_the_stack_s_own_schedules_get_a_role_that_sends_to_the_queue() -> None:
    """Scheduler assumes it for schedules of the stack's group; the embedded AWS would take a role that may nothing."""
    role = of_type("AWS::IAM::Role")["ScheduleRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": {"Ref": "AWS::AccountId"},
            "aws:SourceArn": {"Fn::GetAtt": ["ScheduleGroup", "Arn"]},
        }
    }
    (allowed,) = [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
    assert allowed["Action"] == "sqs:SendMessage"
    queues = ("OnEventQueue", "OnEventDeadLetterQueue", "OnBatchQueue", "OnBatchDeadLetterQueue")
    assert allowed["Resource"] == [{"Fn::GetAtt": [queue, "Arn"]} for queue in queues]
    handed_in = RESOURCES["TriggersStack"]["Properties"]["Parameters"]
    assert handed_in["ScheduleGroup"] == {"Ref": "ScheduleGroup"}
    assert handed_in["ScheduleRoleArn"] == {"Fn::GetAtt": ["ScheduleRole", "Arn"]}


def test_only_its_own_rule_may_send_steps_of_batches() -> None:
    """A schedule of the stack's group sends with a role, a handler with its own."""
    (policy,) = [
        found for found in of_type("AWS::SQS::QueuePolicy").values() if {"Ref": "OnBatchQueue"} in found["Queues"]
    ]
    allow, _ = policy["PolicyDocument"]["Statement"]
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["EndedRule", "Arn"]}}}
    assert (allow["Effect"], allow["Resource"]) == ("Allow", {"Fn::GetAtt": ["OnBatchQueue", "Arn"]})
    assert_encrypted_only(policy, "OnBatch")


def assert_encrypted_only(policy: dict[str, Any], function: str) -> None:
    """Assert that a function's queue and its dead-letter queue refuse what is sent without TLS."""
    queues = [f"{function}Queue", f"{function}DeadLetterQueue"]
    deny = policy["PolicyDocument"]["Statement"][-1]
    assert policy["Queues"] == [{"Ref": queue} for queue in queues]
    assert deny["Resource"] == [{"Fn::GetAtt": [queue, "Arn"]} for queue in queues]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sqs:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}


def test_a_step_of_a_batch_ends_before_its_message_comes_again() -> None:
    """Decisions rest on how long the function may run; SQS itself would quarantine without a reason."""
    queue, function = of_type("AWS::SQS::Queue")["OnBatchQueue"], of_type("AWS::Lambda::Function")["OnBatchFunction"]
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]
    assert function["Timeout"] == decision.TIME_OUT > batches.TIME_FOR_A_START
    assert function["MemorySize"] == 1024
    give_up_after = transformed()["Parameters"]["GiveUpAfterHours"]["MaxValue"] * 3600
    most_receives = queue["RedrivePolicy"]["maxReceiveCount"]
    assert most_receives > give_up_after / batches.LONGEST_REST + 10 > batches.LAST_RECEIVE
    assert most_receives * queue["VisibilityTimeout"] < queue["MessageRetentionPeriod"]
    assert of_type("AWS::SQS::Queue")["OnBatchDeadLetterQueue"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    # Its starts hold the ledger's lease no longer than those of the handlers.
    assert door.LONGEST_START < ledger.FUNCTION_TIMEOUT


def test_the_sweep_of_batches_and_the_rule_of_ended_executions_say_what_on_batch_reads() -> None:
    """Each minute, and whenever an execution ends in any way."""
    sweep = of_type("AWS::Scheduler::Schedule")["SweepSchedule"]
    assert sweep["ScheduleExpression"] == "rate(1 minute)"
    assert json.loads(sweep["Target"]["Input"]) == {"sweep": "<aws.scheduler.scheduled-time>"}
    rule = of_type("AWS::Events::Rule")["EndedRule"]
    (statuses,) = rule["EventPattern"]["detail"].values()
    assert set(statuses) == set(pipeline.STATUSES) - {"Executing", "Stopping"}
    assert "Input" not in str(rule["Targets"])
    assert of_type("AWS::Lambda::Function")["OnBatchFunction"]["RecursiveLoop"] == "Allow"


def test_the_bucket_of_batches_is_private_encrypted_and_stays_when_the_stack_goes() -> None:
    """Executions read their manifests there; CloudFormation could not delete it with them anyway."""
    bucket = RESOURCES["BatchBucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] * 24 * 3600 == KEPT_BATCHES
    ((encryption,),) = bucket["Properties"]["BucketEncryption"].values()
    assert "SSEAlgorithm" in str(encryption)
    (policy,) = of_type("AWS::S3::BucketPolicy").values()
    (deny,) = policy["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": False}})
    assert deny["Resource"] == [{"Fn::GetAtt": ["BatchBucket", "Arn"]}, {"Fn::Sub": "${BatchBucket.Arn}/*"}]


def test_only_its_own_rule_and_sweep_may_send_to_the_janitor() -> None:
    """What lands in its queue is removed, so not even another rule of the account may send to it."""
    (policy,) = [
        found for found in of_type("AWS::SQS::QueuePolicy").values() if {"Ref": "JanitorQueue"} in found["Queues"]
    ]
    allow, _ = policy["PolicyDocument"]["Statement"]
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["JanitorDeletedRule", "Arn"]}}}
    queues = [{"Fn::GetAtt": [queue, "Arn"]} for queue in ("JanitorQueue", "JanitorDeadLetterQueue")]
    assert (allow["Effect"], allow["Resource"]) == ("Allow", queues)
    assert_encrypted_only(policy, "Janitor")
    (trust,) = of_type("AWS::IAM::Role")["JanitorSweepRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"},
        "aws:SourceArn": {"Fn::GetAtt": ["ScheduleGroup", "Arn"]},
    }


def test_the_janitor_hears_of_deleted_pipelines_only() -> None:
    """Of SageMaker's, in this account and Region, that were deleted indeed; the whole event comes."""
    rule = of_type("AWS::Events::Rule")["JanitorDeletedRule"]
    (target,) = rule["Targets"]
    message = target["InputTransformer"]["InputTemplate"].replace("<aws.events.event.json>", json.dumps(deletion("a")))
    assert cleanups.read(message, "m", 0, janitor_world.HOME).pipeline == "a"
    assert rule["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "account": [{"Ref": "AWS::AccountId"}],
        "region": [{"Ref": "AWS::Region"}],
        "detail": {
            "eventSource": ["sagemaker.amazonaws.com"],
            "eventName": ["DeletePipeline"],
            "errorCode": [{"exists": False}],
        },
    }


def test_a_clean_up_ends_before_its_message_comes_again() -> None:
    """And what is not done is given up with its reason before SQS moves it without one, or forgets it."""
    queue, function = of_type("AWS::SQS::Queue")["JanitorQueue"], of_type("AWS::Lambda::Function")["JanitorFunction"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert function["Timeout"] == janitor_world.TIME_OUT > janitor.TIME_FOR_A_STEP
    kept = queue["MessageRetentionPeriod"]
    give_up_after = transformed()["Parameters"]["GiveUpAfterHours"]["MaxValue"] * 3600
    most_receives = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
    assert give_up_after + queue["VisibilityTimeout"] < most_receives < kept
    assert 4 * kept < claims.KEPT
    assert of_type("AWS::SQS::Queue")["JanitorDeadLetterQueue"]["MessageRetentionPeriod"] >= 2 * kept


def test_lambda_lets_a_clean_up_send_itself_on() -> None:
    """It would take that for a loop, and drop the clean-up's message."""
    assert of_type("AWS::Lambda::Function")["JanitorFunction"]["RecursiveLoop"] == "Allow"


def test_the_sweep_says_what_the_janitor_reads() -> None:
    """The schedule's input is the sweep's message, for each mode that the parameter may have."""
    written = of_type("AWS::Scheduler::Schedule")["JanitorSweep"]["Target"]["Input"]["Fn::Sub"]
    for mode in transformed()["Parameters"]["JanitorMode"]["AllowedValues"]:
        cleanup = cleanups.read(written.replace("${JanitorMode}", mode), "m", 0, janitor_world.HOME)
        assert cleanup.removes == (mode == "remove")


@pytest.mark.parametrize("field", ["orphans", "removed"])
def test_the_largest_clean_up_fits_into_a_message(field: str) -> None:
    """And its report into an event: SQS took 256 KB at first, and EventBridge; more of either is not needed."""
    most = transformed()["Parameters"]["JanitorMostRemovals"]["MaxValue"]
    found = tuple(
        cleanups.Orphan("schedule", "g" * 64, f"{number:064}", "", f"{number:0120}") for number in range(most + 1)
    )
    kept = tuple(cleanups.Kept("k" * 130, "p" * 120, "r" * 300) for _ in range(cleanups.MAX_KEPT))
    existing = tuple(f"{number:060}" for number in range(cleanups.MAX_EXISTING))
    lists: Any = {field: found, "existing": existing, "kept": kept}
    cleanup = cleanups.Cleanup("m" * 36, 0, None, True, **lists)
    assert len(cleanup.dump()) < 256 * 1024
    reported = report.report_of(cleanup, most + 1, "s" * 128)
    assert len(json.dumps(reported, ensure_ascii=False)) < 256 * 1024


def test_samconfig_environments_are_complete() -> None:
    """They do not inherit from each other: what one sets, the other must."""
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    default, prod = config["default"], config["prod"]
    assert default.keys() == prod.keys()
    for command in default:
        assert default[command]["parameters"].keys() == prod[command]["parameters"].keys()
    for environment in (default, prod):
        deploy = environment["deploy"]["parameters"]
        assert deploy["fail_on_empty_changeset"] is False
        assert deploy["on_failure"] == "DELETE"


@CFN_LINT
def test_the_lint_of_the_transformed_template_can_fail() -> None:
    """It knows the properties that the embedded AWS accepts unseen."""
    broken = transformed()
    broken["Resources"]["OnS3UploadQueue"]["Properties"]["VisibilityTimeOut"] = 360
    assert [finding[:5] for finding in findings(json.dumps(broken))] == ["E3002"]
