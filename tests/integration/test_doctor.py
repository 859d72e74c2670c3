"""``triggers doctor`` against a deployed stack: each break is named first, and the command that it prints fixes it."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import pytest
from pipeline_triggers import aws as library_aws
from pipeline_triggers.cli.deployed import deployment
from pipeline_triggers.models import MAX_STARTS
from pipeline_triggers.operations.doctor.checks import examine
from pipeline_triggers.operations.doctor.finding import Finding
from pipeline_triggers.starts.ledger import hour_key

from tests import PROJECT
from tests.clients import forget_clients
from tests.localaws import ACCOUNT, REGION, awscli
from tests.localaws.commands import triggers
from tests.localaws.local_aws import LocalAws, pipeline_definition
from tests.localaws.project import Project

# As the operator's policy names stacks.
STACK = "pipeline-triggers-doctored"  # as the operator's policy names stacks

TRIGGERS = """
  uploads:
    when: {s3: {bucket: doctored-raw, key: "in/*/data.csv"}}
    start: doctored
    parameters: {Value: "{% $object.metadata.owner %}"}
  endpoints:
    when: {endpoint: {name: "churn-*", status: InService}}
    start: doctored
    parameters: {Value: "{% $endpoint.name %}"}
  requests:
    when: {sns: {}}
    start_one_of: [doctored]
    accept: {Value: "*"}
  messages:
    when: {sns: {topic: "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:doctored-topic", attributes: {kind: [raw]}}}
    start: doctored
    parameters: {Value: x}
  nightly:
    when: {schedule: {cron: "0 2 * * ? *", timezone: Europe/Berlin}}
    start: doctored
    parameters: {Value: "{% $scheduled.date %}"}
  direct:
    when: {schedule: {rate: 365 days}}
    start: doctored-direct
    delivery: direct
  orders:
    when: {event: {bus: doctored-bus, pattern: {source: [shop]}}}
    start: doctored-direct
"""


class Doctored:
    """The deployed stack, and what the breaks below need to know of it."""

    def __init__(self, aws: LocalAws, project: Project) -> None:
        self.aws = aws
        self.project = project

    def client(self, service: str) -> Any:
        """Return a client of the embedded AWS."""
        return self.aws.client(service)

    def doctor(self, trigger: str | None = None) -> list[Finding]:
        """Return what the command would print, with clients that were made before: to make them takes longer."""
        with patch.dict(os.environ, {"PATH": os.environ["PATH"], **self.aws.environment}, clear=True):
            return list(examine(deployment(self.project.documents, STACK, trigger)))

    @property
    def options(self) -> tuple[str, ...]:
        """The command line's options for the stack and its documents."""
        return "--stack", STACK, "--documents", str(self.project.documents)

    def command(self, *options: str) -> CompletedProcess[str]:
        """Run the command itself."""
        return triggers(self.aws, "doctor", *self.options, *options)

    def id(self, name: str) -> str:
        """Return the physical id of a resource of the stack."""
        return self.aws.physical_id(STACK, name)

    @cached_property
    def compiled(self) -> dict[str, str]:
        """The physical ids of the compiled stack's resources, by their logical ids."""
        answer = self.client("cloudformation").list_stack_resources(StackName=self.id("TriggersStack"))
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in answer["StackResourceSummaries"]}

    def compiled_id(self, beginning: str, kind: str) -> str:
        """Return the physical id of a compiled resource whose logical id begins and ends like this."""
        (found,) = [id_ for name, id_ in self.compiled.items() if name.startswith(beginning) and name.endswith(kind)]
        return found.rpartition("|")[2]

    @property
    def upload_rule(self) -> str:
        """The name of the rule of the uploads."""
        return self.compiled_id("TeamUploads", "Rule")

    def set_queue(self, queue: str, **attributes: str) -> None:
        """Change a queue by hand."""
        self.client("sqs").set_queue_attributes(QueueUrl=self.id(queue), Attributes=attributes)


