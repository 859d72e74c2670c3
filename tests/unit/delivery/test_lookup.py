"""What events leave out: looked up in AWS, and allowed, only where an expression names it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import boto3
import botocore.exceptions
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from pipeline_triggers import aws
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.delivery.admission import admitted
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.documents.value_check import check
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language import lookups
from pipeline_triggers.language.values import evaluate
from pipeline_triggers.models import Occurrence, Options, Start, Trigger, When

from tests.effort import CFN_LINT
from tests.tools.templates import findings

OBJECT = {"bucket": "raw", "key": "a b+c", "uri": "s3://raw/a b+c"}
ENDPOINT = {"name": "churn-prod", "config": "churn-prod-1", "status": "InService"}


@dataclass
class Aws:
    """Stands for the services; records each call."""

    exceptions: ClassVar[Any] = botocore.exceptions
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, operation: str) -> Any:
        """Answer any operation as the test says."""

        def call(**arguments: Any) -> Any:
            self.calls.append((operation, arguments))
            answer = self.answers[operation]
            if isinstance(answer, str):
                raise ClientError({"Error": {"Code": answer, "Message": "no"}}, operation)
            return answer(**arguments) if callable(answer) else answer

        return call


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """All of AWS."""
    world = Aws()
    monkeypatch.setattr(aws, "s3", lambda: world)
    monkeypatch.setattr(aws, "sagemaker", lambda: world)
    return world


def happened(**bindings: Any) -> Occurrence:
    """Return an occurrence of an upload and an endpoint at once."""
    event = {"detail": {"bucket": {"name": "raw"}, "object": {"key": "a b+c"}, "EndpointName": "churn-prod"}}
    return Occurrence("e", "s", ("i",), event, {"object": OBJECT, "endpoint": ENDPOINT, **bindings})


def trigger(*values: str, source: str = "s3", **more: Any) -> Trigger:
    """Return a trigger with these parameters."""
    parameters = {f"P{at}": value for at, value in enumerate(values)}
    fields: dict[str, Any] = {
        "s3": {"bucket": "raw"},
        "endpoint": {"status": ["InService"]},
        "drift": {"monitoring_schedule": "m"},
    }
    return Trigger("team/one", When(source, fields[source]), (Start("p", parameters),), **more)


def granted(one: Trigger) -> dict[str, Any]:
    """Return what a trigger's handler may ask."""
    resources = compiler.template(Documents((one,), {"dev": {}}))["Resources"]
    found = [resource for name, resource in resources.items() if name.endswith("Asks")]
    statements = [statement for one in found for statement in one["Properties"]["PolicyDocument"]["Statement"]]
    arns: dict[str, list[Any]] = {}
    for statement in statements:
        for action in statement["Action"]:
            arns.setdefault(action, []).extend(statement["Resource"])
    return arns


