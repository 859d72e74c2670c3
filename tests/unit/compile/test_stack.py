"""Documents → rules, policies and the handlers' JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Collect, Deadline, Options, Part, Start, Trigger, When

from tests.effort import CFN_LINT
from tests.tools.templates import findings

POLICY = "AWS::IAM::ManagedPolicy"
STAGES = {"dev": {"Bucket": "raw-dev", "Name": "Dev"}, "prod": {"Bucket": "raw-prod", "Name": "Prod"}}


def trigger(key: str | None = None, **changes: Any) -> Trigger:
    """Return a trigger for an upload."""
    usual: dict[str, Any] = {
        "id": "team/one",
        "when": When("s3", {"bucket": "raw"} | ({"key": key} if key else {})),
        "start": (Start("train", {"A": "{% $object.key %}"}),),
    }
    return Trigger(**{**usual, **changes})


def stack(*triggers: Trigger, stages: Any = STAGES) -> dict[str, Any]:
    """Return the compiled stack."""
    text = compiler.compile_documents(Documents(triggers, stages))["stack.yaml"]
    return dict(yaml.safe_load(text))


def resources(compiled: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the properties of the stack's resources of a type."""
    return [found["Properties"] for found in compiled["Resources"].values() if found["Type"] == kind]


@pytest.mark.parametrize(
    ("key", "matcher"),
    [
        (None, None),
        ("churn/data.csv", "churn/data.csv"),
        ("churn/*/data.csv", {"prefix": "churn/"}),
        ("churn/2026-*", {"prefix": "churn/2026-"}),
        ("churn/**", {"prefix": "churn/"}),
        ("*.csv", {"suffix": ".csv"}),
        ("**/data.csv", {"suffix": "data.csv"}),
        ("**", None),
        ("*", None),
    ],
)
def test_a_rule_matches_as_much_of_the_key_as_it_can(key: str | None, matcher: Any) -> None:
    """Without ``wildcard``, of which a bus allows 30 rules: the glob's beginning, or else its end."""
    (rule,) = resources(stack(trigger(key)), "AWS::Events::Rule")
    detail: dict[str, Any] = {"bucket": {"name": ["raw"]}}
    if matcher:
        detail["object"] = {"key": [matcher]}
    assert rule["EventPattern"] == {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def test_a_target_gets_the_whole_event_and_keeps_what_it_can_not_deliver() -> None:
    """The trigger's id is a literal, the event is whole, and a dead-letter queue is behind it."""
    (rule,) = resources(stack(trigger()), "AWS::Events::Rule")
    (target,) = rule["Targets"]
    template = target["InputTransformer"]["InputTemplate"]
    delivered = json.loads(template.replace("<aws.events.event.json>", '{"id": "e"}'))
    assert delivered == {"trigger": "team/one", "event": {"id": "e"}}
    assert target["DeadLetterConfig"] == {"Arn": {"Ref": "OnS3UploadDeadLetterQueueArn"}}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def test_a_rule_waits_until_its_handler_may_start_its_pipelines() -> None:
    """An event before that would be denied."""
    compiled = stack(trigger())
    (rule,) = [found for found in compiled["Resources"].values() if found["Type"] == "AWS::Events::Rule"]
    assert rule["DependsOn"] == ["OnS3UploadStarts"]
    assert compiled["Resources"]["OnS3UploadStarts"]["Type"] == "AWS::IAM::ManagedPolicy"


def test_stage_values_reach_rules_and_policies() -> None:
    """The same stack deploys as each stage; ARNs are allowed as written and lower-cased."""
    of_stage = trigger(
        "${Bucket}/in/*",
        when=When("s3", {"bucket": "${Bucket}", "key": "${Name}/in/*"}),
        start=(Start("Train-${Name}", {}),),
    )
    compiled = stack(of_stage)
    (rule,) = resources(compiled, "AWS::Events::Rule")
    find = {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "Bucket"]}
    assert rule["EventPattern"]["detail"]["bucket"] == {"name": [find]}
    find_name = {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "Name"]}
    assert rule["EventPattern"]["detail"]["object"] == {
        "key": [{"prefix": {"Fn::Sub": ["${Name}/in/", {"Name": find_name}]}}]
    }
    policy, of_batches = resources(compiled, "AWS::IAM::ManagedPolicy")
    assert policy["PolicyDocument"] == of_batches["PolicyDocument"]
    arn = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/"
    find_lower = {"Fn::FindInMap": ["LowerCasedStages", {"Ref": "Stage"}, "Name"]}
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "sagemaker:StartPipelineExecution",
                "sagemaker:DescribePipeline",
                "sagemaker:ListPipelineExecutions",
            ],
            "Resource": [
                {"Fn::Sub": [arn + "Train-${Name}", {"Name": find_name}]},
                {"Fn::Sub": [arn + "train-${Name}", {"Name": find_lower}]},
            ],
        }
    ]
    assert compiled["Mappings"]["LowerCasedStages"]["dev"]["Name"] == "dev"


