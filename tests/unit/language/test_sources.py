"""Every source of the documents: its pattern, its sample, its identity, and what is left to the handler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from pipeline_triggers.delivery.admission import match_fields
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.sample import sample as sample_of
from pipeline_triggers.errors import DocumentsError, Filtered
from pipeline_triggers.events import eventbridge
from pipeline_triggers.language import sources
from pipeline_triggers.language.sources import endpoint, model_package, pipeline
from pipeline_triggers.language.sources.sagemaker import JOB_STATUSES
from pipeline_triggers.models import Occurrence, Trigger, When

from tests import PROJECT

HEAD = "version: 1\nowner: team\npipelines: [p]\ntriggers:\n  one:\n    start: p\n"


def mismatch(when: When, occurrence: Occurrence) -> str | None:
    """Return which field the event does not match, or None."""
    try:
        match_fields(Trigger("team/one", when, ()), occurrence)
    except Filtered as error:
        return str(error)
    return None


def load(tmp_path: Path, when: str, more: str = "") -> Trigger:
    """Return the trigger of a document with this ``when``."""
    (tmp_path / "stages.yaml").write_text("dev: {Name: churn}\n")
    (tmp_path / "team.yaml").write_text(f"{HEAD}    when: {when}\n{more}")
    (trigger,) = loader.load(tmp_path).triggers
    return trigger


def pattern(trigger: Trigger) -> dict[str, Any]:
    """Return the trigger's event pattern with the texts as they are."""
    found = sources.pattern(trigger.when, lambda text: text)
    assert found is not None
    return found


def sagemaker(kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    """Return a pattern for a state change."""
    return {"source": ["aws.sagemaker"], "detail-type": [f"SageMaker {kind}"], "detail": detail}


IN_SERVICE = [{"equals-ignore-case": "InService"}, {"equals-ignore-case": "IN_SERVICE"}]
STAGES = {
    "ProductionVariants": {
        "VariantStatus": {
            "Status": [
                {"equals-ignore-case": "Baking"},
                {"equals-ignore-case": "ActivatingTraffic"},
                {"equals-ignore-case": "ACTIVATING_TRAFFIC"},
            ]
        }
    }
}
APPROVAL = [{"UpdatedModelPackageFields": ["ModelApprovalStatus"]}, {"UpdatedModelPackageFields": [{"exists": False}]}]
ARN = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (
            "{endpoint: {name: churn-prod, status: in-service}}",
            sagemaker("Endpoint State Change", {"EndpointName": ["churn-prod"], "EndpointStatus": IN_SERVICE}),
        ),
        (
            "{endpoint: {name: churn-*, status: IN_SERVICE}}",
            sagemaker("Endpoint State Change", {"EndpointName": [{"prefix": "churn-"}], "EndpointStatus": IN_SERVICE}),
        ),
        (
            "{endpoint: {name: churn-prod, deployment: [baking, activating-traffic]}}",
            sagemaker(
                "Endpoint Deployment State Change",
                {
                    "EndpointName": ["churn-prod"],
                    "$or": [{"PendingDeploymentSummary": STAGES}, STAGES],
                },
            ),
        ),
        (
            "{training_job: {status: [completed, Stopped]}}",
            sagemaker("Training Job State Change", {"TrainingJobStatus": ["Completed", "Stopped"]}),
        ),
        (
            "{model_package: {group: churn, approval: approved}}",
            sagemaker(
                "Model Package State Change",
                {"ModelPackageGroupName": ["churn"], "ModelApprovalStatus": ["Approved"], "$or": APPROVAL},
            ),
        ),
        (
            "{pipeline: {name: Churn, status: Succeeded}}",
            sagemaker(
                "Model Building Pipeline Execution Status Change",
                {
                    "pipelineArn": [{"equals-ignore-case": ARN + "Churn"}],
                    "currentPipelineExecutionStatus": ["Succeeded"],
                },
            ),
        ),
        (
            "{pipeline: {name: Churn-*-x, status: Failed}}",
            sagemaker(
                "Model Building Pipeline Execution Status Change",
                {
                    "pipelineArn": [{"prefix": {"equals-ignore-case": ARN + "Churn-"}}],
                    "currentPipelineExecutionStatus": ["Failed"],
                },
            ),
        ),
        (
            "{alarm: {name: drift, state: alarm}}",
            {
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {"alarmName": ["drift"], "state": {"value": ["ALARM"]}},
            },
        ),
        (
            '{event: {pattern: {source: [acme], detail: {n: [{numeric: [">", 5]}],'
            ' x: [{exists: false}], t: ["5", on]}}}}',
            {"source": ["acme"], "detail": {"n": [{"numeric": [">", 5]}], "x": [{"exists": False}], "t": ["5", "on"]}},
        ),
    ],
)
def test_a_source_is_a_predefined_pattern(tmp_path: Path, when: str, expected: dict[str, Any]) -> None:
    """However a status is spelt; in a pattern, what has no quotes is read as JSON where it is JSON."""
    assert pattern(load(tmp_path, when)) == expected


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        (
            "{endpoint: {status: Ready}}",
            "6: triggers.one.when.endpoint.status: 'Ready' is not a known status; use one of OutOfService, Creating, "
            "Updating,"
            " SystemUpdating, RollingBack, InService, Deleting, Failed, UpdateRollbackFailed",
        ),
        ("{endpoint: {name: a}}", "7: triggers.one.when.endpoint: needs status or deployment"),
        ("{event: {pattern: {}}}", "7: triggers.one.when.event.pattern: is empty; "
         "fill it in: An event pattern, as the console writes it; "
         "scalars without quotes are JSON where they are JSON (5, true)."),
        ("{event: {pattern: {source: acme}}}", "7: triggers.one.when.event.pattern.source: is \"acme\"; "
         "a pattern's values are lists: [\"acme\"]"),
        ("{alarm: {name: a, state: red}}", "7: triggers.one.when.alarm.state: 'red' is not a known state; use one of "
         "OK, ALARM, INSUFFICIENT_DATA"),
        ("{s3: {bucket: raw}, alarm: {name: a, state: OK}}", "7: triggers.one.when: has 2 names; the limit is 1"),
    ],
)  # fmt: skip
def test_unknown_words_of_a_source_are_reported(tmp_path: Path, when: str, problem: str) -> None:
    """With the words that it knows."""
    with pytest.raises(DocumentsError) as error:
        load(tmp_path, when)
    (found,) = error.value.problems
    assert str(found).removeprefix(f"{tmp_path}/team.yaml:") == problem.replace("6: ", "7: ", 1)


