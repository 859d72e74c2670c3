"""Each patch's reason, shown on the unpatched emulators: when one of these fails, its patch can go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from ministack.core import iam_actions, router
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, eventbridge, lambda_svc, scheduler
from ministack.services.cloudformation import handlers, provisioners
from moto import mock_aws

TOKEN = "t" * 32
DEFINITION = json.dumps({"Version": "2020-12-01", "Parameters": [{"Name": "N", "Type": "Integer"}], "Steps": []})


@pytest.fixture
def sagemaker() -> Iterator[Any]:
    """Plain moto, with one pipeline that needs a parameter."""
    with mock_aws():
        client = boto3.client("sagemaker", region_name="eu-central-1")
        role = "arn:aws:iam::123456789012:role/x"
        client.create_pipeline(PipelineName="p", PipelineDefinition=DEFINITION, RoleArn=role, ClientRequestToken=TOKEN)
        yield client


def test_ministack_has_no_sagemaker() -> None:
    """So moto's is mounted, and ministack's IAM learns of its actions."""
    assert "sagemaker" not in router.SERVICE_PATTERNS
    assert "sagemaker" not in iam_actions.SERVICE_TO_IAM_NAMESPACE


def test_ministack_refuses_events_of_aws() -> None:
    """As AWS does; but it sends none of SageMaker's and CloudWatch's own."""
    entry = {"Source": "aws.sagemaker", "DetailType": "x", "Detail": "{}"}
    _, _, body = eventbridge._put_events({"Entries": [entry]})
    assert json.loads(body)["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_moto_starts_again_for_a_token_it_has_seen(sagemaker: Any) -> None:
    """AWS's requests with one token are one request."""
    starts = [
        sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken=TOKEN)["PipelineExecutionArn"]
        for _ in range(2)
    ]
    assert starts[0] != starts[1]


def test_moto_ends_executions_at_their_start(sagemaker: Any) -> None:
    """And stops none."""
    arn = sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken=TOKEN)["PipelineExecutionArn"]
    (listed,) = sagemaker.list_pipeline_executions(PipelineName="p")["PipelineExecutionSummaries"]
    assert listed["PipelineExecutionStatus"] == "Succeeded"
    with pytest.raises((ClientError, NotImplementedError)):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=TOKEN)


@pytest.mark.parametrize(
    "parameters",
    [[], [{"Name": "N", "Value": "x"}], [{"Name": "Undeclared", "Value": "1"}], [{"Name": "N", "Value": ""}]],
)
def test_moto_starts_with_parameters_that_aws_refuses(sagemaker: Any, parameters: list[dict[str, str]]) -> None:
    """Missing, of a wrong type, undeclared, empty."""
    sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken=TOKEN, PipelineParameters=parameters)
    assert len(sagemaker.list_pipeline_executions(PipelineName="p")["PipelineExecutionSummaries"]) == 1


def test_moto_s_processing_jobs_say_nothing_of_monitors(sagemaker: Any) -> None:
    """So the embedded AWS's jobs say it in their tags."""
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 20}
    sagemaker.create_processing_job(
        ProcessingJobName="j",
        ProcessingResources={"ClusterConfig": cluster},
        AppSpecification={"ImageUri": "i"},
        RoleArn="arn:aws:iam::123456789012:role/x",
    )
    assert (
        not {"MonitoringScheduleArn", "ExitMessage"} & sagemaker.describe_processing_job(ProcessingJobName="j").keys()
    )


def test_moto_has_an_error_code_of_its_own_for_a_missing_pipeline(sagemaker: Any) -> None:
    """SageMaker's is ResourceNotFound."""
    for call in (sagemaker.describe_pipeline, sagemaker.start_pipeline_execution):
        with pytest.raises(ClientError) as error:
            call(PipelineName="missing", **({"ClientRequestToken": TOKEN} if "start" in call.__name__ else {}))
        assert error.value.response["Error"]["Code"] == "ValidationException"


def test_ministack_deploys_schedules_without_their_zone_and_bounds() -> None:
    """So a deployed schedule is completed."""
    properties = {
        "ScheduleExpression": "rate(1 day)",
        "ScheduleExpressionTimezone": "Asia/Tokyo",
        "StartDate": "2190-01-01T00:00:00Z",
    }
    name, _ = provisioners._scheduler_schedule_create("One", properties, "stack")
    _, _, body = scheduler._get_schedule(name, {})
    scheduler.reset()
    assert json.loads(body)["ScheduleExpressionTimezone"] == "UTC"
    assert "StartDate" not in json.loads(body)


