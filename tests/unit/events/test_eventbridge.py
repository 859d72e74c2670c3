"""Events as EventBridge delivers them → Occurrences."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.models import Occurrence

from tests import PROJECT

EVENT = json.loads((PROJECT / "events" / "s3.json").read_text(encoding="utf-8"))
SCHEDULED = json.loads((PROJECT / "events" / "schedule.json").read_text(encoding="utf-8"))


def test_an_upload_binds_the_object() -> None:
    """``$object`` has what S3 says of the object, under plain names."""
    assert eventbridge.read(EVENT, "s3").bindings == {
        "object": {
            "bucket": "acme-raw-dev",
            "key": "churn/2026-10/data.csv",
            "name": "data.csv",
            "uri": "s3://acme-raw-dev/churn/2026-10/data.csv",
            "size": 48213,
            "etag": "9b2cf535f27731c974343645a3985328",
            "version_id": "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
            "sequencer": "00671F8A2C55E0B1D4",
            "reason": "PutObject",
        }
    }


def test_an_unversioned_bucket_is_told_apart_by_etag() -> None:
    """Without a version id, the etag and the sequencer say which upload it was."""
    s3_object = {name: value for name, value in EVENT["detail"]["object"].items() if name != "version-id"}
    upload = eventbridge.read({**EVENT, "detail": {**EVENT["detail"], "object": s3_object}}, "s3")
    assert "version_id" not in upload.bindings["object"]
    assert upload.identity == (
        "s3",
        "acme-raw-dev",
        "churn/2026-10/data.csv",
        "9b2cf535f27731c974343645a3985328",
        "00671F8A2C55E0B1D4",
    )


def test_the_identity_is_of_the_upload_not_of_the_event() -> None:
    """EventBridge may deliver one upload as two events; they are the same upload."""
    assert eventbridge.read({**EVENT, "id": "another"}, "s3").identity == eventbridge.read(EVENT, "s3").identity


@pytest.mark.parametrize("time", [1793506329000, 1793506329000.0, "1793506329000", "2026-11-01T04:12:09Z"])
def test_times_are_iso_however_sagemaker_writes_them(time: object) -> None:
    """Milliseconds since 1970, as number or text, are the same change as the ISO time."""
    event = json.loads((PROJECT / "events" / "endpoint.json").read_text(encoding="utf-8"))
    event["time"] = event["detail"]["LastModifiedTime"] = time
    occurrence = eventbridge.read(event, "endpoint")
    assert occurrence.event["time"] == "2026-11-01T04:12:09Z"
    assert occurrence.identity[-1] == "2026-11-01T04:12:09Z"


@pytest.mark.parametrize("status", ["IN_SERVICE", "InService", "in-service", "INSERVICE", "In_Service"])
def test_a_status_is_spelt_as_the_api_does(status: str) -> None:
    """And tags are a mapping, however they come."""
    event = json.loads((PROJECT / "events" / "endpoint.json").read_text(encoding="utf-8"))
    event["detail"] |= {"EndpointStatus": status, "Tags": [{"Key": "team", "Value": "churn"}]}
    endpoint = eventbridge.read(event, "endpoint").bindings["endpoint"]
    assert (endpoint["status"], endpoint["tags"]) == ("InService", {"team": "churn"})


@pytest.mark.parametrize(("source", "variable"), [("endpoint", "endpoint"), ("training_job", "job")])
def test_a_reason_is_bound_for_a_failure_only(source: str, variable: str) -> None:
    """Events of what did not fail have an empty text, which would be sent where an expression guards with $exists."""
    event = json.loads((PROJECT / "events" / f"{source}.json").read_text(encoding="utf-8"))
    assert event["detail"]["FailureReason"] == ""
    assert "failure_reason" not in eventbridge.read(event, source).bindings[variable]
    event["detail"]["FailureReason"] = "no space"
    assert eventbridge.read(event, source).bindings[variable]["failure_reason"] == "no space"


def test_a_variant_that_is_scaled_is_a_deployment_too() -> None:
    """AWS documents the stages in both places."""
    event = json.loads((PROJECT / "events" / "endpoint_deployment.json").read_text(encoding="utf-8"))
    variants = event["detail"].pop("PendingDeploymentSummary")["ProductionVariants"]
    variants[0]["VariantStatus"][0]["Status"] = "BAKING"
    event["detail"]["ProductionVariants"] = [*variants, {"CurrentWeight": 1}]
    endpoint = eventbridge.read(event, "endpoint").bindings["endpoint"]
    assert (endpoint["deployment"], endpoint["variants"]) == (["Baking"], ["main"])


def test_a_retried_execution_ends_once_more() -> None:
    """It keeps its ARN; the end is another one."""
    event = json.loads((PROJECT / "events" / "pipeline.json").read_text(encoding="utf-8"))
    again = {**event, "detail": {**event["detail"], "executionEndTime": "2026-11-02T00:00:00Z"}}
    assert eventbridge.read(event, "pipeline").identity != eventbridge.read(again, "pipeline").identity


@pytest.mark.parametrize(
    "changed",
    [
        {"detail-type": "SageMaker Endpoint State Change", "detail": {"ProductionVariants": 5, "EndpointArn": "a"}},
        {"detail-type": "CloudWatch Alarm State Change", "detail": {"state": "ALARM"}},
        {"detail-type": "CloudWatch Alarm State Change", "resources": {"a": 1}, "detail": {"state": {}}},
        {"detail-type": "SageMaker Endpoint State Change", "detail": {"Tags": ["x"]}},
    ],
)
def test_an_event_of_an_odd_shape_is_rejected(changed: dict[str, Any]) -> None:
    """With what it was taken for."""
    with pytest.raises(Rejected, match=f"the event is not a {changed['detail-type']} as AWS sends it"):
        eventbridge.read({"id": "i", **changed}, "event")


def scheduled(time: str, timezone: str = "Europe/Berlin") -> Occurrence:
    """Return what a schedule's event is read as."""
    return eventbridge.read(
        {**SCHEDULED, "time": time, "detail": {"trigger": "team/one", "timezone": timezone}}, "schedule"
    )


