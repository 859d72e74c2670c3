"""Each probe as a whole, from its first call to its judgement, in a world that is right and in one that is wrong.

moto answers as far as it can; the rest is said here as AWS documents it, or as it should not be.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import pytest
from moto import mock_aws

from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import deletion
from tests.unit.verify_aws.missing import Answer, Missing, Parameters, refuse
from tests.unit.verify_aws.test_probes import sample
from tests.unit.verify_aws.world import Reaction, World, payload
from tests.verify_aws import deployment
from tests.verify_aws.__main__ import PROBES
from tests.verify_aws.account import NAME
from tests.verify_aws.executions import DAY_LATER
from tests.verify_aws.probe import Finding, Result, run

BY_LETTER = {probe.letter: probe for probe in (*PROBES, DAY_LATER)}
PIPELINE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{NAME}"


@pytest.fixture(autouse=True)
def moto() -> Iterator[None]:
    """An empty account."""
    with mock_aws():
        yield


Q_OPTIONS = {"endpoint_config": "a configuration", "monitoring_schedule": "A-schedule"}


@dataclass(frozen=True)
class Case:
    """What AWS does, and what the probe then reports: nothing when that is as assumed."""

    letter: str
    reason: str  # … stands for a number
    answers: Mapping[str, Answer] = field(default_factory=dict)
    reactions: Mapping[str, Reaction] = field(default_factory=dict)
    sam: str = ""  # what sam prints when it fails
    result: Result = Result.DIFFERS

    def __str__(self) -> str:
        return f"{self.letter} {self.reason or 'right'}"

    def world(self, *, missing: Missing | None = None, kill_at: int = 0) -> World:
        """Return an account where AWS does this."""
        options: Any = {"missing": missing, "kill_at": kill_at, **Q_OPTIONS}
        return World(self.answers, self.reactions, **options)


def execution(name: str) -> Any:
    """Return an execution's ARN as StartPipelineExecution does."""
    return {"PipelineExecutionArn": f"{PIPELINE}/execution/{name}"}


def by_token(asked: Parameters) -> Any:
    """Know tokens."""
    return execution(asked["ClientRequestToken"])


def listed(description: str = "") -> Answer:
    """List one execution."""
    summary = {**execution("one"), "PipelineExecutionDescription": description}
    return lambda _: {"PipelineExecutionSummaries": [summary]}


def no_flags(asked: Parameters) -> Any:
    """Refuse the Booleans as Python spells them."""
    if any(one["Value"] == "True" for one in asked["PipelineParameters"]):
        return refuse("ValidationException")(asked)
    return execution("one")


def denied_to_roles() -> Answer:
    """Describe the pipeline once, for the account itself."""
    asked_before: list[Parameters] = []

    def answer(asked: Parameters) -> Any:
        asked_before.append(asked)
        return {"PipelineArn": f"{PIPELINE}-case"} if len(asked_before) == 1 else refuse("AccessDenied")(asked)

    return answer


def status(**detail: str) -> Reaction:
    """Send an event of an execution's status."""

    def send(world: World, _: Parameters, parsed: Mapping[str, Any]) -> None:
        world.deliver("statuses", {"detail": {"pipelineExecutionArn": parsed["PipelineExecutionArn"], **detail}})

    return send


def described(world: World, asked: Parameters, parsed: Mapping[str, Any]) -> None:
    """Send it with the execution's description."""
    status(pipelineExecutionDescription=asked["PipelineExecutionDescription"])(world, asked, parsed)


def uploaded(reason: str, *, raw: bool = True) -> Reaction:
    """Send S3's event of an upload."""

    def send(world: World, asked: Parameters, parsed: Mapping[str, Any]) -> None:
        uploaded_object = {"key": asked["Key"] if raw else quote_plus(asked["Key"], safe="/"), "sequencer": "0A"}
        if "VersionId" in parsed:
            uploaded_object["version-id"] = parsed["VersionId"]
        world.deliver("uploads", {"detail": {"reason": reason, "object": uploaded_object}})

    return send