@pytest.mark.parametrize(
    ("value", "operation", "answer", "expected", "actions"),
    [
        (
            "{% $object.metadata.team %}",
            ("head_object", {"Bucket": "raw", "Key": "a b+c"}),
            {"Metadata": {"team": "churn"}},
            "churn",
            {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"},
        ),
        (
            "{% $object.tags.team %}",
            ("get_object_tagging", {"Bucket": "raw", "Key": "a b+c"}),
            {"TagSet": [{"Key": "team", "Value": "churn"}]},
            "churn",
            {"s3:GetObjectTagging", "s3:GetObjectVersionTagging", "s3:ListBucket"},
        ),
        (
            "{% $endpoint.data_capture_uri %}",
            ("describe_endpoint", {"EndpointName": "churn-prod"}),
            {"DataCaptureConfig": {"DestinationS3Uri": "s3://capture"}},
            "s3://capture",
            {"sagemaker:DescribeEndpoint"},
        ),
        (
            "{% $endpoint.models[0] %}",
            ("describe_endpoint_config", {"EndpointConfigName": "churn-prod-1"}),
            {"ProductionVariants": [{"VariantName": "v", "ModelName": "m"}, {"VariantName": "components"}]},
            "m",
            {"sagemaker:DescribeEndpointConfig"},
        ),
    ],
)
def test_a_named_field_is_looked_up_once_and_allowed(
    services: Aws, value: str, operation: tuple[str, Any], answer: Any, expected: str, actions: set[str]
) -> None:
    """However often it is named; wherever it is named."""
    services.answers[operation[0]] = answer
    source = "endpoint" if "$endpoint" in value else "s3"
    twice = trigger(value, value, condition="{% true %}", source=source)
    occurrence = admitted(twice, happened())
    assert evaluate(value, occurrence) == expected
    assert services.calls == [operation]
    assert granted(twice).keys() == actions
    for where in ({"condition": value}, {"dedupe": value}, {"options": Options(display_name=value)}):
        assert lookups.needed(trigger(**where)) == lookups.needed(twice)


@pytest.mark.parametrize(
    "value", ["{% $object.key & $endpoint.name %}", "$.detail.object.key", "x", "{% detail.metadata %}"]
)
def test_nothing_else_is_looked_up_or_allowed(services: Aws, value: str) -> None:
    """What the event carries costs no call."""
    admitted(trigger(value), happened())
    assert services.calls == []
    assert granted(trigger(value)) == {}


def test_the_uploaded_version_is_looked_up(services: Aws) -> None:
    """The object may have been overwritten since."""
    services.answers["head_object"] = {"Metadata": {}}
    admitted(trigger("{% $object.metadata %}"), happened(object={**OBJECT, "version_id": "v1"}))
    assert services.calls[0][1]["VersionId"] == "v1"


def test_a_filtered_event_causes_no_lookup(services: Aws) -> None:
    """The name is looked at first."""
    one = Trigger("t/t", When("endpoint", {"name": "other-*", "status": ["InService"]}), (Start("p", {}),),
                  condition="{% $endpoint.data_capture_uri = 'x' %}")  # fmt: skip
    with pytest.raises(Exception, match="the name does not match"):
        admitted(one, happened())
    assert services.calls == []


@pytest.mark.parametrize("code", ["404", "NoSuchKey", "ResourceNotFound", "ValidationException"])
def test_a_missing_object_rejects_the_event(services: Aws, code: str) -> None:
    """No retry brings it back; a throttle is retried."""
    services.answers["head_object"] = code
    with pytest.raises(Rejected, match=rf"\$object\.metadata can't be looked up: {code}: no"):
        admitted(trigger("{% $object.metadata %}"), happened())
    services.answers["head_object"] = "SlowDown"
    with pytest.raises(ClientError):
        admitted(trigger("{% $object.metadata %}"), happened())


def test_values_of_a_filtered_event_cause_no_lookup(services: Aws) -> None:
    """The condition comes first, with what it needs itself."""
    services.answers["get_object_tagging"] = {"TagSet": []}
    one = trigger("{% $object.metadata.team %}", condition="{% $exists($object.tags.stage) %}")
    with pytest.raises(Filtered, match="condition not met"):
        admitted(one, happened())
    assert [operation for operation, _ in services.calls] == ["get_object_tagging"]


@CFN_LINT
def test_a_grant_is_for_the_trigger_s_own_bucket_and_endpoint() -> None:
    """And for no other; SageMaker's ARNs may be lower-cased."""
    tags = granted(trigger("{% $object.tags %}"))
    assert tags["s3:GetObjectTagging"] == [{"Fn::Sub": "arn:${AWS::Partition}:s3:::raw/*"}]
    assert tags["s3:ListBucket"] == [{"Fn::Sub": "arn:${AWS::Partition}:s3:::raw"}]
    named = replace(
        trigger("{% $endpoint.data_capture_uri %}"), when=When("endpoint", {"name": "Churn-*", "status": ["InService"]})
    )
    arns = [arn["Fn::Sub"].rpartition(":")[2] for arn in granted(named)["sagemaker:DescribeEndpoint"]]
    assert arns == ["endpoint/Churn-*", "endpoint/churn-*"]
    of_stage = replace(named, when=When("endpoint", {"name": "${Prefix}-*", "status": ["InService"]}))
    documents_ = Documents((of_stage,), {"dev": {"Prefix": "Churn"}})
    assert findings(compiler.compile_documents(documents_)["stack.yaml"]) == []


def test_many_triggers_grants_are_divided_between_policies() -> None:
    """Each fits IAM's quota."""
    many = tuple(
        replace(trigger("{% $object.tags.x %}"), id=f"t/{n}", when=When("s3", {"bucket": f"{'b' * 50}{n:03d}"}))
        for n in range(100)
    )
    resources = compiler.template(Documents(many, {"dev": {}}))["Resources"]
    policies = [made["Properties"]["PolicyDocument"] for name, made in resources.items() if "Asks" in name]
    assert len(policies) > 1
    for policy in policies:
        text = json.dumps(policy, separators=(",", ":")).replace("${AWS::Partition}", "aws-us-gov")
        assert len(text.replace('{"Fn::Sub":', "")) <= 6144


@pytest.mark.parametrize("name", [5, "", ["a"], {}])
def test_a_failed_lookup_rejects_the_event(monkeypatch: pytest.MonkeyPatch, name: object) -> None:
    """No retry makes it a name."""
    client = boto3.client("sagemaker", region_name="eu-central-1")
    monkeypatch.setattr(aws, "sagemaker", lambda: client)
    with pytest.raises(Rejected):
        admitted(trigger("{% $endpoint.models %}"), happened(endpoint={"name": name, "config": name}))
    with pytest.raises(Rejected):
        admitted(trigger("x", source="drift"), happened(job={"name": name}))


def test_a_lookup_needs_its_fields_in_the_event(services: Aws) -> None:
    """Such as the configuration whose models are looked up."""
    with pytest.raises(Rejected, match=r"\$endpoint\.models can't be looked up: the event does not say 'config'"):
        admitted(trigger("{% $endpoint.models %}"), happened(endpoint={"name": "churn-prod"}))
    assert services.calls == []


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("s3", "{% $object.tags.team %}"),
        ("s3", "{% $object.metadata.team & $object.key %}"),
        ("s3", "{% $exists($object.tags.team) ? $object.tags.team : 'none' %}"),
        ("endpoint", "{% $endpoint.models[0] & $endpoint.name %}"),
        ("drift", "{% $count($monitor.violations) & ' of ' & $monitor.endpoint %}"),
    ],
)
def test_fields_named_outright_pass_the_check(source: str, value: str) -> None:
    """Whatever the team calls its tags."""
    assert check(value, sample(trigger(source=source).when)) is None


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("s3", "{% ($o := $object; $o.tags.team) %}"),
        ("s3", "{% $lookup($object, 'tags').team %}"),
        ("s3", "{% $map([$object], function($o) {$o.tags.team}) %}"),
        ("s3", "{% $object.{'t': tags}.t.team %}"),
        ("sns", "{% $object.tags.team %}"),
        ("sns", "{% $exists($object.tags) ? 'a' : 'b' %}"),
    ],
)
def test_looked_up_fields_must_be_named_outright(source: str, value: str) -> None:
    """Else nobody would ask; and of a topic's objects nobody knows the bucket to allow."""
    fields = {"s3": {"bucket": "raw"}, "sns": {"topic": "arn"}}[source]
    assert check(value, sample(When(source, fields))) is not None