def test_handlers_read_the_values_of_their_own_stage() -> None:
    """``${Name}`` is replaced in conditions, pipelines and parameters."""
    one = trigger(
        when=When("s3", {"bucket": "${Bucket}", "key": "${Name}/*"}),
        start=(Start("train-${Name}", {"A": "${AWS::Region}/${Name}"}),),
    )
    text = compiler.compile_documents(Documents((one,), STAGES))["triggers.json"]
    pseudo_parameters = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
    loaded = triggers_json.load(text, "prod", pseudo_parameters)["team/one"]
    assert loaded.when == When("s3", {"bucket": "raw-prod", "key": "Prod/*"})
    assert loaded.start == (Start("train-Prod", {"A": "eu-central-1/Prod"}),)


def test_a_topic_is_subscribed_to_once() -> None:
    """However many triggers use it, as SNS allows; what SNS can't deliver is kept; a disabled trigger asks for none."""
    arn = "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:alarms"
    of_topic = When("sns", {"topic": arn})
    own = trigger(id="team/own", when=When("sns", {}))
    other = trigger(id="team/off", when=When("sns", {"topic": "arn:aws:sns:us-east-1:1:off"}), enabled=False)
    compiled = stack(trigger(when=of_topic), trigger(id="team/two", when=of_topic), own, other)
    own_subscription, subscription = resources(compiled, "AWS::SNS::Subscription")
    assert own_subscription["TopicArn"] == {"Ref": "RequestsTopicArn"}
    (policy,) = resources(compiled, "AWS::SQS::QueuePolicy")
    allow, deny = policy["PolicyDocument"]["Statement"]
    named = [{"Ref": "RequestsTopicArn"}, {"Fn::Sub": arn}]
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": named}}
    queues = [{"Ref": "OnSnsMessageQueueArn"}, {"Ref": "OnSnsMessageDeadLetterQueueArn"}]
    assert (allow["Effect"], allow["Action"], allow["Resource"]) == ("Allow", "sqs:SendMessage", queues)
    assert (deny["Principal"], deny["Action"], deny["Resource"]) == ("*", "sqs:*", queues)
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": False}})
    for made in compiled["Resources"].values():
        if made["Type"] == "AWS::SNS::Subscription":
            assert "OnSnsMessageQueuePolicy" in made["DependsOn"]
    assert subscription == {
        "TopicArn": {"Fn::Sub": arn},
        "Protocol": "sqs",
        "Endpoint": {"Ref": "OnSnsMessageQueueArn"},
        "RedrivePolicy": {"deadLetterTargetArn": {"Ref": "OnSnsMessageDeadLetterQueueArn"}},
    }
    assert not list(resources(compiled, "AWS::Events::Rule"))


def test_a_topic_of_one_trigger_may_be_filtered_by_sns() -> None:
    """Then its other messages cost nothing."""
    arn = "arn:aws:sns:eu-central-1:123456789012:alarms"
    filtered = trigger(when=When("sns", {"topic": arn, "body": {"NewStateValue": ["ALARM"], "Name": ["${Name}"]}}))
    _, subscription = resources(stack(filtered), "AWS::SNS::Subscription")
    name = {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "Name"]}
    assert subscription["FilterPolicy"] == {"NewStateValue": ["ALARM"], "Name": [name]}
    assert subscription["FilterPolicyScope"] == "MessageBody"