def uploads(*, raw: bool = True) -> dict[str, Reaction]:
    """Send S3's events of all ways to upload."""
    return {
        "PutObject": uploaded("PutObject", raw=raw),
        "CopyObject": uploaded("CopyObject", raw=raw),
        "CompleteMultipartUpload": uploaded("CompleteMultipartUpload", raw=raw),
    }


def deleted(**requested: str) -> Reaction:
    """Send CloudTrail's event of a DeletePipeline, with other request parameters if there are any."""

    def send(world: World, asked: Parameters, _: Mapping[str, Any]) -> None:
        event = deletion(asked["PipelineName"])
        if requested:
            event["detail"]["requestParameters"] = {"other": asked["PipelineName"]}
        world.deliver("deletions", event)

    return send


def reviewed(**changes: Any) -> Reaction:
    """Send the event of a rejected model package."""

    def send(world: World, *_: Any) -> None:
        event = sample("model_package")
        event["detail"] |= {"ModelApprovalStatus": "Rejected", **changes}
        world.deliver("packages", event)

    return send


def fired(*, fills_in: bool, has_dead_letters: bool) -> Reaction:
    """Let Scheduler fire at once."""

    def send(world: World, asked: Parameters, _: Mapping[str, Any]) -> None:
        target = asked["Target"]
        if "Input" in target:
            text = target["Input"].replace("<aws.scheduler.", "").replace(">", "") if fills_in else target["Input"]
            world.deliver("scheduled", json.loads(text))
        elif has_dead_letters:
            world.deliver("undelivered", {}, {"ERROR_CODE": "RESOURCE_NOT_FOUND"})

    return send


def starts(*, without_a_path: bool) -> dict[str, Reaction]:
    """Let the direct rule start its pipeline, always or only where no path is missing."""

    def fire(world: World, asked: Parameters, _: Mapping[str, Any]) -> None:
        detail = json.loads(asked["Entries"][0]["Detail"])
        if without_a_path or "maybe" in detail:
            world.start(NAME, uuid.uuid4().hex, Text=detail.get("maybe", ""))

    return {"PutEvents": fire}


def no_underscore(asked: Parameters) -> Any:
    """Refuse a target with such a name as EventBridge refuses targets: in a successful answer."""
    refused = {"TargetId": "pipeline", "ErrorCode": "ValidationException", "ErrorMessage": "no"}
    failed = [refused] if "With_underscore" in str(asked["Targets"]) else []
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


def endpoint_events(**changes: Any) -> dict[str, Reaction]:
    """Send the events of an endpoint that is created, then updated, and of a run of Model Monitor."""

    def created(world: World, *_: Any) -> None:
        event = sample("endpoint")
        event["detail"] |= changes
        world.deliver("endpoints", event)

    def updated(world: World, *_: Any) -> None:
        world.deliver("endpoints", sample("endpoint_deployment"))
        world.deliver("runs", sample("drift"))

    return {"CreateEndpoint": created, "UpdateEndpoint": updated}


def job(message: str) -> dict[str, Answer]:
    """Describe the processing job of a monitoring run."""
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:monitoring-schedule/a-schedule"
    return {"DescribeProcessingJob": lambda _: {"MonitoringScheduleArn": arn, "ExitMessage": message}}


# moto would need another package to send to the rule's target.
PUBLISHED: dict[str, Answer] = {"PutEvents": lambda _: {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}}
# moto's own events of uploads are not like S3's.
NO_RULES: dict[str, Answer] = {"PutTargets": lambda _: {"FailedEntryCount": 0, "FailedEntries": []}}
KNOWN = {name: ["PipelineVersionId", "PipelineVersionAlias", "MlflowExperimentName"] for name in (
    "StartPipelineExecution", "DescribePipeline")}  # fmt: skip
RUNTIME = {"boto3": "1.43.0", "botocore": "1.43.0", "arguments": KNOWN}