@pytest.fixture(scope="module")
def doctored(aws: LocalAws, new_project: Callable[[], Project]) -> Iterator[Doctored]:
    """A healthy stack, with a trail."""
    aws.create_bucket("doctored-raw")
    aws.create_pipeline("doctored", pipeline_definition({"Value": "String"}))
    aws.create_pipeline("doctored-direct", pipeline_definition({}))
    aws.client("sns").create_topic(Name="doctored-topic")
    aws.client("events").create_event_bus(Name="doctored-bus")
    aws.client("s3").create_bucket(Bucket="doctored-trails", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.client("cloudtrail").create_trail(Name="doctored", S3BucketName="doctored-trails", IsMultiRegionTrail=True)
    aws.client("cloudtrail").start_logging(Name="doctored")
    project = new_project()
    project.compile(TRIGGERS)
    project.deploy(aws, STACK)
    forget_clients()
    yield Doctored(aws, project)
    # Other tests of this AWS count its trails.
    aws.client("cloudtrail").delete_trail(Name="doctored")
    forget_clients()


# ---- The breaks: what somebody does by hand, by the check that has to name it first.

BREAKS: dict[str, tuple[str, Callable[[Doctored], Any]]] = {}


def breaks(cause: str) -> Callable[[Callable[[Doctored], Any]], Callable[[Doctored], Any]]:
    """Note a break under its own name."""

    def note(function: Callable[[Doctored], Any]) -> Callable[[Doctored], Any]:
        BREAKS[function.__name__] = (cause, function)
        return function

    return note


@breaks("bucket")
def bucket_notifications_off(stack: Doctored) -> None:
    stack.client("s3").put_bucket_notification_configuration(Bucket="doctored-raw", NotificationConfiguration={})


@breaks("rule disabled")
def rule_disabled(stack: Doctored) -> None:
    stack.client("events").disable_rule(Name=stack.upload_rule)


@breaks("rule disabled")
def rule_disabled_on_its_own_bus(stack: Doctored) -> None:
    stack.client("events").disable_rule(Name=stack.compiled_id("TeamOrders", "Rule"), EventBusName="doctored-bus")


@breaks("rule disabled")
def rule_of_ended_runs_disabled(stack: Doctored) -> None:
    stack.client("events").disable_rule(Name=stack.id("EndedRule"))


@breaks("rule pattern")
def rule_pattern_changed(stack: Doctored) -> None:
    pattern = json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["other"]}}})
    stack.client("events").put_rule(Name=stack.upload_rule, EventPattern=pattern)


@breaks("rule deleted")
def rule_deleted(stack: Doctored) -> None:
    events = stack.client("events")
    events.remove_targets(Rule=stack.upload_rule, Ids=["queue"])
    events.delete_rule(Name=stack.upload_rule)


@breaks("rule target")
def rule_target_removed(stack: Doctored) -> None:
    stack.client("events").remove_targets(Rule=stack.upload_rule, Ids=["queue"])


def change_target(stack: Doctored, **changes: Any) -> None:
    """Change the target of the uploads' rule; None takes a member out."""
    (target,) = stack.client("events").list_targets_by_rule(Rule=stack.upload_rule)["Targets"]
    changed = {name: value for name, value in {**target, **changes}.items() if value is not None}
    stack.client("events").put_targets(Rule=stack.upload_rule, Targets=[changed])


@breaks("rule target")
def rule_dead_letter_queue_removed(stack: Doctored) -> None:
    change_target(stack, DeadLetterConfig=None)


@breaks("rule target")
def rule_input_changed(stack: Doctored) -> None:
    change_target(
        stack, InputTransformer={"InputTemplate": '{"trigger": "team/other", "event": <aws.events.event.json>}'}
    )


@breaks("rule target")
def rule_target_added(stack: Doctored) -> None:
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:somewhere-else"
    stack.client("events").put_targets(Rule=stack.upload_rule, Targets=[{"Id": "by-hand", "Arn": arn}])


def change_schedule(stack: Doctored, **changes: Any) -> None:
    """Change the nightly schedule by hand."""
    scheduler = stack.client("scheduler")
    name, group = stack.compiled_id("TeamNightly", "Schedule"), stack.id("ScheduleGroup")
    live = scheduler.get_schedule(Name=name, GroupName=group)
    known = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target", "State", "Description")
    scheduler.update_schedule(
        Name=name, GroupName=group, **{**{key: live[key] for key in known if key in live}, **changes}
    )


@breaks("schedule")
def schedule_disabled(stack: Doctored) -> None:
    change_schedule(stack, State="DISABLED")


@breaks("schedule")
def schedule_at_another_time(stack: Doctored) -> None:
    change_schedule(stack, ScheduleExpression="cron(0 3 * * ? *)")