def test_tags_are_those_of_the_rule() -> None:
    """With the stage's values in them."""
    (rule,) = resources(stack(trigger(tags={"team": "churn", "bucket": "${Bucket}"})), "AWS::Events::Rule")
    find = {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "Bucket"]}
    assert rule["Tags"] == [{"Key": "team", "Value": "churn"}, {"Key": "bucket", "Value": find}]


def test_only_drift_may_look_at_processing_jobs() -> None:
    """A permission is there where a trigger uses it."""
    drift = trigger(when=When("drift", {"monitoring_schedule": "churn"}))
    allowed = [policy["PolicyDocument"]["Statement"][0]["Action"] for policy in resources(stack(drift), POLICY)]
    assert ["sagemaker:DescribeProcessingJob"] in allowed
    assert "DescribeProcessingJob" not in str(stack(trigger()))


def test_compiling_and_loading_changes_nothing() -> None:
    """What the handlers read is what the documents said."""
    one = trigger(
        "a/*",
        enabled=False,
        dry_run=True,
        condition="{% true %}",
        description="Why ${this} is here",
        dedupe="$.id",
        max_starts=3,
        one_of=True,
        accept={"A": "x*", "B": ["c"]},
        tags={"t": "v"},
        options=Options("name", 2, ("S",), "arn", "3", "mlflow"),
    )
    text = compiler.compile_documents(Documents((one,), STAGES))["triggers.json"]
    assert triggers_json.load(text, "dev", {}) == {one.id: one}


def test_similar_ids_get_resources_of_their_own() -> None:
    """``a/b-c`` and ``a-b/c`` read the same without their separators."""
    compiled = stack(trigger(id="a/b-c"), trigger(id="a-b/c"), trigger(id="a/bc"))
    assert len(resources(compiled, "AWS::Events::Rule")) == 3


def test_a_disabled_trigger_keeps_its_rule_switched_off() -> None:
    """It can be switched on again without being written again."""
    (rule,) = resources(stack(trigger(enabled=False)), "AWS::Events::Rule")
    assert rule["State"] == "DISABLED"


@CFN_LINT
@pytest.mark.parametrize(
    ("triggers", "stages"),
    [
        ((), STAGES),
        ((trigger("a/*"),), {"dev": {}}),
        ((trigger("a/*", description="x" * 600),), STAGES),
        (
            (trigger(tags={"a": "${Bucket}"}), trigger(id="t/d", when=When("drift", {"monitoring_schedule": "m"}))),
            STAGES,
        ),
        (
            (
                trigger(
                    when=When(
                        "sns", {"topic": "arn:aws:sns:us-east-1:123456789012:t", "attributes": {"a": ["${Name}"]}}
                    )
                ),
            ),
            STAGES,
        ),
        ((trigger(when=When("sns", {"topic": "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:t"})),), STAGES),
        ((trigger("${Name}/*", start=(Start("p-${Name}", {}), Start("q", {}))),), STAGES),
    ],
)
def test_cloudformation_accepts_the_stack(triggers: tuple[Trigger, ...], stages: Any) -> None:
    """cfn-lint knows CloudFormation's schemas, which the embedded AWS does not check."""
    text = compiler.compile_documents(Documents(triggers, stages))["stack.yaml"]
    assert findings(text) == []


def test_the_compiled_files_go_stale_by_a_byte(tmp_path: Path) -> None:
    """What is committed is compared whole, and a missing file is stale too."""
    compiled = compiler.compile_documents(Documents((trigger(),), STAGES))
    assert len(files.stale(tmp_path, compiled)) == 2
    files.write(tmp_path, compiled)
    assert files.stale(tmp_path, compiled) == []
    path = tmp_path / "compiled" / "stack.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert files.stale(tmp_path, compiled) == [path]


