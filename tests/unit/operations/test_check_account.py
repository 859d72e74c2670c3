"""``triggers check --aws``: what only the account knows, against moto's S3, SageMaker and STS."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any, Literal

import boto3
import jmespath
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from pipeline_triggers import aws
from pipeline_triggers.account import references
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.models import Collect, Options, Start, Trigger, When
from pipeline_triggers.operations import check_account, overlaps

from tests.simulation.janitor_world import CloudFormation

REGION = "eu-central-1"
STAGES = {"dev": {"Bucket": "raw-dev"}}
TRIGGER = Trigger("team/one", When("s3", {"bucket": "${Bucket}", "key": "in/*"}), (Start("train", {}),))


@pytest.fixture(autouse=True)
def the_account(monkeypatch: pytest.MonkeyPatch, empty_account: None) -> None:  # noqa: ARG001 - used by all
    """An empty account, whose CloudFormation knows one stack."""
    compiled = ("AWS::Scheduler::Schedule", "some-stack", "CREATE_COMPLETE")
    monkeypatch.setattr(aws, "cloudformation", lambda: CloudFormation({"compiled": compiled}))


def create_pipeline() -> None:
    """Create the trigger's pipeline."""
    role = "arn:aws:iam::123456789012:role/x"
    boto3.client("sagemaker").create_pipeline(
        PipelineName="train", PipelineDefinition="{}", RoleArn=role, ClientRequestToken="t" * 32
    )


def create_bucket() -> None:
    """Create the trigger's bucket, without notifications."""
    boto3.client("s3").create_bucket(Bucket="raw-dev", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})


def problems(*triggers: Trigger) -> list[str]:
    """Return what the check says of the triggers, each with its trigger and field; there is no file here."""
    found = check_account.problems(Documents(triggers or (TRIGGER,), STAGES), "dev")
    return [
        f"{problem.file}: {problem.field.partition('.')[2].partition('.')[2]}: {problem.message}" for problem in found
    ]


def test_a_missing_pipeline_is_named() -> None:
    """SageMaker's own code is ResourceNotFound; moto answers another, so the answer is stubbed."""
    create_bucket()
    with Stubber(aws.sagemaker()) as stubber:
        stubber.add_client_error("describe_pipeline", "ResourceNotFound", "does not exist")
        first, *_ = problems()
    assert first == "team/one: start: pipeline train does not exist in eu-central-1; create it, or fix the trigger"


def test_a_missing_bucket_is_named() -> None:
    """With the trigger that needs it, in the stage's own spelling."""
    create_pipeline()
    assert problems() == ["team/one: when.s3.bucket: bucket raw-dev does not exist; create it, or fix the trigger"]


def test_a_missing_bucket_of_manifests_is_named() -> None:
    """At the first trigger that needs it; without such a trigger nobody does."""
    create_pipeline()
    stages = {"dev": {**STAGES["dev"], "ManifestBucket": "manifests"}}

    def messages(*triggers: Trigger) -> list[str]:
        found = check_account.problems(Documents(triggers, stages), "dev")
        return [f"{one.field}: {one.message}" for one in found if "manifests" in one.message]

    assert messages(TRIGGER) == []
    collecting = replace(TRIGGER, id="team/two", collect=Collect())
    (message,) = messages(TRIGGER, collecting)
    assert message.startswith("triggers.two.collect: bucket manifests of the manifests can't be read: NoSuchBucket")
    assert message.endswith("; create it, or fix ManifestBucket in stages.yaml")


def test_a_silent_bucket_is_named_with_the_command_that_fixes_it() -> None:
    """Uploads to it would start nothing, and nobody would know why."""
    create_pipeline()
    create_bucket()
    (problem,) = problems()
    message, _, command = problem.partition(" that the bucket has: ")
    assert message.startswith("team/one: when.s3.bucket: bucket raw-dev does not send its events to EventBridge")
    assert command == check_account.switch_on_command("raw-dev")


def test_a_bucket_is_reported_once_with_all_of_its_triggers() -> None:
    """However many it fires."""
    create_pipeline()
    create_bucket()
    (problem,) = problems(TRIGGER, *(replace(TRIGGER, id=f"team/{name}") for name in ("two", "three")))
    assert problem.startswith("team/one: when.s3.bucket: bucket raw-dev (also used by team/two, team/three) does not")


def test_a_bucket_that_sends_its_events_has_no_problem() -> None:
    """Nothing is said when nothing is wrong."""
    create_pipeline()
    create_bucket()
    with Stubber(aws.s3()) as stubber:  # moto keeps this setting to itself
        stubber.add_response("get_bucket_location", {"LocationConstraint": REGION})
        stubber.add_response("get_bucket_notification_configuration", {"EventBridgeConfiguration": {}})
        assert problems() == []


