"""``triggers describe`` and ``triggers run`` against the deployed stack."""

from __future__ import annotations

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
    assert "DUPLICATE run arn:aws:sagemaker:" in lines[-1]


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