@breaks("schedule")
def schedule_deleted(stack: Doctored) -> None:
    name, group = stack.compiled_id("TeamNightly", "Schedule"), stack.id("ScheduleGroup")
    stack.client("scheduler").delete_schedule(Name=name, GroupName=group)


@breaks("subscription")
def subscription_filters_everything(stack: Doctored) -> None:
    arn = stack.compiled_id("DoctoredTopic", "Subscription")
    stack.client("sns").set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"kind": ["never"]}'
    )


@breaks("subscription")
def requests_filtered_away(stack: Doctored) -> None:
    arn = stack.compiled["RequestsSubscription"]
    stack.client("sns").set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"kind": ["never"]}'
    )


@breaks("subscription")
def subscription_deleted(stack: Doctored) -> None:
    stack.client("sns").unsubscribe(SubscriptionArn=stack.compiled_id("DoctoredTopic", "Subscription"))


@breaks("topic key")
def topic_encrypted(stack: Doctored) -> None:
    stack.client("sns").set_topic_attributes(
        TopicArn=stack.id("RequestsTopic"), AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"
    )


@breaks("queue policy")
def queue_closed_to_rules(stack: Doctored) -> None:
    stack.set_queue("OnS3UploadQueue", Policy="")


@breaks("queue policy")
def queue_closed_to_topics(stack: Doctored) -> None:
    stack.set_queue("OnSnsMessageQueue", Policy="")


@breaks("queue key")
def queue_encrypted(stack: Doctored) -> None:
    stack.set_queue("OnS3UploadQueue", KmsMasterKeyId="alias/aws/sqs")


@breaks("redrive policy")
def queue_without_dead_letter_queue(stack: Doctored) -> None:
    stack.set_queue("OnS3UploadQueue", RedrivePolicy="")


def mapping(stack: Doctored) -> str:
    """Return the UUID of the uploads' event source mapping."""
    function = stack.id("OnS3UploadFunction")
    (found,) = stack.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    return str(found["UUID"])


@breaks("event source")
def event_source_off(stack: Doctored) -> None:
    stack.client("lambda").update_event_source_mapping(UUID=mapping(stack), Enabled=False)


@breaks("concurrency")
def function_without_concurrency(stack: Doctored) -> None:
    stack.client("lambda").put_function_concurrency(
        FunctionName=stack.id("OnS3UploadFunction"), ReservedConcurrentExecutions=0
    )


@breaks("function")
def function_environment_changed(stack: Doctored) -> None:
    stack.client("lambda").update_function_configuration(
        FunctionName=stack.id("OnS3UploadFunction"), Environment={"Variables": {"STAGE": "prod"}}
    )


@breaks("function")
def function_layers_changed(stack: Doctored) -> None:
    stack.client("lambda").update_function_configuration(FunctionName=stack.id("OnS3UploadFunction"), Layers=[])


@breaks("grant")
def grant_detached(stack: Doctored) -> None:
    stack.client("iam").detach_role_policy(
        RoleName=stack.id("OnS3UploadRole"), PolicyArn=stack.compiled["OnS3UploadStarts"]
    )


@breaks("grant")
def grant_changed(stack: Doctored) -> None:
    nothing = {"Effect": "Allow", "Action": "sagemaker:DescribePipeline", "Resource": "*"}
    stack.client("iam").create_policy_version(
        PolicyArn=stack.compiled["OnEventStarts"],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [nothing]}),
        SetAsDefault=True,
    )


@breaks("role")
def role_policy_deleted(stack: Doctored) -> None:
    stack.client("iam").delete_role_policy(RoleName=stack.id("OnEventRole"), PolicyName="handle")


@breaks("trail")
def trail_stopped(stack: Doctored) -> None:
    stack.client("cloudtrail").stop_logging(Name="doctored")


def encrypt_bucket(stack: Doctored, key: str) -> None:
    """Let the bucket of the uploads encrypt with a key by default, with S3's own by ""."""
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
    stack.client("s3").put_bucket_encryption(
        Bucket="doctored-raw",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]},
    )


@breaks("bucket key")
def bucket_encrypted(stack: Doctored) -> None:
    encrypt_bucket(stack, stack.client("kms").create_key()["KeyMetadata"]["Arn"])


@breaks("pause")
def trigger_paused(stack: Doctored) -> None:
    paused = triggers(stack.aws, "pause", "team/uploads", "--indefinitely", "--reason", "a test", *stack.options)
    assert paused.returncode == 0, paused.stderr