def test_each_source_of_a_trigger_has_a_rule_of_its_own() -> None:
    """Its target says for which part of the trigger an event is, and the handler of each source gets its policies."""
    parts = {
        "data": Part(When("s3", {"bucket": "raw", "key": "sales/*"})),
        "approval": Part(When("model_package", {"approval": ["Approved"]})),
        "nightly": Part(When("schedule", {"cron": "0 2 * * ? *", "timezone": "UTC"})),
    }
    both = Trigger("sales/deploy", When("all", {}), (Start("sales-deploy", {}),), collect=Collect(), all_of=parts)
    resources = compiler.template(Documents((both,), {"dev": {}}))["Resources"]
    inputs = [
        target["InputTransformer"]["InputTemplate"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Events::Rule"
        for target in resource["Properties"]["Targets"]
    ]
    assert inputs == [
        '{"trigger": "sales/deploy", "part": "data", "event": <aws.events.event.json>}',
        '{"trigger": "sales/deploy", "part": "approval", "event": <aws.events.event.json>}',
    ]
    (schedule,) = [found for found in resources.values() if found["Type"] == "AWS::Scheduler::Schedule"]
    assert '"trigger": "sales/deploy", "part": "nightly", "event": {' in str(schedule["Properties"]["Target"]["Input"])
    assert {"OnS3UploadStarts", "OnEventStarts"} <= resources.keys()


def test_a_deadline_with_a_cron_has_a_schedule_to_the_queue_of_batches() -> None:
    """It sends which deadline it is and for which time, in the deadline's own zone."""
    deadline = Deadline(cron="0 8 ?  * MON-FRI *", timezone="Europe/Berlin", due="{% $scheduled.days %}")
    daily = trigger(collect=Collect(by="{% $object.key %}", part="x", expect=2, deadline=deadline), enabled=False)
    later = trigger(id="team/two", collect=Collect(part="x", expect=2, deadline=Deadline(after=60)))
    resources = compiler.template(Documents((daily, later), {"dev": {}}))["Resources"]
    (schedule,) = [found for found in resources.values() if found["Type"] == "AWS::Scheduler::Schedule"]
    properties = schedule["Properties"]
    assert schedule["DependsOn"] == ["OnBatchStarts"]
    assert properties["ScheduleExpression"] == "cron(0 8 ? * MON-FRI *)"
    assert properties["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert properties["State"] == "DISABLED"
    assert properties["Target"]["Arn"] == {"Ref": "OnBatchQueueArn"}
    assert properties["Target"]["DeadLetterConfig"] == {"Arn": {"Ref": "OnBatchDeadLetterQueueArn"}}
    sent = {"deadline": "team/one", "scheduled": "<aws.scheduler.scheduled-time>"}
    assert json.loads(properties["Target"]["Input"]) == sent


def test_on_batch_may_start_each_pipeline_that_can_wait() -> None:
    """Each may be paused; what AWS starts directly can't."""
    direct = trigger(id="team/two", start=(Start("other", {}),), direct=True)
    resources = compiler.template(Documents((trigger(), direct), {"dev": {}}))["Resources"]
    policy = resources["OnBatchStarts"]["Properties"]
    assert policy["Roles"] == [{"Ref": "OnBatchRoleName"}]
    assert "pipeline/train" in str(policy)
    assert "pipeline/other" not in str(policy)


def test_a_bucket_of_manifests_is_the_stage_s() -> None:
    """``on_batch`` may write there, under its own prefix, if anything is collected; else it is the stack's own."""
    stages = {"dev": {"ManifestBucket": "manifests-dev"}, "prod": {"ManifestBucket": "manifests-prod"}}
    collecting = trigger(collect=Collect())
    compiled = compiler.compile_documents(Documents((collecting,), stages))
    assert triggers_json.load_manifest_bucket(compiled["triggers.json"], "prod") == "manifests-prod"
    policy = yaml.safe_load(compiled["stack.yaml"])["Resources"]["OnBatchWrites"]["Properties"]
    value = {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "ManifestBucket"]}
    arn = "arn:${AWS::Partition}:s3:::${ManifestBucket}/batches/*"
    resource = {"Fn::Sub": [arn, {"ManifestBucket": value}]}
    assert policy["Roles"] == [{"Ref": "OnBatchRoleName"}]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [resource]}
    ]
    for others in (Documents((trigger(),), stages), Documents((collecting,), STAGES)):
        assert "OnBatchWrites" not in compiler.template(others)["Resources"]
    own = compiler.compile_documents(Documents((collecting,), STAGES))["triggers.json"]
    assert triggers_json.load_manifest_bucket(own, "prod") == ""
