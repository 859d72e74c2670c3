"""``triggers describe``, ``triggers run`` and ``triggers why`` against the deployed stack."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import PROJECT
from tests.localaws.commands import triggers
from tests.localaws.local_aws import LocalAws, pipeline_definition
from tests.localaws.project import Project

STACK = "by-hand"
EVENTS = PROJECT / "events"

TRIGGERS = """
  uploads:
    description: A month of data
    when: {s3: {bucket: acme-raw-dev, key: "churn/*/data.csv"}}
    start: run
    parameters: {Value: "{% $object.uri %}"}
    tags: {team: churn}
  once-per-key:
    when: {s3: {bucket: acme-raw-dev}}
    dedupe: "{% $object.key %}"
    start: run
    parameters: {Value: "{% $object.name %}"}
  large-only:
    when: {s3: {bucket: large-dev, key: "in/*.csv"}}
    if: "{% $object.size > 1e9 %}"
    start: run
    parameters: {Value: x}
  quiet:
    when: {s3: {bucket: quiet-dev, key: "in/*.csv"}}
    start: run
    parameters: {Value: "{% $object.key %}"}
  nightly:
    when: {schedule: {cron: "0 2 * * ? *", timezone: Europe/Berlin}}
    start: run
    parameters: {Value: "{% $scheduled.time %}"}
  closed:
    when: {event: {bus: run-bus, pattern: {source: [acme.shop]}}}
    enabled: false
    start: run
    parameters: {Value: $.detail.month}
  direct:
    when: {schedule: {cron: "0 2 * * ? 2099", timezone: UTC}}
    delivery: direct
    start: run
    parameters: {Value: x}
  requests:
    when: {sns: {}}
    start: run
    accept: {Value: "*"}
  notes:
    when: {sns: {topic: "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:run-topic"}}
    start: run
    parameters: {Value: "{% $message.text %}"}
"""


@dataclass(frozen=True)
class Deployed:
    """The deployed stack, and the commands about it."""

    aws: LocalAws
    project: Project

    def triggers(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as its users do."""
        where = () if "--stack" in arguments else ("--stack", STACK)
        return triggers(self.aws, *arguments, *where, "--documents", str(self.project.documents))

    def json(self, *arguments: str) -> Any:
        """Run a command for machines."""
        done = self.triggers(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def value(self, verdict: dict[str, str]) -> str:
        """Return the parameter of a started execution."""
        assert verdict["outcome"] == "STARTED", verdict
        return self.aws.execution_parameters(verdict["execution_arn"])["Value"]


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, new_project: Callable[[], Project]) -> Deployed:
    """A stack with a trigger of each kind."""
    aws.create_pipeline("run", pipeline_definition({"Value": "String"}))
    aws.client("events").create_event_bus(Name="run-bus")
    aws.client("sns").create_topic(Name="run-topic")
    project = new_project()
    project.compile(TRIGGERS)
    project.deploy(aws, STACK)
    return Deployed(aws, project)


def test_an_event_that_is_run_starts_what_its_rule_would_start_once(deployed: Deployed) -> None:
    """The same file once more is a duplicate, and with --again a new execution whose description says so."""
    event = ("--event", str(EVENTS / "s3.json"))
    (first,) = deployed.json("run", "team/uploads", *event)
    assert deployed.value(first) == "s3://acme-raw-dev/churn/2026-10/data.csv"
    (repeated,) = deployed.json("run", "uploads", *event)
    assert (repeated["outcome"], repeated["execution_arn"]) == ("DUPLICATE", first["execution_arn"])
    (again,) = deployed.json("run", "uploads", *event, "--again")
    assert deployed.value(again) == deployed.value(first)
    assert again["execution_arn"] != first["execution_arn"]
    listed = deployed.aws.client("sagemaker").list_pipeline_executions(PipelineName="run")["PipelineExecutionSummaries"]
    descriptions = {summary["PipelineExecutionArn"]: summary["PipelineExecutionDescription"] for summary in listed}
    assert ", again " in descriptions[again["execution_arn"]]
    assert ", again " not in descriptions[first["execution_arn"]]


def test_again_goes_past_a_business_key(deployed: Deployed) -> None:
    """Which otherwise names the occurrence alone."""
    event = ("--event", str(EVENTS / "s3.json"))
    outcomes = [deployed.json("run", "once-per-key", *event, *more)[0]["outcome"] for more in ((), (), ("--again",))]
    assert outcomes == ["STARTED", "DUPLICATE", "STARTED"]


def test_a_schedule_is_run_as_if_it_were_due_now(deployed: Deployed) -> None:
    """Without a file: it gets what the deployed schedule would send."""
    (before,) = deployed.json("describe", "nightly")
    (verdict,) = deployed.json("run", "nightly")
    assert deployed.value(verdict)[:11] >= "2026-11-21T"[:5]
    (after,) = deployed.json("describe", "nightly")
    assert verdict["subject"] == after["arn"]
    assert len(after["verdicts"]) == len(before["verdicts"]) + 1


