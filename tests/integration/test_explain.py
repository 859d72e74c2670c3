"""``triggers explain`` agrees with the deployed stack on every event in ``events/``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pipeline_triggers.documents import loader
from pipeline_triggers.language.sources import HANDLERS, SOURCES
from pipeline_triggers.language.sources.drift import SAMPLE_RUN

from tests import PROJECT
from tests.localaws.commands import triggers
from tests.localaws.local_aws import LocalAws, pipeline_definition
from tests.localaws.project import Project

STACK = "explained"

TRIGGERS = """
  uploads:
    when: {s3: {bucket: acme-raw-dev, key: "churn/*/data.csv"}}
    start: {explained: {Value: "{% $object.uri %}"}, typed: {Count: "{% $object.size %}"}}
  other-uploads:
    when: {s3: {bucket: acme-raw-dev, key: "churn/*/other.csv"}}
    start: explained
    parameters: {Value: x}
  endpoint:
    when: {endpoint: {status: InService}}
    start: typed
    parameters: {Count: "{% $endpoint.name %}"}
  deployment:
    when: {endpoint: {name: "churn-*", deployment: [creating, baking]}}
    start: explained
    parameters: {Value: "{% $endpoint.next_config %}"}
  job:
    when: {training_job: {name: "churn-*-10", status: Completed}}
    start: explained
    parameters: {Value: "{% $job.name %}"}
  failed-job:
    when: {training_job: {status: Failed}}
    start: explained
    parameters: {Value: "{% $job.name %}"}
  package:
    when: {model_package: {group: churn, approval: Approved}}
    start: explained
    parameters: {Value: $.detail.ModelPackageArn}
  pipeline:
    when: {pipeline: {name: CHURN-*, status: Succeeded}}
    start: explained
    parameters: {Value: $.detail.pipelineArn}
  alarm:
    when: {alarm: {name: churn-drift, state: ALARM}}
    start: explained
    parameters: {Value: $.detail.state.value}
  drift:
    when: {drift: {monitoring_schedule: churn-prod}}
    start: explained
    parameters: {Value: "{% $monitor.violations_uri %}"}
  other-drift:
    when: {drift: {monitoring_schedule: other}}
    start: explained
    parameters: {Value: x}
  requests:
    when: {sns: {}}
    start_one_of: [churn-training]
    accept: {InputDataUrl: "s3://acme-raw-dev/**", Month: "*", Bucket: [acme-raw-dev]}
  topic:
    when: {sns: {topic: "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:raw-uploads"}}
    start: {explained: {Value: "{% $object.uri %}"}, typed: {Count: "{% $message.subject %}"}}
  nightly:
    when: {schedule: {cron: "0 2 * * ? 2199", timezone: Asia/Tokyo}}
    start: explained
    parameters: {Value: "{% $scheduled.date %}"}
  other-schedule:
    when: {schedule: {rate: 365 days}}
    start: explained
    parameters: {Value: x}
  anything:
    when: {event: {pattern: {account: ["123456789012"]}}}
    start: explained
    parameters: {Value: $.detail-type}