def sample(source: str) -> Occurrence:
    """Return the occurrence of a source's sample in ``events/``."""
    event = json.loads((PROJECT / "events" / f"{source}.json").read_text(encoding="utf-8"))
    return eventbridge.read(event, source)


@pytest.mark.parametrize(
    ("source", "identity"),
    [
        ("endpoint", ("arn:aws:sagemaker:eu-central-1:123456789012:endpoint/churn-prod", "InService")),
        ("training_job", ("arn:aws:sagemaker:eu-central-1:123456789012:training-job/churn-2026-10", "Completed")),
        ("model_package", ("arn:aws:sagemaker:eu-central-1:123456789012:model-package/churn/7", "Approved")),
        ("pipeline", ("arn:aws:sagemaker:eu-central-1:123456789012:pipeline/churn-training/execution/u6m0hbf4ttq2",)),
        ("alarm", ("arn:aws:cloudwatch:eu-central-1:123456789012:alarm:churn-drift", "ALARM")),
    ],
)
def test_a_state_change_is_one_however_often_it_is_sent(source: str, identity: tuple[str, ...]) -> None:
    """SageMaker may send several events, with ids of their own, for one change."""
    first = sample(source)
    second = eventbridge.read({**first.event, "id": "another"}, source)
    assert first.identity == second.identity
    assert first.identity[1 : 1 + len(identity)] == identity


def test_an_event_without_a_change_time_is_told_apart_by_its_id() -> None:
    """So is every event that nobody knows."""
    event = sample("endpoint").event
    detail = {name: value for name, value in event["detail"].items() if name != "LastModifiedTime"}
    assert eventbridge.read({**event, "detail": detail}, "endpoint").identity == ("event", event["id"])
    order = {"id": "i", "detail-type": "Order", "detail": {}}
    assert eventbridge.read(order, "event").identity == ("event", "i")


def test_variables_are_bound_by_what_changed() -> None:
    """``$endpoint`` and ``$job``, with the status as the API spells it."""
    assert sample("endpoint").bindings["endpoint"]["status"] == "InService"
    assert sample("endpoint").bindings["endpoint"]["name"] == "churn-prod"
    assert sample("training_job").bindings["job"]["name"] == "churn-2026-10"
    assert sample("alarm").bindings == {}


@pytest.mark.parametrize(
    ("source", "fields", "reason"),
    [
        ("endpoint", {"name": "churn-*", "status": ["InService"]}, None),
        ("endpoint", {"name": "churn-*-eu", "status": ["InService"]}, "the name does not match churn-*-eu"),
        ("training_job", {"name": "*-2026-*", "status": ["Completed"]}, None),
        ("model_package", {"group": "c*n", "approval": ["Approved"]}, None),
        ("pipeline", {"name": "CHURN-*", "status": ["Succeeded"]}, None),
        ("pipeline", {"name": "churn-*-x", "status": ["Succeeded"]}, "the name does not match churn-*-x"),
        ("alarm", {"name": "churn-drift", "state": ["ALARM"]}, None),
        ("event", {"pattern": {"source": ["aws.s3"]}}, None),
    ],
)
def test_the_handler_matches_what_the_rule_could_not(source: str, fields: dict[str, Any], reason: str | None) -> None:
    """The rest of a glob, after its first star."""
    occurrence = sample("alarm" if source == "event" else source)
    assert mismatch(When(source, fields), occurrence) == reason