@pytest.mark.parametrize(("location", "region"), [(None, "us-east-1"), ("EU", "eu-west-1"), ("eu-north-1",) * 2])
def test_a_bucket_elsewhere_is_named(location: str | None, region: str) -> None:
    """Its events go to the bus of its own Region, where no rule of ours waits for them."""
    create_pipeline()
    with Stubber(aws.s3()) as stubber:
        stubber.add_response("get_bucket_location", {"LocationConstraint": location} if location else {})
        stubber.add_response("get_bucket_notification_configuration", {"EventBridgeConfiguration": {}})
        (problem,) = problems()
    assert problem.startswith(f"team/one: when.s3.bucket: bucket raw-dev is in {region}, where its events stay")


def test_a_bucket_of_another_account_is_named() -> None:
    """S3 denies it to who expects it to be their own."""
    create_pipeline()
    with Stubber(aws.s3()) as stubber:
        stubber.add_client_error("get_bucket_location", "AccessDenied", "Access Denied")
        (problem,) = problems()
    assert problem.startswith(
        "team/one: when.s3.bucket: bucket raw-dev can't be read, or belongs to another account: AccessDenied"
    )


def test_a_missing_topic_is_named() -> None:
    """Another account's topics can't be read from here."""
    create_pipeline()
    there = boto3.client("sns").create_topic(Name="there")["TopicArn"]
    missing, others = (there.replace("there", name) for name in ("missing", "others"))
    foreign = others.replace("123456789012", "210987654321")
    named = problems(*(on_topic(arn) for arn in (there, missing, foreign)))
    assert named == [f"team/{missing}: when.sns.topic: topic {missing} does not exist; create it, or fix the trigger"]


def test_a_topic_of_another_region_is_refused() -> None:
    """SNS takes no subscription whose dead-letter queue is in another Region, so the deploy would roll back."""
    create_pipeline()
    elsewhere = boto3.client("sns", region_name="us-east-1").create_topic(Name="elsewhere")["TopicArn"]
    assert problems(on_topic(elsewhere)) == [
        f"team/{elsewhere}: when.sns.topic: topic {elsewhere} is in us-east-1, and the stack's queues are not; "
        "use a topic in eu-central-1, or deploy a stack in us-east-1"
    ]


def on_topic(arn: str) -> Trigger:
    """Return a trigger on a topic, named after it."""
    return Trigger(f"team/{arn}", When("sns", {"topic": arn}), TRIGGER.start)


def on_bus(bus: str) -> Trigger:
    """Return a trigger on the events of a bus."""
    return Trigger("team/one", When("event", {"bus": bus, "pattern": {"source": ["shop"]}}), TRIGGER.start)


SHOP = "arn:aws:events:eu-central-1:123456789012:event-bus/shop"


@pytest.mark.parametrize("bus", ["shop", SHOP, "default"])
def test_a_bus_that_exists_is_well(bus: str) -> None:
    """By its name or by its ARN."""
    create_pipeline()
    boto3.client("events").create_event_bus(Name="shop")
    assert problems(on_bus(bus)) == []


@pytest.mark.parametrize("bus", ["shop", SHOP])
def test_a_missing_bus_is_named(bus: str) -> None:
    """Otherwise the deploy would find out, and roll back."""
    create_pipeline()
    assert problems(on_bus(bus)) == [
        f"team/one: when.event.bus: event bus {bus} does not exist in eu-central-1; create it, or fix the trigger"
    ]


def test_a_missing_bus_of_a_disabled_trigger_is_named() -> None:
    """Its rule is deployed all the same, disabled; its pipeline may be missing."""
    assert problems(replace(on_bus("shop"), enabled=False)) == [
        "team/one: when.event.bus: event bus shop does not exist in eu-central-1; create it, or fix the trigger"
    ]


@pytest.mark.parametrize(
    ("account", "region"), [("210987654321", REGION), ("123456789012", "us-east-1"), ("210987654321", "us-east-1")]
)
def test_a_bus_of_another_account_or_region_is_refused(account: str, region: str) -> None:
    """A rule is always in the account and Region of its bus, and the stack can make none there."""
    create_pipeline()
    bus = f"arn:aws:events:{region}:{account}:event-bus/shop"
    assert problems(on_bus(bus)) == [
        f"team/one: when.event.bus: event bus {bus} is in account {account}, Region {region}; "
        "forward its events to a bus here (docs/operations.md), and name that one"
    ]


def test_buses_that_can_not_be_listed_are_a_problem() -> None:
    """A check that could not check says so."""
    create_pipeline()
    with Stubber(aws.events()) as stubber:
        stubber.add_response("test_event_pattern", {"Result": False})
        stubber.add_client_error("list_event_buses", "AccessDeniedException", "no")
        assert problems(on_bus("shop")) == [
            "team/one: when.event.bus: event buses can't be listed: AccessDeniedException: no"
        ]