MONITOR = {"schedule": "m", "violations_uri": "s3://bucket/run/constraint_violations.json"}
FACTS = {"monitor": MONITOR}
VIOLATIONS = b'{"violations": [{"feature_name": "tenure"}, {"feature_name": "age"}]}'


def body(text: bytes) -> dict[str, Any]:
    """Return an answer of GetObject."""
    return {"ContentLength": len(text), "Body": StreamingBody(io.BytesIO(text), len(text))}


def run(services: Aws) -> None:
    """Let DescribeProcessingJob answer with a monitor's run that found violations."""
    services.answers["describe_processing_job"] = {
        "MonitoringScheduleArn": "arn:aws:sagemaker:eu-central-1:123456789012:monitoring-schedule/m",
        "ExitMessage": "CompletedWithViolations: 2",
        "ProcessingOutputConfig": {"Outputs": [{"S3Output": {"S3Uri": "s3://bucket/run"}}]},
    }


@pytest.mark.parametrize("name", ["constraint_violations.json", "constraints_violations.json"])
def test_a_monitor_s_violations_are_read_from_either_spelling(services: Aws, name: str) -> None:
    """The documentation has both."""
    run(services)

    def get_object(**asked_for: str) -> Any:
        if asked_for != {"Bucket": "bucket", "Key": f"run/{name}"}:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return body(VIOLATIONS)

    services.answers["get_object"] = get_object
    value = "{% $join($monitor.violations.feature_name, ' ') %}"
    one = trigger(value, source="drift")
    assert evaluate(value, admitted(one, happened(job={"name": "j"}))) == "tenure age"
    assert granted(one).keys() == {"sagemaker:DescribeProcessingJob", "s3:GetObject"}
    assert [arn["Fn::Sub"].rpartition("/")[2] for arn in granted(one)["s3:GetObject"]] == [
        "constraint_violations.json",
        "constraints_violations.json",
    ]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"violations": 5}', b"[" * 100_000, b"x" * 1_000_001])
def test_unreadable_violations_reject_the_event(services: Aws, text: bytes) -> None:
    """With the file's name."""
    run(services)
    services.answers["get_object"] = body(text)
    with pytest.raises(Rejected, match=r"s3://bucket/run/constraint_violations\.json"):
        admitted(trigger("{% $count($monitor.violations) %}", source="drift"), happened(job={"name": "j"}))


def test_a_monitor_s_endpoint_is_its_schedule_s(services: Aws) -> None:
    """The run itself does not say it."""
    run(services)
    services.answers["describe_monitoring_schedule"] = {"EndpointName": "churn-prod"}
    value = "{% $monitor.endpoint %}"
    one = trigger(value, source="drift")
    assert evaluate(value, admitted(one, happened(job={"name": "j"}))) == "churn-prod"
    assert [call for call, _ in services.calls] == ["describe_processing_job", "describe_monitoring_schedule"]
    assert "sagemaker:DescribeMonitoringSchedule" in granted(one)
