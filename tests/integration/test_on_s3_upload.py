"""Uploads → executions, through the deployed stack: S3, EventBridge, SQS, Lambda, SageMaker."""

from __future__ import annotations

import json

import pytest

from tests.integration import STACK
from tests.localaws.local_aws import LocalAws, pipeline_definition

pytestmark = pytest.mark.xdist_group(STACK)

ODD_KEYS = [
    "a space",
    "a+b",
    "100%",
    "a%2Bb%20c",
    "Größe/日本語/🚀",
    "\"quotes\" and 'more'",
    "a\nnewline",
    "a\ttab",
    "back\\slash",
    '","pipeline":"evil',
    "<aws.events.event.json>",
    "../../up",
    "//empty//segments/",
    "${RawBucket} {% $x %} $.detail",
    "*?[a-z]{b}",
    "&amp;<tag>",
    "x" * 1000,
]


def upload(aws: LocalAws, key: str, body: bytes = b"a,b\n") -> None:
    """Put an object into the dev bucket."""
    aws.client("s3").put_object(Bucket="raw-dev", Key=key, Body=body)


def send(aws: LocalAws, body: str) -> None:
    """Put a message straight into the handler's queue."""
    described = aws.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId="OnS3UploadQueue"
    )
    queue = described["StackResourceDetail"]["PhysicalResourceId"]
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody=body)


def test_metadata_and_tags_are_looked_up_in_s3(deployed: LocalAws) -> None:
    """The event does not carry them; the handler may read this bucket because an expression names them."""
    s3 = deployed.client("s3")
    s3.put_object(Bucket="raw-dev", Key="labelled/x", Body=b"1", Metadata={"team": "churn"}, Tagging="stage=gold")
    (verdict,) = deployed.new_verdicts(STACK, "uploads/labelled", 1)
    assert deployed.execution_parameters(verdict["execution_arn"])["ByExpression"] == "churn gold PutObject"


def test_a_multipart_upload_is_one_upload(deployed: LocalAws) -> None:
    """When it is complete, with its whole size."""
    s3, key = deployed.client("s3"), {"Bucket": "raw-dev", "Key": "parts/x"}
    upload_id = s3.create_multipart_upload(**key)["UploadId"]
    part = s3.upload_part(**key, UploadId=upload_id, PartNumber=1, Body=b"x" * 1000)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**key, UploadId=upload_id, MultipartUpload=parts)
    (verdict,) = deployed.new_verdicts(STACK, "uploads/parts", 1)
    assert deployed.execution_parameters(verdict["execution_arn"])["Size"] == "1000"


@pytest.mark.parametrize("odd", ODD_KEYS, ids=lambda key: repr(key[:40]))
def test_a_key_arrives_byte_exact(deployed: LocalAws, odd: str) -> None:
    """Whatever an object's key holds, the execution's parameters hold the same characters."""
    key = f"echo/{odd}"
    upload(deployed, key)
    (verdict,) = deployed.new_verdicts(STACK, "uploads/echo", 1)
    assert verdict["outcome"] == "STARTED"
    received = deployed.execution_parameters(verdict["execution_arn"])
    uri = f"s3://raw-dev/{key}"
    assert received == {"ByExpression": key, "ByPath": key, "Uri": uri, "Size": "4"}