"""


@pytest.fixture(scope="module")
def project(aws: LocalAws, new_project: Callable[[], Project]) -> Project:
    """The deployed project."""
    aws.create_bucket("acme-raw-dev")
    aws.create_pipeline("explained", pipeline_definition({"Value": "String"}))
    aws.create_pipeline("typed", pipeline_definition({"Count": "Integer"}))
    aws.create_pipeline(
        "churn-training", pipeline_definition(dict.fromkeys(("InputDataUrl", "Month", "Bucket"), "String"))
    )
    aws.client("sns").create_topic(Name="raw-uploads")
    output = SAMPLE_RUN["violations_uri"].rpartition("/")[0]
    aws.run_monitor(SAMPLE_RUN["job"], SAMPLE_RUN["schedule"], SAMPLE_RUN["message"], output)
    project = new_project()
    project.compile(TRIGGERS)
    project.deploy(aws, STACK)
    return project


def explain(aws: LocalAws, project: Project, event: Path | str, *options: str) -> str:
    """Run ``triggers explain``."""
    done = triggers(aws, "explain", str(event), *options, "--documents", str(project.documents))
    assert not done.stderr.startswith("Error"), done.stderr
    return done.stdout


def happened(aws: LocalAws, trigger: str, handler: str, count: int) -> list[dict[str, Any]]:
    """Return what the deployed stack made of the event for one trigger, in the words of explain."""
    explanations = []
    for verdict in aws.new_verdicts(STACK, trigger, count, handler):
        started = verdict["outcome"] == "STARTED"
        explanations.append(
            {
                "trigger": verdict["trigger"],
                "outcome": "WOULD START" if started else verdict["outcome"],
                "pipeline": verdict.get("pipeline"),
                "reason": verdict.get("reason"),
                "parameters": aws.execution_parameters(verdict["execution_arn"]) if started else None,
            }
        )
    return explanations


# What explain has said of the events so far.
SEEN: list[Any] = []


def publish(aws: LocalAws, event: Mapping[str, Any]) -> None:
    """Make happen what an event reports."""
    if event.get("source") == "aws.scheduler":
        aws.fire(STACK, "team/nightly", datetime.fromisoformat(event["time"]))
        return
    if event.get("Type") != "Notification":
        aws.put_event(event)
        return
    own = event["TopicArn"].endswith("-requests")
    arn = aws.outputs(STACK)["RequestsTopicArn"] if own else event["TopicArn"]
    subject = {"Subject": event["Subject"]} if "Subject" in event else {}
    aws.client("sns").publish(TopicArn=arn, Message=event["Message"], **subject)


@pytest.mark.parametrize("name", sorted(path.stem for path in (PROJECT / "events").iterdir()))
def test_explain_and_the_deployed_stack_agree(aws: LocalAws, project: Project, tmp_path: Path, name: str) -> None:
    """The same triggers, outcomes, reasons and parameters."""
    # The sample names a trigger of the team churn; this document is the team's that is called team.
    text = (PROJECT / "events" / f"{name}.json").read_text(encoding="utf-8")
    text = text.replace("churn/requests", "team/requests").replace('"churn/nightly"', '"team/nightly"')
    path = tmp_path / "event.json"
    path.write_text(text, encoding="utf-8")
    expected = json.loads(explain(aws, project, path, "--json"))
    event = json.loads(text)
    publish(aws, event)
    for explanation in expected:
        if explanation["outcome"] == "REJECTED":
            explanation["parameters"] = None  # what would have been sent, no execution has
    triggers = {trigger.id: trigger for trigger in loader.load(project.documents).triggers}
    assert ("team/anything" in {explanation["trigger"] for explanation in expected}) == (
        event.get("source") not in (None, "aws.scheduler")
    )
    assert expected
    for trigger in dict.fromkeys(explanation["trigger"] for explanation in expected):
        of_trigger = [explanation for explanation in expected if explanation["trigger"] == trigger]
        handler = SOURCES[triggers[trigger].when.source].handler
        assert happened(aws, trigger, handler, len(of_trigger)) == of_trigger
    # And nothing more: what explain left out, the stack has not handled either.
    told_by_all = [
        line for handler in HANDLERS for line in aws.log_lines(STACK, handler) if line["message"] == "verdict"
    ]
    SEEN.extend(expected)
    assert len(told_by_all) == len(SEEN)


def test_explain_prints_a_table(aws: LocalAws, project: Project) -> None:
    """A row for each outcome, with its reason or the values."""
    lines = explain(aws, project, PROJECT / "events" / "s3.json").splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "trigger outcome pipeline reason, parameters",
        "team/uploads WOULD START explained Value = s3://acme-raw-dev/churn/2026-10/data.csv",
        "team/uploads WOULD START typed Count = 48213",
        "team/other-uploads FILTERED the key does not match churn/*/other.csv",
        "team/anything WOULD START explained Value = Object Created",
    ]


def test_explain_takes_the_uri_of_an_object(aws: LocalAws, project: Project) -> None:
    """With the size of the object that is there."""
    aws.create_bucket("sizes")
    aws.client("s3").put_object(Bucket="sizes", Key="a.csv", Body=b"12345")
    (explanation,) = json.loads(explain(aws, project, "s3://sizes/a.csv", "--json"))
    assert (explanation["trigger"], explanation["outcome"]) == ("team/anything", "WOULD START")