def lines(*texts: str) -> dict[str, Answer]:
    """Answer with lines of a log."""
    return {"FilterLogEvents": lambda _: {"events": [{"message": text} for text in texts]}}


class Verdicts:
    """The log of on_event, which has a verdict for each event, or for all but the first."""

    def __init__(self, *, loses: int = 0) -> None:
        self.loses, self.events = loses, list[str]()

    def publish(self, _world: World, _asked: Parameters, parsed: Mapping[str, Any]) -> None:
        """Decide what is published."""
        self.events += [entry["EventId"] for entry in parsed["Entries"]]

    def answers(self) -> dict[str, Answer]:
        """Answer with the verdicts."""
        return {"FilterLogEvents": lambda _: {"events": [
            {"message": json.dumps({"event_id": event})} for event in self.events[self.loses :]
        ]}}  # fmt: skip


ALL, ALL_BUT_ONE = Verdicts(), Verdicts(loses=1)
NOTHING_DENIED: dict[str, Answer] = {"LookupEvents": lambda _: {"Events": []}}
DENIED: dict[str, Answer] = {
    "LookupEvents": lambda _: {
        "Events": [
            {
                "CloudTrailEvent": json.dumps(
                    {
                        "eventSource": "sqs.amazonaws.com",
                        "eventName": "TagQueue",
                        "errorCode": "AccessDenied",
                        "errorMessage": "not authorized",
                    }
                )
            }
        ]
    }
}