def test_a_pinned_version_is_held_against_its_own_definition() -> None:
    """The latest definition may declare other parameters than the version that will start."""
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train"
    trigger = Trigger("team/one", When("sns", {}), (Start("train", {"Old": "1"}),), options=Options(version="3"))
    with Stubber(aws.sagemaker()) as stubber:
        response = {"PipelineArn": arn, "PipelineDefinition": '{"Parameters": [{"Name": "Old"}]}'}
        stubber.add_response("describe_pipeline", response, {"PipelineName": "train", "PipelineVersionId": 3})
        assert problems(trigger) == []


def test_a_missing_version_is_named() -> None:
    """SageMaker answers the same for a missing pipeline and a missing version of it."""
    trigger = Trigger("team/one", When("sns", {}), TRIGGER.start, options=Options(version="blue"))
    with Stubber(aws.sagemaker()) as stubber:
        expected = {"PipelineName": "train", "PipelineVersionAlias": "blue"}
        stubber.add_client_error("describe_pipeline", "ResourceNotFound", "no", expected_params=expected)
        assert problems(trigger) == [
            "team/one: start: version blue of pipeline train does not exist in eu-central-1; "
            "create it, or fix the trigger"
        ]


def test_a_pattern_that_eventbridge_refuses_is_named() -> None:
    """It knows what each operator takes."""
    create_pipeline()
    wrong = Trigger("team/one", When("event", {"pattern": {"detail": {"n": [{"numeric": ["?", 5]}]}}}), TRIGGER.start)
    with Stubber(aws.events()) as stubber:  # moto takes any pattern
        stubber.add_client_error("test_event_pattern", "InvalidEventPatternException", "Unrecognized numeric operator")
        start = "team/one: when.event.pattern: EventBridge does not accept the pattern: InvalidEventPatternException: U"
        assert [problem.startswith(start) for problem in problems(wrong)] == [True]


def test_accepted_values_are_checked_against_the_definition() -> None:
    """Names, and the values that are listed."""
    declared = '{"Parameters": [{"Name": "Epochs", "Type": "Integer"}, {"Name": "Month"}]}'
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train"
    accept = {"Epochs": ["10", "many"], "Month": "2026-*", "Nope": "*"}
    requests = Trigger("team/one", When("sns", {}), (Start("train", {}),), one_of=True, accept=accept)
    with Stubber(aws.sagemaker()) as stubber:
        stubber.add_response("describe_pipeline", {"PipelineArn": arn, "PipelineDefinition": declared})
        assert problems(requests) == [
            "team/one: accept.Nope: parameter Nope of train is not declared by the pipeline; it declares Epochs, Month",
            "team/one: accept.Epochs: parameter Epochs of train is 'many', not a valid Integer; write a whole number",
        ]


def test_a_disabled_trigger_needs_nothing() -> None:
    """It may wait for its pipeline to be created."""
    assert problems(Trigger("team/one", TRIGGER.when, TRIGGER.start, enabled=False)) == []


def test_a_schedule_that_is_over_needs_nothing() -> None:
    """Its pipeline may be gone by now."""
    over = Trigger("team/one", When("schedule", {"rate": "1 day", "end": "2027-01-01T00:00:00Z"}), TRIGGER.start)
    assert check_account.problems(Documents((over,), STAGES), "dev")
    assert check_account.problems(Documents((over,), STAGES), "dev", frozenset({"team/one.end"})) == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalFailure"])
def test_an_unreadable_file_is_a_problem(code: str) -> None:
    """A check that could not check says so."""
    create_bucket()
    with Stubber(aws.sagemaker()) as stubber:
        stubber.add_client_error("describe_pipeline", code, "no")
        first, *_ = problems()
    assert first == f"team/one: start: pipeline train can't be read: {code}: no"


def test_literal_values_are_checked_against_the_definition() -> None:
    """Names, types and what is missing; computed values are only known when an event comes."""
    create_bucket()
    declared = '{"Parameters": [{"Name": "Epochs", "Type": "Integer"}, {"Name": "Month"}, {"Name": "Rate"}]}'
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train"
    wrong = Start("train", {"Epochs": "many", "Month": "$.detail.object.key", "Nope": "{% $object.uri %}"})
    with Stubber(aws.sagemaker()) as stubber:
        stubber.add_response("describe_pipeline", {"PipelineArn": arn, "PipelineDefinition": declared})
        found = problems(Trigger("team/one", TRIGGER.when, (wrong,)))[:-1]
    assert found == [
        "team/one: parameters.Epochs: parameter Epochs of train is 'many', not a valid Integer; write a whole number",
        "team/one: parameters.Nope: parameter Nope of train is not declared by the pipeline; "
        "it declares Epochs, Month, Rate",
        "team/one: parameters.Rate: parameter Rate of train is missing, and the pipeline has no default for it; "
        "give it a value",
    ]