def test_a_request_and_a_message_are_run_like_published_ones(deployed: Deployed, tmp_path: Path) -> None:
    """An envelope of SNS, wherever it was kept, for the trigger that is named and for no other."""
    envelope = json.loads((EVENTS / "sns.json").read_text(encoding="utf-8"))
    path = tmp_path / "message.json"
    path.write_text(json.dumps({**envelope, "Message": "hello"}), encoding="utf-8")
    (verdict,) = deployed.json("run", "notes", "--event", str(path))
    assert deployed.value(verdict) == "hello"
    request_body = {"trigger": "team/requests", "parameters": {"Value": "requested"}}
    path.write_text(json.dumps({**envelope, "Message": json.dumps(request_body)}), encoding="utf-8")
    (request,) = deployed.json("run", "requests", "--event", str(path))
    assert deployed.value(request) == "requested"
    path.write_text(
        json.dumps({**envelope, "Message": json.dumps({**request_body, "trigger": "team/x"})}), encoding="utf-8"
    )
    refused = deployed.triggers("run", "requests", "--event", str(path))
    assert refused.returncode == 1
    assert "team/requests would reject it: the message is not for team/requests" in refused.stderr


def test_describe_shows_the_deployed_trigger(deployed: Deployed) -> None:
    """By AWS itself: the rule with its bus, the schedule with its zone, the subscription."""
    (rule,) = deployed.json("describe", "closed")
    assert (rule["kind"], rule["state"], rule["fires"]["bus"]) == ("rule", "DISABLED", "run-bus")
    assert json.loads(rule["fires"]["pattern"]) == {"source": ["acme.shop"]}
    assert rule["starts"] == [{"pipeline": "run", "parameters": {"Value": "$.detail.month"}}]
    (schedule,) = deployed.json("describe", "nightly")
    assert schedule["fires"] == {"expression": "cron(0 2 * * ? *)", "timezone": "Europe/Berlin"}
    assert (schedule["kind"], schedule["state"]) == ("schedule", "ENABLED")
    assert ":role/" in schedule["role"]
    (subscription,) = deployed.json("describe", "notes")
    assert subscription["fires"] == {"topic": "arn:aws:sns:eu-central-1:123456789012:run-topic"}
    assert subscription["arn"].startswith("arn:aws:sns:eu-central-1:123456789012:run-topic:")
    assert all(":sqs:" in target for found in (rule, schedule, subscription) for target in found["targets"])
    (direct,) = deployed.json("describe", "direct")
    assert (direct["direct"], direct["targets"]) == (True, ["arn:aws:sagemaker:eu-central-1:123456789012:pipeline/run"])
    assert "none: AWS starts it itself" in deployed.triggers("describe", "direct").stdout
    assert ":run-topic:" not in deployed.json("describe", "requests")[0]["arn"]


def test_a_description_shows_what_became_of_the_last_events(deployed: Deployed) -> None:
    """For people: one line each, the newest last."""
    for _ in range(2):
        deployed.json("run", "uploads", "--event", str(EVENTS / "s3.json"))
    lines = deployed.triggers("describe", "uploads").stdout.splitlines()
    assert lines[0].split(maxsplit=1) == ["trigger", "team/uploads: A month of data"]
    assert "  Value = {% $object.uri %}" in "\n".join(lines)
    assert "DUPLICATE run s3://acme-raw-dev/churn/2026-10/data.csv arn:aws:sagemaker:" in lines[-1]


def test_a_description_says_that_the_document_here_is_another(deployed: Deployed) -> None:
    """Since the deploy somebody has changed one trigger."""
    document = deployed.project.documents / "team.yaml"
    text = document.read_text(encoding="utf-8")
    document.write_text(text.replace("churn/*/data.csv", "churn/*/all.csv"), encoding="utf-8")
    try:
        assert (
            f"changed here; triggers diff --deployed --stack {STACK}" in deployed.triggers("describe", "uploads").stdout
        )
        assert [deployed.json("describe", name)[0]["drift"] for name in ("uploads", "quiet")] == ["changed here", ""]
    finally:
        document.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "direct"), "team/direct is delivered directly, without a handler; start its pipeline yourself"),
        (("run", "uploads"), "write it to a file, like those in events/, and name that with --event"),
        (("run", "other"), "the documents have no triggers other; name one of team/uploads"),
        (("describe", "uploads", "--stack", "none-such"), "stack none-such does not exist in eu-central-1"),
    ],
)
def test_a_refused_run_names_the_remedy(deployed: Deployed, arguments: tuple[str, ...], message: str) -> None:
    """And the exit code says so."""
    done = deployed.triggers(*arguments)
    assert done.returncode != 0
    assert message in done.stderr