@breaks("dead letters")
def message_dead(stack: Doctored) -> None:
    event = {"id": "dead-1", "source": "shop", "detail-type": "Order", "detail": {}}
    stack.client("sqs").send_message(
        QueueUrl=stack.id("OnEventDeadLetterQueue"), MessageBody=json.dumps({"trigger": "team/orders", "event": event})
    )


@breaks("documents")
def document_changed(stack: Doctored) -> None:
    stack.project.compile(TRIGGERS.replace("in/*/data.csv", "in/*/other.csv"))


# What a person has to do where the fix is not a command, by the break that asks for it.
BY_HAND: dict[str, Callable[[Doctored], Any]] = {}


@breaks("pipeline")
def pipeline_deleted(stack: Doctored) -> None:
    stack.aws.delete_pipeline("doctored-direct", trail=False)
    BY_HAND["pipeline_deleted"] = lambda _: stack.aws.create_pipeline("doctored-direct", pipeline_definition({}))


@breaks("parameters")
def pipeline_wants_another_parameter(stack: Doctored) -> None:
    def declare(**names: str) -> None:
        stack.aws.create_pipeline("doctored", pipeline_definition(names))

    declare(Value="String", Month="String")
    BY_HAND["pipeline_wants_another_parameter"] = lambda _: declare(Value="String")


@breaks("max_starts")
def max_starts_reached(stack: Doctored) -> None:
    table = stack.aws.session.resource(
        "dynamodb",
        endpoint_url=stack.aws.environment["AWS_ENDPOINT_URL"],
        verify=stack.aws.environment["AWS_CA_BUNDLE"],
    ).Table(stack.id("StateTable"))
    keys = [hour_key("team/uploads", int(time.time()) + ahead) for ahead in (0, 3600)]  # also if the hour ends now
    for key in keys:
        table.put_item(Item={"id": key, "starts": MAX_STARTS})
    BY_HAND["max_starts_reached"] = lambda _: [table.delete_item(Key={"id": key}) for key in keys]


@breaks("denial")
def call_denied(stack: Doctored) -> None:
    def log(**line: str) -> None:
        logs = {"logGroupName": stack.id("OnEventLogGroup"), "logStreamName": "doctored"}
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps({"level": "ERROR", **line})}
        stack.client("logs").put_log_events(**logs, logEvents=[event])

    stack.client("logs").create_log_stream(logGroupName=stack.id("OnEventLogGroup"), logStreamName="doctored")
    log(
        message="will be retried", exception="AccessDenied: not authorized to perform: sagemaker:StartPipelineExecution"
    )
    BY_HAND["call_denied"] = lambda _: log(message="verdict", outcome="STARTED", trigger="team/nightly")


def fix(stack: Doctored, name: str, command: str) -> None:
    """Do what a finding says."""
    if name in BY_HAND:
        BY_HAND[name](stack)
    elif command.startswith("triggers "):
        done = triggers(stack.aws, *shlex.split(command)[1:], *stack.options[2:])
        assert done.returncode == 0, done.stderr
        forget_clients()
    elif command == "make deploy":
        stack.project.deploy(stack.aws, STACK)
    else:
        awscli.run(stack.aws, command)


def test_a_healthy_stack_has_no_findings(doctored: Doctored) -> None:
    """Neither the whole stack nor any of its triggers."""
    assert doctored.doctor() == []
    for name in ("uploads", "requests", "messages", "direct"):
        assert doctored.doctor(f"team/{name}") == []


def test_a_probe_reaches_the_handler_and_starts_nothing(doctored: Doctored) -> None:
    """By the queue of rules, by that of topics; a direct trigger has none."""
    for name, kind in (("uploads", "rule"), ("messages", "subscription")):
        probed = doctored.command("--trigger", f"team/{name}", "--probe", "--json")
        looked_at, answered = json.loads(probed.stdout)
        assert (looked_at["link"], looked_at["seen"]) == (kind, "ENABLED; looked at, not probed")
        assert "PROBED after " in answered["seen"]
        assert probed.returncode == 0
    assert (
        doctored.client("sagemaker").list_pipeline_executions(PipelineName="doctored")["PipelineExecutionSummaries"]
        == []
    )
    assert "without a handler to probe" in doctored.command("--trigger", "team/direct", "--probe").stderr
    assert "--probe needs --trigger" in doctored.command("--probe").stderr


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_named_first_and_its_command_fixes_it(doctored: Doctored, name: str) -> None:
    """Whatever else the break shows in."""
    cause, break_it = BREAKS[name]
    break_it(doctored)
    first = doctored.doctor()[0]
    assert first.cause == cause, first
    fix(doctored, name, first.fix)
    assert doctored.doctor() == []


