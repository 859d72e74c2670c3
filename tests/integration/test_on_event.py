"""State changes, alarms and custom events → executions, through the deployed stack."""

from __future__ import annotations

import json

import pytest

from tests import PROJECT
from tests.integration import STACK
from tests.localaws.local_aws import LocalAws

pytestmark = pytest.mark.xdist_group(STACK)

EXPECTED = {
    "endpoint_deployment": "churn-prod-2026-12 Baking",
    "endpoint": "churn-prod InService",
    "training_job": "s3://acme-raw-dev/models/churn-2026-10/output/model.tar.gz",
    "model_package": "arn:aws:sagemaker:eu-central-1:123456789012:model-package/churn/7",
    "pipeline": "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/churn-training/execution/u6m0hbf4ttq2",
    "alarm": "churn-prod",
}


@pytest.mark.parametrize("source", EXPECTED)
def test_the_sample_of_each_source_starts_its_trigger(deployed: LocalAws, source: str) -> None:
    """The rule matches it, and the values are computed from it."""
    event = json.loads((PROJECT / "events" / f"{source}.json").read_text(encoding="utf-8"))
    deployed.put_event(event)
    handler = "OnEndpointStatus" if source.startswith("endpoint") else "OnEvent"
    trigger = "deployment" if source == "endpoint_deployment" else source.replace("_", "-")
    (verdict,) = deployed.new_verdicts(STACK, f"events/{trigger}", 1, handler)
    assert verdict["outcome"] == "STARTED"
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": EXPECTED[source]}


def test_a_custom_pattern_starts_its_trigger(deployed: LocalAws) -> None:
    """An event that the pattern does not match has no verdict, because it reaches no handler."""
    for amount in (50, 150):
        deployed.put_event({"source": "acme.shop", "detail-type": "Order", "detail": {"amount": amount}})
    (verdict,) = deployed.new_verdicts(STACK, "events/order", 1, "OnEvent")
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": "300"}


def test_an_endpoint_is_described_where_an_expression_names_it(deployed: LocalAws) -> None:
    """Its models, and where it captures data: the event carries neither."""
    sagemaker = deployed.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/endpoints"
    sagemaker.create_model(ModelName="churn-7", ExecutionRoleArn=role, PrimaryContainer={"Image": "churn"})
    variant = {"VariantName": "v", "ModelName": "churn-7", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://capture/watched",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="watched-1", ProductionVariants=[variant], DataCaptureConfig=capture
    )
    sagemaker.create_endpoint(EndpointName="watched-prod", EndpointConfigName="watched-1")
    text = (PROJECT / "events" / "endpoint.json").read_text(encoding="utf-8")
    deployed.put_event(
        json.loads(text.replace("churn-prod-2026-11", "watched-1").replace("churn-prod", "watched-prod"))
    )
    (verdict,) = deployed.new_verdicts(STACK, "events/described", 1, "OnEndpointStatus")
    assert verdict.get("reason") is None
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": "churn-7 s3://capture/watched"}


@pytest.mark.parametrize(
    ("job", "schedule", "message", "reason"),
    [
        ("own-job", None, "", "processing job own-job is not a run of a monitoring schedule"),
        ("other-run", "other", "CompletedWithViolations: 1", "the monitoring_schedule does not match Churn-*"),
        ("good-run", "churn-prod", "Completed: Job completed successfully.",
         "processing job good-run found no violations: Completed: Job completed successfully."),
        ("bad-run", "churn-prod", "CompletedWithViolations: Job completed successfully with 2 violations.", None),
    ],
)  # fmt: skip
def test_drift_is_a_monitor_s_run_that_found_violations(
    deployed: LocalAws, job: str, schedule: str | None, message: str, reason: str | None
) -> None:
    """The event is the same for all of them; SageMaker says which it was."""
    event = json.loads((PROJECT / "events" / "drift.json").read_text(encoding="utf-8"))
    event["detail"]["ProcessingJobName"] = job
    deployed.run_monitor(job, schedule, message, "s3://monitoring/churn-prod/")
    deployed.put_event(event)
    (verdict,) = deployed.new_verdicts(STACK, "events/drift", 1, "OnEndpointStatus")
    assert verdict["outcome"] == ("FILTERED" if reason else "STARTED")
    assert verdict.get("reason") == reason
    if not reason:
        value = "churn-prod s3://monitoring/churn-prod/constraint_violations.json"
        assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": value}


def test_an_event_on_a_custom_bus_starts_its_trigger(deployed: LocalAws) -> None:
    """The same event on the default bus does not."""
    for bus, month in (("default", "10"), ("shop", "11")):
        deployed.put_event({"source": "acme.shop", "detail-type": "Month closed", "detail": {"month": month}}, bus)
    (verdict,) = deployed.new_verdicts(STACK, "events/closed", 1, "OnEvent")
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": "11"}


def test_jobs_of_other_kinds_come_as_events(deployed: LocalAws) -> None:
    """With their own variable."""
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:hyper-parameter-tuning-job/churn"
    detail = {"HyperParameterTuningJobName": "churn", "HyperParameterTuningJobArn": arn}
    kind = "SageMaker HyperParameter Tuning Job State Change"
    ended = {"HyperParameterTuningJobStatus": "Completed", "LastModifiedTime": 1793506329000}
    event = {"source": "aws.sagemaker", "detail-type": kind, "resources": [arn]}
    deployed.put_event({**event, "detail": {**detail, **ended}})
    (verdict,) = deployed.new_verdicts(STACK, "events/tuned", 1, "OnEvent")
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": "churn Completed"}


def test_other_updates_of_a_model_package_do_not_fire(deployed: LocalAws) -> None:
    """They repeat the approval, and say what they changed."""
    event = json.loads((PROJECT / "events" / "model_package.json").read_text(encoding="utf-8"))
    for version, changed in ((8, ["ModelLifeCycle"]), (9, ["ModelApprovalStatus"])):
        arn = f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/churn/{version}"
        event["detail"] |= {"ModelPackageArn": arn, "UpdatedModelPackageFields": changed}
        deployed.put_event(event)
    (verdict,) = deployed.new_verdicts(STACK, "events/model-package", 1, "OnEvent")
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": arn}