def test_a_value_that_is_too_long_is_rejected(deployed: LocalAws) -> None:
    """SageMaker takes 1,024 characters; what is longer is kept and not sent, and the topic of the team hears it."""
    sqs, sns = deployed.client("sqs"), deployed.client("sns")
    queue = sqs.create_queue(QueueName="team-news")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="team-news")["TopicArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    upload(deployed, "echo/" + "x" * 1019)
    (verdict,) = deployed.new_verdicts(STACK, "uploads/echo", 1)
    assert verdict["outcome"] == "REJECTED"
    assert verdict["reason"].startswith("parameter Uri: {% $object.uri %} has 1037 characters on this event")
    assert deployed.quarantined(STACK)["event_id"] == verdict["event_id"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    assert message["Body"].startswith('"uploads/echo REJECTED: nothing was started for s3://raw-dev/echo/xxx')
    assert f"triggers redrive --trigger uploads/echo --stack {STACK}" in message["Body"]


def test_an_execution_says_where_it_comes_from(deployed: LocalAws) -> None:
    """Its description names the trigger and the event, its display name the trigger."""
    upload(deployed, "echo/origin")
    (verdict,) = deployed.new_verdicts(STACK, "uploads/echo", 1)
    execution = deployed.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=verdict["execution_arn"])
    assert f"trigger uploads/echo, event {verdict['event_id']}, identity " in execution["PipelineExecutionDescription"]
    assert execution["PipelineExecutionDisplayName"].startswith("uploads-echo-")


def test_a_key_that_only_the_rule_matches_is_filtered(deployed: LocalAws) -> None:
    """The rule matches the glob's beginning, the handler the rest: a verdict, and no start."""
    upload(deployed, "months/2026-10/notes.txt")
    (verdict,) = deployed.new_verdicts(STACK, "uploads/only-csv", 1)
    assert verdict["outcome"] == "FILTERED"
    assert verdict["reason"] == "the key does not match months/*/data.csv"


def test_one_pipeline_starts_even_if_the_other_fails(deployed: LocalAws) -> None:
    """Each pipeline of a trigger has its own verdict, and the event is quarantined for the one that failed."""
    upload(deployed, "months/2026-11/data.csv")
    echo, report = deployed.new_verdicts(STACK, "uploads/only-csv", 2)
    assert (echo["pipeline"], echo["outcome"]) == ("echo", "STARTED")
    assert deployed.execution_parameters(echo["execution_arn"]) == {"ByExpression": "2026-11"}
    assert (report["pipeline"], report["outcome"]) == ("report", "REJECTED")
    message = deployed.quarantined(STACK)
    assert message["trigger"] == "uploads/only-csv"
    assert message["event_id"] == report["event_id"]
    assert message["reason"].startswith("parameter Version: {% $object.version_id %} resolves to nothing")
    assert json.loads(message["body"])["event"]["detail"]["object"]["key"] == "months/2026-11/data.csv"


def test_a_value_of_a_wrong_type_is_rejected_before_the_call(deployed: LocalAws) -> None:
    """The pipeline's own definition says what it takes."""
    upload(deployed, "mistyped/x")
    (verdict,) = deployed.new_verdicts(STACK, "uploads/mistyped", 1)
    assert verdict["outcome"] == "REJECTED"
    assert verdict["reason"] == "parameter Size is 'mistyped/x', not a valid Integer; write a whole number"
    assert deployed.quarantined(STACK)["event_id"] == verdict["event_id"]


def test_a_pipeline_that_does_not_exist_quarantines_the_event(deployed: LocalAws) -> None:
    """Nothing is retried for it, and nothing is lost."""
    upload(deployed, "gone/x")
    (verdict,) = deployed.new_verdicts(STACK, "uploads/gone", 1)
    assert verdict["outcome"] == "REJECTED"
    assert "pipeline never-created does not exist in eu-central-1" in deployed.quarantined(STACK)["reason"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "the message is not valid JSON"),
        ("[" * 100_000, "the message is not valid JSON"),
        ("[]", "the message is not"),
        ('{"trigger": "uploads/echo", "event": {"id": "e1"}}', "the event is not an S3 Object Created"),
    ],
)
def test_a_poison_message_is_quarantined_with_its_reason(deployed: LocalAws, body: str, reason: str) -> None:
    """A message that no rule of ours sent ends in the dead-letter queue at once, as it came."""
    send(deployed, body)
    message = deployed.quarantined(STACK)
    assert message["body"] == body
    assert message["reason"].startswith(reason)


def test_a_trigger_that_is_not_deployed_is_looked_for_once_more(deployed: LocalAws) -> None:
    """A rule may be deployed a moment before the functions know its trigger."""
    event = {"id": "e2", "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
    send(deployed, json.dumps({"trigger": "uploads/never", "event": event}))
    (verdict,) = deployed.new_verdicts(STACK, "uploads/never", 1)
    assert (verdict["outcome"], verdict["event_id"]) == ("WAITING", "e2")


def test_rejected_events_are_redriven_after_a_fix(deployed: LocalAws) -> None:
    """The pipeline that was missing is started; the other one, which was started then, is not started twice."""
    upload(deployed, "fixed/x")
    started, rejected = deployed.new_verdicts(STACK, "uploads/fixed", 2)
    assert (started["outcome"], rejected["outcome"]) == ("STARTED", "REJECTED")
    deployed.create_pipeline("made-later", pipeline_definition({}))
    redrive = ("redrive", "--stack", STACK, "--trigger", "uploads/fixed")
    assert "would be sent again" in deployed.triggers(*redrive, "--dry-run").stdout
    redriven = deployed.triggers(*redrive)
    assert "sent again" in redriven.stdout, redriven.stderr
    duplicate, fixed = deployed.new_verdicts(STACK, "uploads/fixed", 2)
    assert (duplicate["outcome"], duplicate["execution_arn"]) == ("DUPLICATE", started["execution_arn"])
    assert (fixed["outcome"], fixed["pipeline"]) == ("STARTED", "made-later")
    again = deployed.triggers("redrive", "--stack", STACK, "--reason", "made-later")
    assert again.stdout == "no matching dead letters\n", again.stderr


def test_a_repeated_delivery_asks_for_the_same_execution(deployed: LocalAws) -> None:
    """SQS delivers at least once: the same event twice has the same token, and SageMaker starts it once."""
    event = {
        "id": "11111111-2222-3333-4444-555555555555",
        "detail": {"bucket": {"name": "raw-dev"}, "object": {"key": "once/twice", "etag": "e", "sequencer": "01"}},
    }
    verdicts = []
    for _ in range(2):
        send(deployed, json.dumps({"trigger": "uploads/once", "event": event}))
        verdicts += deployed.new_verdicts(STACK, "uploads/once", 1)
    first, second = verdicts
    assert first["outcome"] == "STARTED"
    assert second["execution_arn"] == first["execution_arn"]


def test_a_handler_may_start_what_its_policy_names_and_nothing_else(deployed: LocalAws) -> None:
    """IAM is enforced: without the compiled policy, the same upload is denied."""
    iam = deployed.client("iam")
    described = deployed.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId="OnS3UploadRole"
    )
    role = described["StackResourceDetail"]["PhysicalResourceId"]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    (policy,) = [policy for policy in attached if "OnS3UploadStarts" in policy["PolicyArn"]]
    iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    try:
        upload(deployed, "once/denied")
        denied = deployed.log_line(STACK, lambda line: line["message"] == "will be retried")
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    assert "AccessDenied" in denied["exception"]
    assert denied["trigger"] == "uploads/once"