def test_the_command_prints_findings(doctored: Doctored) -> None:
    """In a table or as JSON; the exit code is 1 if there is one."""
    healthy = doctored.command()
    assert (healthy.returncode, healthy.stdout) == (0, "7 triggers OK\n")
    doctored.client("events").disable_rule(Name=doctored.upload_rule)
    broken = doctored.command("--trigger", "team/uploads")
    enable = f"aws events enable-rule --name {doctored.upload_rule} --event-bus-name default"
    assert broken.returncode == 1
    assert [" ".join(line.split()) for line in broken.stdout.splitlines()] == [
        "cause finding and fix",
        f"rule disabled rule {doctored.upload_rule} of team/uploads is DISABLED; its document makes it ENABLED",
        f"→ {enable}",
    ]
    (finding,) = json.loads(doctored.command("--json").stdout)
    assert (finding["cause"], finding["fix"], finding["seen"]) == ("rule disabled", enable, True)
    assert doctored.command("--trigger", "team/direct").returncode == 0
    awscli.run(doctored.aws, enable)
    unknown = doctored.command("--trigger", "team/upload")
    assert unknown.returncode == 2
    assert "no trigger team/upload; did you mean team/uploads" in unknown.stderr
    forget_clients()


def test_a_dead_letter_is_listed_and_discarded(doctored: Doctored) -> None:
    """Its verdict is in the handler's log and in the history."""
    message_dead(doctored)
    options = doctored.options[:2]
    (letter,) = json.loads(triggers(doctored.aws, "dead-letters", "list", "--json", *options).stdout)
    assert (letter["trigger"], letter["subject"], letter["event_id"]) == ("team/orders", "Order", "dead-1")
    discarding = ("dead-letters", "discard", letter["id"][:8], "--reason", "a test", *options)
    done = triggers(doctored.aws, *discarding)
    assert (done.returncode, done.stdout) == (0, "discarded 1 dead letters\n"), done.stderr
    (line,) = [line for line in doctored.aws.log_lines(STACK, "OnEvent") if line.get("outcome") == "DISCARDED"]
    history = doctored.aws.session.resource(
        "dynamodb",
        endpoint_url=doctored.aws.environment["AWS_ENDPOINT_URL"],
        verify=doctored.aws.environment["AWS_CA_BUNDLE"],
    ).Table(doctored.id("HistoryTable"))
    (item,) = [item for item in history.scan()["Items"] if item["outcome"] == "DISCARDED"]
    assert (line["event_id"], item["event_id"], item["trigger"]) == ("dead-1", "dead-1", "team/orders")
    assert "a test" in line["reason"]
    assert "a test" in str(item["reason"])
    forget_clients()
    assert doctored.doctor() == []


def test_the_dashboard_has_the_stack_s_own_queues_and_teams(doctored: Doctored) -> None:
    """With the names that CloudFormation gave them."""
    body = json.loads(doctored.client("cloudwatch").get_dashboard(DashboardName=STACK)["DashboardBody"])
    titles = [widget["properties"]["title"] for widget in body["widgets"]]
    assert titles[-2:] == ["team", "team: to look at"]
    metrics = [metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]]
    queue = doctored.id("OnS3UploadQueue").rpartition("/")[2]
    assert ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue] in metrics
    assert ["PipelineTriggers", "STARTED", "Stack", STACK, "Team", "team"] in metrics