def test_the_words_are_those_of_the_api() -> None:
    """Compared with the service model of the pinned botocore."""
    model: Any = boto3.client("sagemaker", region_name="eu-central-1").meta.service_model
    assert list(endpoint.STATUSES) == model.shape_for("EndpointStatus").enum
    assert list(endpoint.STAGES) == model.shape_for("VariantStatus").enum
    assert list(JOB_STATUSES) == model.shape_for("TrainingJobStatus").enum
    assert list(model_package.APPROVALS) == model.shape_for("ModelApprovalStatus").enum
    assert list(pipeline.STATUSES) == model.shape_for("PipelineExecutionStatus").enum


@pytest.mark.parametrize("source", [source for source in sources.SOURCES if source != "event"])
def test_values_are_checked_on_the_source_s_sample(tmp_path: Path, source: str) -> None:
    """A name that such events do not have is reported before anything is deployed."""
    fields = {
        "s3": "{bucket: raw}",
        "endpoint": "{status: InService}",
        "training_job": "{status: Failed}",
        "model_package": "{approval: Approved}",
        "pipeline": "{name: other, status: Failed}",
        "alarm": "{name: a, state: ALARM}",
        "drift": "{monitoring_schedule: churn-prod}",
        "sns": "{}",
        "schedule": "{rate: 1 hour}",
    }[source]
    there = "Timestamp" if source == "sns" else "time"
    load(tmp_path, f"{{{source}: {fields}}}", f'    parameters: {{A: $.{there}, B: "{{% {there} %}}"}}\n')
    with pytest.raises(DocumentsError, match=r"uses nope, which such an event does not have"):
        load(tmp_path, f"{{{source}: {fields}}}", '    parameters: {A: "{% nope.x %}"}\n')
    with pytest.raises(DocumentsError, match=r"\$\.nope' leads to nothing"):
        load(tmp_path, f"{{{source}: {fields}}}", "    parameters: {A: $.nope}\n")


@pytest.mark.parametrize("source", ["endpoint", "training_job"])
def test_a_reason_is_bound_where_every_status_is_a_failure(tmp_path: Path, source: str) -> None:
    """Else its absence has to be guarded."""
    reason = "$endpoint.failure_reason" if source == "endpoint" else "$job.failure_reason"
    value = f'    parameters: {{A: "{{% {reason} %}}"}}\n'
    load(tmp_path, f"{{{source}: {{status: failed}}}}", value)
    for statuses in ("deleting", "[deleting, failed]"):
        with pytest.raises(DocumentsError, match=r"failure_reason, which such an event does not have"):
            load(tmp_path, f"{{{source}: {{status: {statuses}}}}}", value)
        guarded = value.replace(reason, f"$exists({reason}) ? {reason} : 'none'")
        load(tmp_path, f"{{{source}: {{status: {statuses}}}}}", guarded)


def test_free_names_are_not_checked_against_the_sample(tmp_path: Path) -> None:
    """Nobody can know which tags a resource has."""
    load(
        tmp_path,
        "{endpoint: {status: InService}}",
        '    parameters: {A: "{% detail.Tags.any %}", B: $.detail.Tags.x}\n',
    )


@pytest.mark.parametrize(
    "when",
    [
        When("s3", {"bucket": "raw"}),
        When("endpoint", {"deployment": ["Baking"]}),
        When("training_job", {"status": ["Failed"]}),
        When("drift", {"monitoring_schedule": "m"}),
        When("sns", {"topic": "arn"}),
        When("schedule", {"rate": "1 hour"}),
    ],
)
def test_the_reference_names_every_field_of_every_variable(when: When) -> None:
    """A binding that nobody knows of is of no use."""
    text = (PROJECT / "docs" / "triggers.md").read_text(encoding="utf-8")
    bound = sample_of(when)
    assert bound is not None
    for variable, fields in bound.bindings.items():
        assert f"`${variable}`" in text
        rows = [line.partition("|")[2].partition("|")[0] for line in text.splitlines() if line.startswith("| `")]
        named = {name.strip(" `").removeprefix(f"${variable}.") for row in rows for name in row.split(",")}
        assert fields.keys() <= named, (variable, fields.keys() - named)


def test_an_event_of_a_former_document_is_filtered() -> None:
    """It came by a rule for another bucket or status."""
    assert mismatch(When("s3", {"bucket": "another"}), sample("s3")) == "the bucket does not match another"
    failed = When("endpoint", {"status": ["Failed", "OutOfService"]})
    assert mismatch(failed, sample("endpoint")) == "the status does not match Failed or OutOfService"