CASES = [
    Case("A", "", {"StartPipelineExecution": by_token}),
    Case("A", "a token started a second execution at once"),
    Case("A-day", "", {"ListPipelineExecutions": listed(), "StartPipelineExecution": lambda _: execution("one")}),
    Case(
        "A-day",
        "a token started a second execution after a day",
        {"ListPipelineExecutions": listed(), "StartPipelineExecution": lambda _: execution("two")},
    ),
    Case("B", ""),
    Case(
        "B",
        "the list lacks the end of the description, which identifies the start",
        {"StartPipelineExecution": lambda _: execution("one"), "ListPipelineExecutions": listed("d" * 1024)},
    ),
    Case(
        "B",
        "the execution in the list did not come within 720 s",
        {"ListPipelineExecutions": lambda _: {"PipelineExecutionSummaries": []}},
        result=Result.NOT_SEEN,
    ),
    Case("C", "", NOTHING_DENIED),
    Case(
        "C",
        "deploy failed; denied were: sqs.amazonaws.com: TagQueue: not authorized",
        DENIED,
        sam="CREATE_FAILED: AccessDenied",
    ),
    Case("D", ""),
    Case("D", "5 of 5 were refused: no", {"CreateSchedule": refuse("ValidationException")}),
    Case("E", ""),
    Case("E", "IAM matches neither spelling of the ARN", {"DescribePipeline": denied_to_roles()}),
    Case("F", ""),
    Case(
        "F", "SageMaker refuses the Boolean True, which is how the code spells it", {"StartPipelineExecution": no_flags}
    ),
    Case(
        "F",
        "throttling has the code Slower, which the code takes for a refusal",
        {"DescribePipeline": refuse("Slower")},
    ),
    Case("G", "", reactions={"StartPipelineExecution": described}),
    Case("G", "the event does not carry the execution's description", reactions={"StartPipelineExecution": status()}),
    Case("G", "the event did not come within 600 s", result=Result.NOT_SEEN),
    Case("H", "", NO_RULES, uploads()),
    Case(
        "H",
        "the key is not as it was written: put/in/a+b%2Bc%2520d/%C3%BC%22%27.csv",
        NO_RULES,
        uploads(raw=False),
    ),
    Case("I", "", reactions={"DeletePipeline": deleted()}),
    Case(
        "I",
        "the janitor does not read the record: the event names no pipeline in detail.requestParameters.pipelineName",
        reactions={"DeletePipeline": deleted(other="name")},
    ),
    Case("J", "", reactions={"UpdateModelPackage": reviewed()}),
    Case(
        "J",
        "the event has no LastModifiedTime, so repeated events of one approval count as several",
        reactions={"UpdateModelPackage": reviewed(LastModifiedTime=None)},
    ),
    Case("K", "", reactions={"CreateSchedule": fired(fills_in=True, has_dead_letters=True)}),
    Case(
        "K",
        "Scheduler does not fill in scheduled-time, execution-id, attempt-number, schedule-arn",
        reactions={"CreateSchedule": fired(fills_in=False, has_dead_letters=True)},
    ),
    Case(
        "K",
        "a schedule of a missing pipeline has no dead letter with ERROR_CODE after ten minutes",
        reactions={"CreateSchedule": fired(fills_in=True, has_dead_letters=False)},
    ),
    Case("L", "", PUBLISHED, starts(without_a_path=False)),
    Case(
        "L",
        "EventBridge refuses a parameter's name with _: no",
        {**PUBLISHED, "PutTargets": no_underscore},
        starts(without_a_path=False),
    ),
    Case("L", "EventBridge refuses a parameter's name with _: no", {"PutTargets": refuse("ValidationException")}),
    Case("L", "a missing path started the pipeline, with {'Text': ''}", PUBLISHED, starts(without_a_path=True)),
    Case(
        "L",
        "the execution for {'present': 'here', 'maybe': 'here'} did not come within 600 s",
        PUBLISHED,
        result=Result.NOT_SEEN,
    ),
    Case("M", "", {"Invoke": payload(RUNTIME)}),
    Case(
        "M",
        "boto3 1.43.0 does not know StartPipelineExecution MlflowExperimentName",
        {
            "Invoke": payload(
                {**RUNTIME, "arguments": {**KNOWN, "StartPipelineExecution": KNOWN["DescribePipeline"][:2]}}
            )
        },
    ),
    Case("N", ""),
    Case("N", "a schedule is not found by its name", {"DescribeStackResources": refuse("ValidationError")}),
    Case("N", "the stack could not be deployed: CREATE_FAILED", sam="CREATE_FAILED", result=Result.NOT_SEEN),
    Case("O", "", lines("hidden 1")),
    Case("O", "the message came back 1 times before its time", lines("hidden 1", "hidden 2")),
    Case("P", "", ALL.answers(), {"PutEvents": ALL.publish}),
    Case(
        *("P", "1 of … events have no verdict, or are rejected"),
        *(ALL_BUT_ONE.answers(), {"PutEvents": ALL_BUT_ONE.publish}),
    ),
    Case("Q", "", job("Completed: no violations"), endpoint_events()),
    Case(
        "Q", "the event does not say when its state changed", job("Completed"), endpoint_events(LastModifiedTime=None)
    ),
    Case("Q", "the exit message of a monitoring run is Done", job("Done"), endpoint_events()),
]


def run_case(case: Case, world: World, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """Run the probe; instead of sam, the stack is there when it should be."""

    def sam(*arguments: Any) -> str:
        world.missing.stack |= "deploy" in arguments and not case.sam
        return case.sam

    monkeypatch.setattr(deployment, "sam", sam)
    return run(BY_LETTER[case.letter], world)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_whole_probe_reports_what_aws_does(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is as assumed, and what is not."""
    finding = run_case(case, case.world(), monkeypatch)
    assert finding.result == (case.result if case.reason else Result.AS_ASSUMED), finding.reason
    assert re.fullmatch(re.escape(case.reason).replace("…", r"\d+"), finding.reason), finding.reason


def test_every_probe_is_shown_a_world_that_is_right_and_one_that_is_not() -> None:
    """A wrong one has other answers, not only none."""
    assert {case.letter for case in CASES if not case.reason} == BY_LETTER.keys()
    assert {case.letter for case in CASES if case.reason and case.result == Result.DIFFERS} == BY_LETTER.keys()