def test_ministack_fills_no_attribute_in_and_starts_no_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule's Input reaches its queue as it stands, and a pipeline is no target."""
    sent: list[str] = []
    warnings: list[str] = []
    monkeypatch.setattr(eventbridge.logger, "warning", lambda message, *_: warnings.append(message))
    monkeypatch.setattr(eventbridge, "_dispatch_to_sqs", lambda _, payload, __: sent.append(payload))
    event = {"Source": "aws.scheduler", "DetailType": "x", "Detail": "{}", "Time": 0}
    arn = f"arn:aws:{{}}:{get_region()}:{get_account_id()}:{{}}"
    target = {"Arn": arn.format("sqs", "q"), "Input": "<aws.scheduler.scheduled-time>"}
    eventbridge._invoke_target(target, event, {})
    assert sent == ["<aws.scheduler.scheduled-time>"]
    eventbridge._invoke_target({"Arn": arn.format("sagemaker", "pipeline/p")}, event, {})
    assert any("unsupported target type" in warning for warning in warnings)


def test_ministack_lists_no_second_page_of_schedules() -> None:
    """It leaves out what does not fit on the first."""
    _, _, body = scheduler._list_schedules({"MaxResults": "0"})
    assert "NextToken" not in json.loads(body)


def test_ministack_takes_a_start_that_has_passed() -> None:
    """AWS refuses a recurring schedule that began more than five minutes ago."""
    target = {"Arn": "arn:aws:sqs:eu-central-1:123456789012:q", "RoleArn": "arn:aws:iam::123456789012:role/x"}
    schedule = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    status, _, _ = scheduler._create_schedule("late", {**schedule, "StartDate": 0})
    assert status == 200
    scheduler._delete_schedule("late", {})


def test_ministack_finds_no_stack_by_a_resource() -> None:
    """It looks for the stack's name only, and so for none."""
    _, _, body = handlers._describe_stack_resources({"PhysicalResourceId": ["x"]})
    assert b"Stack [] does not exist" in body


def test_ministack_names_all_resources_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS names the first 100."""
    resources = {f"R{number}": {"PhysicalResourceId": "x"} for number in range(101)}
    stack = {"StackName": "s", "StackId": "i", "_resources": resources}
    monkeypatch.setattr(handlers, "_resolve_stack", lambda _: stack)
    _, _, body = handlers._describe_stack_resources({"StackName": ["s"]})
    assert body.count(b"<member>") == 101


def test_ministack_takes_every_schedule_for_one_of_the_default_group() -> None:
    """Its IAM does; and a call about a rule's targets for one about the bus."""
    region, account = "eu-central-1", "123456789012"
    request: Any = ("scheduler", "GET", "/schedules/s", {}, b"", {"groupName": ["team"]}, region, account)
    assert iam_actions.extract_resource_arn(*request).endswith(":schedule/default/s")
    body = b'{"Rule": "r", "EventBusName": "team"}'
    of_rule: Any = ("events", "POST", "/", {"x-amz-target": "AWSEvents.RemoveTargets"}, body, {}, region, account)
    assert iam_actions.extract_resource_arn(*of_rule).endswith(":event-bus/team")


def test_ministack_has_an_action_for_several_messages() -> None:
    """AWS judges SendMessageBatch by sqs:SendMessage."""
    request: Any = ("sqs", "POST", "/", {"x-amz-target": "AmazonSQS.SendMessageBatch"}, b"{}", {})
    assert iam_actions.extract_iam_action(*request) == "sqs:SendMessageBatch"


def test_ministack_knows_no_saved_queries() -> None:
    """Its CloudFormation refuses templates with them."""
    assert "AWS::Logs::QueryDefinition" not in provisioners._RESOURCE_HANDLERS


def test_ministack_takes_lambda_s_reads_for_others() -> None:
    """AWS judges each by the action of its name, a layer's by its version, whose content is behind HTTPS."""
    paths = ("layers/l/versions/1", "event-source-mappings/m", "functions/f/concurrency")
    requests: list[Any] = [("lambda", "GET", f"/2015-03-31/{path}", {}, b"", {}) for path in paths]
    actions = [iam_actions.extract_iam_action(*request) for request in requests]
    assert actions == ["lambda:ListLayers", "lambda:ListEventSourceMappings", "lambda:PutFunctionConcurrency"]
    here = ("eu-central-1", "123456789012")
    assert iam_actions.extract_resource_arn(*requests[0], *here).endswith(":layer:l")
    assert lambda_svc._layer_content_url("l", 1).startswith("http://")


def test_ministack_logs_each_invocation_s_start_and_end_whatever_the_level() -> None:
    """With SystemLogLevel WARN, AWS logs them only of an invocation that failed."""
    logging = {"LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": "quiet"}
    function = {"config": {"FunctionName": "f", "LoggingConfig": logging}}
    lambda_svc._emit_lambda_logs(function, "r", '{"message": "verdict"}', error=False, duration_ms=1)
    (stream,) = cloudwatch_logs._log_groups.pop("quiet")["streams"].values()
    assert [event["message"].partition(" ")[0] for event in stream["events"]] == [
        "START",
        '{"message":',
        "END",
        "REPORT",
    ]


def test_ministack_matches_every_line_by_a_json_pattern() -> None:
    """CloudWatch Logs compares the fields of JSON lines, and no other line matches."""
    matches = cloudwatch_logs._compile_filter_pattern('{ $.message = "verdict" }')
    assert matches('{"message": "clean-up"}')