def why(deployed: Deployed, subject: str) -> tuple[int, list[tuple[str, bool]], str]:
    """Ask why, and return the exit code, the links, and the words of the first broken one or of the last."""
    done = deployed.triggers("why", subject, "--json")
    links = json.loads(done.stdout)
    said = next((link for link in links if not link["goes_on"]), links[-1])
    return done.returncode, [(link["name"], link["goes_on"]) for link in links], f"{said['seen']} → {said['fix']}"


def upload(deployed: Deployed, bucket: str, key: str, *, reported: bool = True) -> str:
    """Put an object into a bucket that sends its events, or does not; return its URI."""
    client = deployed.aws.client("s3")
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    if reported:
        client.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    client.put_object(Bucket=bucket, Key=key, Body=b"data")
    return f"s3://{bucket}/{key}"


def event_of(tmp_path: Path, bucket: str, key: str) -> str:
    """Write an upload's event into a file."""
    event = json.loads((EVENTS / "s3.json").read_text(encoding="utf-8"))
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"]["key"] = key
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return str(path)


def test_an_upload_leads_to_its_run_and_back(deployed: Deployed, tmp_path: Path) -> None:
    """From the object, from the event's id and from the run: each way ends at how the run stands."""
    uri = upload(deployed, "why-dev", "x")
    event = event_of(tmp_path, "acme-raw-dev", "churn/2026-09/data.csv")
    (verdict,) = deployed.json("run", "uploads", "--event", event)
    code, links, said = why(deployed, verdict["execution_arn"])
    assert (code, links) == (0, [("verdict", True), ("run", True)])
    assert verdict["execution_arn"] in said
    code, links, _ = why(deployed, verdict["event_id"])
    assert code == 0
    assert links[-1] == ("run", True)
    code, _, said = why(deployed, uri)
    assert code == 1
    assert said.startswith("no trigger matches; nearest team/")
    assert "its bucket is acme-raw-dev" in said


def test_a_bucket_that_sends_no_events_is_the_cause(deployed: Deployed) -> None:
    """With the command that switches them on; once it has run, the way goes on to the rule."""
    uri = upload(deployed, "quiet-dev", "in/a.csv", reported=False)
    code, _, said = why(deployed, uri)
    assert code == 1
    assert said.startswith("does not send its events to EventBridge → aws s3api put-bucket-notification-configuration")
    deployed.aws.client("s3").put_bucket_notification_configuration(
        Bucket="quiet-dev", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    code, links, said = why(deployed, uri)
    assert [name for name, _ in links] == ["object", "bucket quiet-dev", "rules", "rule of team/quiet", "verdict"]
    assert said.startswith("no verdict since ")


def test_a_key_that_no_rule_matches_is_told_the_nearest_trigger(deployed: Deployed) -> None:
    """A wrong suffix: the trigger whose glob has most in common comes first."""
    uri = upload(deployed, "large-dev", "in/a.txt")
    code, _, said = why(deployed, uri)
    assert code == 1
    assert said.startswith("no trigger matches; nearest team/large-only: its key is in/*.csv; ")


def test_a_filtered_upload_says_which_condition(deployed: Deployed, tmp_path: Path) -> None:
    """The verdict's own words."""
    uri = upload(deployed, "large-dev", "in/b.csv")
    deployed.json("run", "large-only", "--event", event_of(tmp_path, "large-dev", "in/b.csv"))
    code, links, said = why(deployed, uri)
    assert code == 1
    assert ("verdict", False) in links
    assert "FILTERED team/large-only condition not met: {% $object.size > 1e9 %}" in said


def test_a_disabled_rule_is_the_cause_and_its_command_enables_it(deployed: Deployed) -> None:
    """Somebody disabled it by hand."""
    upload(deployed, "quiet-dev", "in/b.csv")
    events = deployed.aws.client("events")
    (rule,) = deployed.json("describe", "quiet")
    name = rule["arn"].rpartition("/")[2]
    events.disable_rule(Name=name)
    code, _, said = why(deployed, "team/quiet")
    assert code == 1
    assert said == f"rule is DISABLED → aws events enable-rule --name {name} --event-bus-name default"
    events.enable_rule(Name=name)
    _, links, _ = why(deployed, "quiet")
    assert ("rule of team/quiet", True) in links


def test_what_is_no_subject_is_refused(deployed: Deployed) -> None:
    """A bucket alone names no object."""
    done = deployed.triggers("why", "s3://large-dev")
    assert done.returncode == 2
    assert "s3://large-dev names no object; write s3://bucket/key" in done.stderr