def test_the_command_keeps_existing_notifications() -> None:
    """It reads what the bucket has, adds EventBridge, and writes all of it back."""
    words = shlex.split(check_account.switch_on_command("raw-dev"))
    assert words[:6] == ["aws", "s3api", "put-bucket-notification-configuration", "--bucket", "raw-dev",
                         "--notification-configuration"]  # fmt: skip
    query = shlex.split(words[6].removeprefix("$(").removesuffix(")").replace("\\", ""))
    assert query[:4] == ["aws", "s3api", "get-bucket-notification-configuration", "--bucket"]
    merge = check_account.switch_on_command("raw-dev").partition("--query '")[2].partition("'")[0]
    existing = {"QueueConfigurations": [{"QueueArn": "arn:q", "Events": ["s3:ObjectCreated:*"]}]}
    assert jmespath.search(merge, existing) == {**existing, "EventBridgeConfiguration": {}}
    assert json.dumps(jmespath.search(merge, {})) == '{"EventBridgeConfiguration": {}}'


def test_a_problem_stands_where_its_pipeline_is_written() -> None:
    """In a list, or among several, as the document writes it and not as the stage resolves it."""
    create_bucket()
    several = (Start("train-${Bucket}", {}), Start("other", {}))
    one_of = Trigger("team/one", When("sns", {}), several, one_of=True)
    all_of = Trigger("team/one", TRIGGER.when, several)
    for trigger, places in (
        (one_of, ["start_one_of.0", "start_one_of.1"]),
        (all_of, ["start.train-${Bucket}", "start.other"]),
    ):
        with Stubber(aws.sagemaker()) as stubber:
            for _ in several:
                stubber.add_client_error("describe_pipeline", "ResourceNotFound", "does not exist")
            found = check_account.problems(Documents((trigger,), STAGES), "dev")
        fields = [problem.field.partition(".")[2].partition(".")[2] for problem in found]
        assert fields[:2] == places


def point(pipeline: str, name: str, description: str = "", state: Literal["ENABLED", "DISABLED"] = "ENABLED") -> None:
    """Let a schedule start a pipeline."""
    boto3.client("scheduler").create_schedule(
        Name=name,
        Description=description,
        State=state,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:sagemaker:{REGION}:123456789012:pipeline/{pipeline}",
            "RoleArn": "arn:aws:iam::123456789012:role/x",
        },
    )


def others(trigger: Trigger) -> list[str]:
    """Return what else starts the pipelines of a trigger."""
    return list(overlaps.overlaps(Documents((trigger,), STAGES), "dev"))


def test_overlaps_with_a_trigger_s_pipeline_are_reported() -> None:
    """In any spelling; what starts another pipeline, is off, or was compiled from the trigger, is left out."""
    point("TRAIN", "by-hand", "Train every hour")
    point("train-v2", "of-another")
    point("train", "switched-off", state="DISABLED")
    point("train", "compiled", "team/one: what the trigger became")
    point("train", "copied", "team/one: as the trigger has it")
    point("train", "of-a-trigger-that-is-gone", "team/former: what a trigger became")
    notes = [note.partition(":")[0] for note in others(TRIGGER)]
    assert notes == [
        "schedule default/by-hand starts TRAIN, as team/one does",
        "schedule default/copied starts train, as team/one does",
        "schedule default/of-a-trigger-that-is-gone starts train, as team/one does",
    ]


def test_an_unreadable_thing_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule that may not be read could start any pipeline: the others are reported all the same."""
    arn = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
    target: Any = {"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/x", "Input": '{"PipelineName": "train"}'}
    boto3.client("scheduler").create_schedule(
        Name="secret", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    point("train", "by-hand")
    read = references.schedule

    def denied(group: str, name: str) -> Any:
        if name == "secret":
            error = {"Code": "AccessDeniedException", "Message": "not you"}
            response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(response, "GetSchedule")
        return read(group, name)

    monkeypatch.setattr(references, "schedule", denied)
    first, second = others(TRIGGER)
    assert first.startswith("schedule default/by-hand starts train, as team/one does: both run")
    assert second.startswith("schedule default/secret could not be read: AWS refuses: ")


def test_a_trigger_that_is_switched_off_runs_beside_nothing() -> None:
    """So that a move can be prepared."""
    point("train", "by-hand")
    assert others(replace(TRIGGER, enabled=False)) == []
