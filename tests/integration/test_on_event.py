"""State changes, alarms and custom events → executions, through the deployed stack."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests import PROJECT
from tests.conftest import Project, pipeline_definition
from tests.localaws.local_aws import LocalAws

STACK = "events"

TRIGGERS = """
  endpoint:
    when: {endpoint: {name: "churn-*", status: in-service}}
    start: echo
    parameters: {Value: "{% $endpoint.name & ' ' & $endpoint.status %}"}
  drift:
    when: {drift: {monitoring_schedule: "Churn-*"}}
    start: echo
    parameters: {Value: "{% $monitor.schedule & ' ' & $monitor.violations_uri %}"}
  training-job:
    when: {training_job: {name: "churn-*", status: [completed]}}
    start: echo
    parameters: {Value: "{% detail.ModelArtifacts.S3ModelArtifacts %}"}
  model-package:
    when: {model_package: {group: churn, approval: approved}}
    start: echo
    parameters: {Value: $.detail.ModelPackageArn}
  pipeline:
    when: {pipeline: {name: Churn-Training, status: succeeded}}
    start: echo
    parameters: {Value: $.detail.pipelineExecutionArn}
  alarm:
    when: {alarm: {name: churn-drift, state: alarm}}
    start: echo
    parameters: {Value: "{% detail.configuration.metrics[0].metricStat.metric.dimensions.Endpoint %}"}
  order:
    when: {event: {pattern: {source: [acme.shop], detail: {amount: [{numeric: [">", 100]}]}}}}
    start: echo
    parameters: {Value: "{% detail.amount * 2 %}"}
"""

EXPECTED = {
    "endpoint": "churn-prod InService",
    "training_job": "s3://acme-raw-dev/models/churn-2026-10/output/model.tar.gz",
    "model_package": "arn:aws:sagemaker:eu-central-1:123456789012:model-package/churn/7",
    "pipeline": "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/churn-training/execution/u6m0hbf4ttq2",
    "alarm": "churn-prod",
}


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, new_project: Callable[[], Project]) -> LocalAws:
    """The stack with a trigger per source."""
    aws.create_pipeline("echo", pipeline_definition({"Value": "String"}))
    project = new_project()
    project.compile(TRIGGERS)
    project.deploy(aws, STACK)
    return aws


@pytest.mark.parametrize("source", EXPECTED)
def test_the_sample_of_each_source_starts_its_trigger(deployed: LocalAws, source: str) -> None:
    """The rule matches it, and the values are computed from it."""
    event = json.loads((PROJECT / "events" / f"{source}.json").read_text(encoding="utf-8"))
    deployed.put_event(event)
    handler = "OnEndpointStatus" if source == "endpoint" else "OnEvent"
    (verdict,) = deployed.new_verdicts(STACK, f"team/{source.replace('_', '-')}", 1, handler)
    assert verdict["outcome"] == "STARTED"
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": EXPECTED[source]}


def test_a_pattern_of_one_s_own_starts_what_it_matches(deployed: LocalAws) -> None:
    """An event that the pattern does not match has no verdict, because it reaches no handler."""
    for amount in (50, 150):
        deployed.put_event({"source": "acme.shop", "detail-type": "Order", "detail": {"amount": amount}})
    (verdict,) = deployed.new_verdicts(STACK, "team/order", 1, "OnEvent")
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": "300"}


@pytest.mark.parametrize(
    ("job", "schedule", "message", "reason"),
    [
        ("own-job", None, "", "processing job own-job is no run of a monitoring schedule"),
        ("other-run", "other", "CompletedWithViolations: 1", "the monitoring_schedule does not match Churn-*"),
        ("good-run", "churn-prod", "Completed: Job completed successfully.",
         "processing job good-run found no violations: Completed: Job completed successfully."),
        ("bad-run", "churn-prod", "CompletedWithViolations: Job completed successfully with 2 violations.", None),
    ],
)  # fmt: skip
def test_drift_is_a_monitor_s_run_that_found_violations(
    deployed: LocalAws, job: str, schedule: str | None, message: str, reason: str | None
) -> None:
    """The event is the same for all of them; SageMaker is asked which it was."""
    event = json.loads((PROJECT / "events" / "drift.json").read_text(encoding="utf-8"))
    event["detail"]["ProcessingJobName"] = job
    deployed.run_monitor(job, schedule, message, "s3://monitoring/churn-prod/")
    deployed.put_event(event)
    (verdict,) = deployed.new_verdicts(STACK, "team/drift", 1, "OnEndpointStatus")
    assert verdict["outcome"] == ("FILTERED" if reason else "STARTED")
    assert verdict.get("reason") == reason
    if not reason:
        value = "churn-prod s3://monitoring/churn-prod/constraint_violations.json"
        assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": value}