def test_what_is_deployed_is_listed_and_drawn(doctored: Doctored) -> None:
    """With the last event's verdict and run, what waits, pauses, and what the documents here say otherwise."""
    aws, arguments = doctored.aws, doctored.options
    aws.put_event({"source": "shop", "detail-type": "Order", "detail": {}}, bus="doctored-bus")
    aws.new_verdicts(STACK, "team/orders", 1, "OnEvent")
    trigger_paused(doctored)
    document = doctored.project.documents / "team.yaml"
    deployed = document.read_text(encoding="utf-8")
    document.write_text(deployed.replace("rate: 365 days", "rate: 364 days"), encoding="utf-8")

    def with_the_start() -> dict[str, Any] | None:
        rows = json.loads(triggers(aws, "list", "--json", *arguments).stdout)
        by_name = {row["trigger"]: row for row in rows}
        return by_name if by_name["team/orders"]["last_verdict"] == "STARTED" else None

    listed = aws._wait_for("record of the start", with_the_start)
    assert len(listed) == 7
    orders, uploads, direct = (listed[f"team/{name}"] for name in ("orders", "uploads", "direct"))
    assert (orders["state"], orders["last_verdict"], orders["last_run"]) == ("ENABLED", "STARTED", "Succeeded")
    assert orders["last_event"] > "2026"
    assert (uploads["paused"], uploads["drift"]) == ("a test", "")
    assert (direct["drift"], direct["waiting"]) == ("changed here", 0)
    table = triggers(aws, "list", *arguments).stdout.splitlines()
    assert table[0].split()[:4] == ["trigger", "state", "last", "event"]
    drawn = triggers(aws, "graph", "--deployed", STACK, *arguments[2:]).stdout
    assert re.search(r'"orders"\]\):::started', drawn)
    assert re.search(r'"endpoints"\]\):::quiet', drawn)
    document.write_text(deployed, encoding="utf-8")
    triggers(aws, "resume", "team/uploads", *arguments)
    forget_clients()
    assert doctored.doctor() == []


def test_the_operators_policy_is_enough(doctored: Doctored) -> None:
    """And what a smaller one does not allow is not looked at, instead of ending the command."""
    operator = doctored.aws.as_role("doctored-operator", PROJECT / "docs" / "policies" / "operator.json")
    forget_clients()
    assert Doctored(operator, doctored.project).doctor() == []
    smaller = json.loads((PROJECT / "docs" / "policies" / "operator.json").read_text(encoding="utf-8"))
    text = json.dumps(smaller).replace('"iam:GetPolicyVersion", ', "").replace('"lambda:GetFunctionConcurrency", ', "")
    path = doctored.project.path / "smaller.json"
    path.write_text(text, encoding="utf-8")
    operator = doctored.aws.as_role("doctored-smaller", path)
    forget_clients()
    findings = Doctored(operator, doctored.project).doctor()
    assert {(one.cause, one.fix, one.seen) for one in findings} == {
        ("not looked at", "needs lambda:GetFunctionConcurrency", False),
        ("not looked at", "needs iam:GetPolicyVersion", False),
    }
    forget_clients()


# The beginnings of the calls that change nothing.
READING = ("Get", "List", "Describe", "Filter", "BatchGet", "Query")


def test_nothing_is_written(doctored: Doctored) -> None:
    """Each call of AWS only gets, lists or describes."""
    calls: set[str] = set()
    with patch.dict(os.environ, {"PATH": os.environ["PATH"], **doctored.aws.environment}, clear=True):
        forget_clients()
        library_aws._session().register("before-call", lambda **call: calls.add(call["model"].name))
        assert doctored.doctor() == []
    forget_clients()
    assert len(calls) > 20
    assert [name for name in sorted(calls) if not name.startswith(READING)] == []


LONGEST = 30  # seconds for 300 triggers


@pytest.mark.thorough
def test_300_healthy_triggers_are_looked_at_in_half_a_minute(
    doctored: Doctored, new_project: Callable[[], Project]
) -> None:
    """With rules, schedules and pipelines of their own; and nothing is found, nothing written."""
    aws, project = doctored.aws, new_project()
    documents = []
    for number in range(300):
        aws.create_pipeline(f"many-{number}", pipeline_definition({"Value": "String"}))
        when = (
            f"{{s3: {{bucket: doctored-raw, key: many/{number}/*}}}}" if number % 3 else "{schedule: {rate: 365 days}}"
        )
        documents.append(f"  t{number}:\n    when: {when}\n    start: many-{number}\n    parameters: {{Value: x}}\n")
    project.compile("".join(documents))
    stack = "pipeline-triggers-many"
    project.deploy(aws, stack)
    calls: list[str] = []
    with patch.dict(os.environ, {"PATH": os.environ["PATH"], **aws.environment}, clear=True):
        forget_clients()
        library_aws._session().register("before-call", lambda **call: calls.append(call["model"].name))
        began = time.monotonic()
        assert list(examine(deployment(project.documents, stack))) == []
        took = time.monotonic() - began
    forget_clients()
    sys.stdout.write(f"{len(calls)} calls in {took:.1f} s\n")
    assert took < LONGEST
    assert [name for name in calls if not name.startswith(READING)] == []
