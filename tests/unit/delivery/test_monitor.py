"""Runs of Model Monitor: what DescribeProcessingJob adds to the event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from pipeline_triggers import aws
from pipeline_triggers.delivery.monitor import violation
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.models import Occurrence

RUN = Occurrence("e", "arn", ("id",), {}, {"job": {"name": "run-1"}})
SCHEDULE = "arn:aws:sagemaker:eu-central-1:123456789012:monitoring-schedule/churn-prod"
VIOLATED = "CompletedWithViolations: Job completed successfully with 2 violations."


@pytest.fixture
def sagemaker(new_clients: None) -> Iterator[Stubber]:  # noqa: ARG001 - one of them
    """SageMaker, answering what a test says."""
    with Stubber(aws.sagemaker()) as stubber:
        yield stubber


def described(**more: Any) -> dict[str, Any]:
    """Return an answer of DescribeProcessingJob."""
    return {
        "ProcessingJobName": "run-1",
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge",
                                                  "VolumeSizeInGB": 20}},
        "AppSpecification": {"ImageUri": "monitor"},
        "ProcessingJobArn": "arn:aws:sagemaker:eu-central-1:123456789012:processing-job/run-1",
        "ProcessingJobStatus": "Completed",
        "CreationTime": "2026-11-01T03:00:00Z",
        **more,
    }  # fmt: skip


def test_violations_are_bound(sagemaker: Stubber) -> None:
    """With the schedule, and the file that holds them."""
    output = {"S3Uri": "s3://m/run/", "LocalPath": "/opt", "S3UploadMode": "EndOfJob"}
    outputs = {"Outputs": [{"OutputName": "result", "S3Output": output}]}
    answer = described(MonitoringScheduleArn=SCHEDULE, ExitMessage=VIOLATED, ProcessingOutputConfig=outputs)
    sagemaker.add_response("describe_processing_job", answer, {"ProcessingJobName": "run-1"})
    assert violation(RUN).bindings == {
        "job": {"name": "run-1"},
        "monitor": {
            "schedule": "churn-prod",
            "job": "run-1",
            "message": VIOLATED,
            "violations_uri": "s3://m/run/constraint_violations.json",
        },
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"ExitMessage": VIOLATED}, "processing job run-1 is not a run of a monitoring schedule"),
        ({"MonitoringScheduleArn": SCHEDULE}, "processing job run-1 found no violations: no exit message"),
        ({"MonitoringScheduleArn": SCHEDULE, "ExitMessage": "Completed: fine"}, "found no violations: Completed: fine"),
    ],
)
def test_runs_without_violations_are_filtered(sagemaker: Stubber, answer: dict[str, str], reason: str) -> None:
    """Its status is Completed all the same."""
    sagemaker.add_response("describe_processing_job", described(**answer))
    with pytest.raises(Filtered, match=reason):
        violation(RUN)


def test_unknown_parameters_are_rejected(sagemaker: Stubber) -> None:
    """No retry finds it; a throttle is retried."""
    sagemaker.add_client_error("describe_processing_job", "ValidationException", "Could not find requested job")
    with pytest.raises(Rejected, match="processing job run-1 can't be described: Could not find requested job"):
        violation(RUN)
    sagemaker.add_client_error("describe_processing_job", "ThrottlingException", "Rate exceeded")
    with pytest.raises(ClientError):
        violation(RUN)
    with pytest.raises(Rejected, match="is not a state change of a processing job"):
        violation(Occurrence("e", "arn", ("id",), {}, {}))