def test_a_schedule_binds_its_time_and_its_own_date() -> None:
    """The scheduled time, in UTC and in the schedule's zone."""
    assert eventbridge.read(SCHEDULED, "schedule").bindings == {
        "scheduled": {
            "time": "2026-11-01T01:00:00Z",
            "local": "2026-11-01T02:00:00+01:00",
            "date": "2026-11-01",
            "timezone": "Europe/Berlin",
            "arn": "arn:aws:scheduler:eu-central-1:123456789012:schedule/churn/nightly",
        }
    }
    assert eventbridge.read(SCHEDULED, "schedule").subject == SCHEDULED["resources"][0]


@pytest.mark.parametrize(
    ("time", "timezone", "local"),
    [
        ("2027-03-28T00:59:00Z", "Europe/Berlin", "2027-03-28T01:59:00+01:00"),
        ("2027-03-28T01:00:00Z", "Europe/Berlin", "2027-03-28T03:00:00+02:00"),
        ("2027-10-31T00:30:00Z", "Europe/Berlin", "2027-10-31T02:30:00+02:00"),
        ("2027-10-31T01:30:00Z", "Europe/Berlin", "2027-10-31T02:30:00+01:00"),
        ("2026-12-31T23:30:00Z", "Asia/Tokyo", "2027-01-01T08:30:00+09:00"),
        ("2027-01-01T00:30:00Z", "America/New_York", "2026-12-31T19:30:00-05:00"),
        ("2027-01-01T00:30:00Z", "UTC", "2027-01-01T00:30:00+00:00"),
    ],
)
def test_a_date_is_that_of_the_schedule_s_zone(time: str, timezone: str, local: str) -> None:
    """Over both shifts of the clocks, and over midnight."""
    bound = scheduled(time, timezone).bindings["scheduled"]
    assert (bound["time"], bound["local"], bound["date"]) == (time, local, local[:10])


def test_a_schedule_is_identified_by_its_time() -> None:
    """Scheduler gives each attempt an id of its own; in the hour that comes twice, UTC tells the times apart."""
    again = eventbridge.read({**SCHEDULED, "id": "another"}, "schedule")
    assert again.identity == eventbridge.read(SCHEDULED, "schedule").identity == ("schedule", "2026-11-01T01:00:00Z")
    assert scheduled("2027-10-31T00:30:00Z").identity != scheduled("2027-10-31T01:30:00Z").identity
    assert scheduled("2026-11-01T02:00:00+01:00").identity == ("schedule", "2026-11-01T01:00:00Z")


@pytest.mark.parametrize(
    "change",
    [
        {"time": "<aws.scheduler.scheduled-time>"},
        {"time": "2026-11-01T01:00:00"},
        {"time": 5},
        {"time": "9999-12-31T23:59:59Z"},
        {"resources": []},
        {"detail": {"trigger": "team/one", "timezone": "../../etc/passwd"}},
        {"detail": {"trigger": "team/one", "timezone": "Nowhere"}},
        {"detail": {"trigger": "team/one", "timezone": "Europe"}},
    ],
)
def test_events_of_other_schedules_are_rejected(change: dict[str, Any]) -> None:
    """With the reason."""
    with pytest.raises(Rejected, match=r"the event is not a schedule's: "):
        eventbridge.read({**SCHEDULED, **change}, "schedule")


def test_an_event_of_a_scheduled_rule_is_not_a_schedule_s() -> None:
    """EventBridge's own scheduled rules send with the same detail-type."""
    event = {**SCHEDULED, "source": "aws.events", "detail": {}}
    assert eventbridge.read(event, "event").bindings == {}
    assert eventbridge.read(event, "event").identity == ("event", SCHEDULED["id"])
