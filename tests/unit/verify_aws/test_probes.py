"""Each probe tells right answers of AWS from wrong ones, whatever their kind."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import deletion
from tests.verify_aws import events, report
from tests.verify_aws.__main__ import PROBES
from tests.verify_aws.account import NotSeen
from tests.verify_aws.executions import DAY_LATER
from tests.verify_aws.probe import Answers, Finding, Probe, Result, chosen, judged, run

BY_LETTER = {probe.letter: probe for probe in PROBES}
EXECUTION = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/p/execution/abc"
REFUSED = {"code": "ValidationException", "status": 400, "message": "no"}
ACCEPTED: Answers = {}


def sample(name: str) -> Any:
    """Return an event as the repository has it."""
    path = PROJECT / "layers/core/pipeline_triggers/documents/samples" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def upload(way: str, reason: str, **more: str) -> Answers:
    """Return S3's event for an upload."""
    return {"detail": {"reason": reason, "object": {"key": f"{way}/{events.KEY}", "sequencer": "0A", **more}}}


def here(**changes: Any) -> Answers:
    """Return a CloudTrail event of this account, with changes of its detail."""
    event = json.loads(json.dumps(deletion("p")))
    event |= {"account": ACCOUNT, "region": REGION}
    event["detail"] |= changes
    return event  # type: ignore[no-any-return]


HOME = {"partition": "aws", "account": ACCOUNT, "region": REGION}

# What AWS answers if it does what the code assumes.
RIGHT: dict[str, Answers] = {
    "A": {"first": EXECUTION, "at_once": EXECUTION, "other_parameters": REFUSED, "after_15_minutes": EXECUTION},
    "B": {"late_by_seconds": 2.0, "sent_length": 3072, "shown_length": 3072, "shown_end": "id", "sent_end": "id"},
    "C": {"deploy": "", "change": "", "delete": "", "denied": []},
    "D": {"refusals": [ACCEPTED] * 5},
    "E": {"name": "A-Case", "described": "arn:aws:x:pipeline/a-case", "as_named": False, "lower_case": True},
    "F": {
        "flags": {"True": ACCEPTED, "False": ACCEPTED, "true": REFUSED},
        "empty_text": REFUSED,
        "throttle": {"code": "ThrottlingException", "status": 400, "message": "Rate exceeded"},
    },
    "G": {"sent": "depth 3", "event": {"detail": {"pipelineExecutionDescription": "depth 3"}}},
    "H": {
        "put": upload("put", "PutObject"),
        "copy": upload("copy", "CopyObject"),
        "multipart": upload("multipart", "CompleteMultipartUpload"),
        "versioned": upload("versioned", "PutObject", **{"version-id": "1"}),
    },
    "I": {"pipeline": "p", "home": HOME, "event": here()},
    "J": {"event": sample("model_package")},
    "K": {
        "context": dict.fromkeys(events.CONTEXT, "x"),
        "missing_pipeline": {"ERROR_CODE": {"StringValue": "RESOURCE_NOT_FOUND"}},
    },
    "L": {"put_targets": ACCEPTED, "whole": {"Text": "here"}, "not_started": "it did not come within 600 s"},
    "M": {
        "boto3": "1.43.0",
        "arguments": {
            "StartPipelineExecution": ["PipelineVersionId", "PipelineVersionAlias", "MlflowExperimentName"],
            "DescribePipeline": ["PipelineVersionId", "PipelineVersionAlias"],
        },
    },
    "N": {"schedule": ACCEPTED, "rule": REFUSED, "rule_arn": ACCEPTED},
    "O": {"receives": ["hidden 1"]},
    "P": {"failed": "", "sent": ["1", "2"], "decided": ["1", "2", "0"]},
    "Q": {
        "event": sample("endpoint"),
        "deployment": sample("endpoint_deployment"),
        "run": sample("drift"),
        "exit_message": "CompletedWithViolations: 2 violations",
    },
}

# Changes of the right answers (a place, what stands there), and what the report says of them.
WRONG: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("A", ("at_once",), "arn:other", "a token started a second execution at once"),
    ("A", ("after_15_minutes",), "arn:other", "a token started a second execution after 15 minutes"),
    ("B", ("late_by_seconds",), 400.0, "an execution was listed after 400.0 s, later than LISTING_BOUND"),
    ("B", ("shown_end",), "d", "the list lacks the end of the description, which identifies the start"),
    ("C", ("deploy",), "AccessDenied", "deploy failed; denied were: none"),
    ("C", ("delete",), "AccessDenied", "delete failed; denied were: none"),
    ("D", ("refusals", 2), REFUSED, "1 of 5 were refused: no"),
    ("E", ("lower_case",), False, "IAM matches neither spelling of the ARN"),
    ("E", ("described",), "arn:aws:x:pipeline/other", "a pipeline's ARN does not end with its name"),
    ("F", ("flags", "True"), REFUSED, "SageMaker refuses the Boolean True, which is how the code spells it"),
    ("F", ("throttle", "code"), "Slower", "throttling has the code Slower, which the code takes for a refusal"),
    ("F", ("empty_text",), {**REFUSED, "code": "Other"}, "an empty value is refused with Other"),
    ("G", ("event", "detail"), {}, "the event does not carry the execution's description"),
    ("H", ("put", "detail", "object", "key"), "put/in/a+b", "the key is not as it was written: put/in/a+b"),
    ("H", ("copy", "detail", "reason"), "PutObject", "the reason of copy is PutObject"),
    ("H", ("multipart", "detail", "object", "sequencer"), "", "multipart has no sequencer"),
    ("H", ("versioned", "detail", "object", "version-id"), "", "an object of a versioned bucket has no version-id"),
    (
        "I",
        ("event", "detail", "requestParameters"),
        {"PipelineName": "p"},
        "the janitor does not read the record: the event names no pipeline in detail.requestParameters.pipelineName",
    ),
    ("I", ("event", "detail", "requestParameters"), {"pipelineName": "q"}, "the janitor reads the pipeline q"),
    (
        "J",
        ("event", "detail", "LastModifiedTime"),
        None,
        "the event has no LastModifiedTime, so repeated events of one approval count as several",
    ),
    ("K", ("context", "execution-id"), "<aws.scheduler.execution-id>", "Scheduler does not fill in execution-id"),
    (
        "K",
        ("missing_pipeline",),
        {"not_seen": "late"},
        "a schedule of a missing pipeline has no dead letter with ERROR_CODE after ten minutes",
    ),
    ("L", ("put_targets",), REFUSED, "EventBridge refuses a parameter's name with _: no"),
    ("L", ("missing",), {"Text": ""}, "a missing path started the pipeline, with {'Text': ''}"),
    (
        "M",
        ("arguments", "DescribePipeline"),
        ["PipelineVersionId"],
        "boto3 1.43.0 does not know DescribePipeline PipelineVersionAlias",
    ),
    ("N", ("schedule",), REFUSED, "a schedule is not found by its name"),
    ("N", ("rule_arn",), REFUSED, "a rule is found neither by its name nor by its ARN"),
    ("O", ("receives",), ["hidden 1", "hidden 2"], "the message came back 1 times before its time"),
    ("O", ("receives",), [], "the function did not receive the message"),
    ("P", ("decided",), ["1"], "1 of 2 events have no verdict, or are rejected"),
    ("P", ("failed",), "rolled back", "the deploy that renames the trigger failed"),
    ("Q", ("event", "detail", "EndpointStatus"), "FAILED", "the status is read as Failed"),
    ("Q", ("event", "detail", "LastModifiedTime"), None, "the event does not say when its state changed"),
    ("Q", ("deployment", "detail", "PendingDeploymentSummary"), {}, "the event of the deployment names no stage"),
    ("Q", ("exit_message",), "", "the exit message of a monitoring run is missing"),
]


@pytest.mark.parametrize("letter", BY_LETTER)
def test_a_probe_takes_right_answers_for_what_it_assumes(letter: str) -> None:
    """And says nothing more."""
    finding = judged(BY_LETTER[letter], RIGHT[letter])
    assert (finding.result, finding.reason) == (Result.AS_ASSUMED, "")


@pytest.mark.parametrize(("letter", "place", "answer", "reason"), WRONG)
def test_a_probe_reports_a_wrong_answer(letter: str, place: tuple[Any, ...], answer: Any, reason: str) -> None:
    """With what is different."""
    answers = deepcopy(RIGHT[letter])
    *path, last = place
    inner: Any = answers
    for step in path:
        inner = inner[step]
    inner[last] = answer
    finding = judged(BY_LETTER[letter], answers)
    assert (finding.result, finding.reason) == (Result.DIFFERS, reason)


def test_every_probe_is_shown_a_right_and_a_wrong_answer() -> None:
    """From A to Q, each letter once."""
    assert sorted(BY_LETTER) == [chr(code) for code in range(ord("A"), ord("Q") + 1)]
    assert len(BY_LETTER) == len(PROBES)
    assert {letter for letter, *_ in WRONG} == RIGHT.keys() == BY_LETTER.keys()


@pytest.mark.parametrize("probe", [*PROBES, DAY_LATER], ids=lambda probe: probe.letter)
def test_a_probe_names_code_that_exists(probe: Probe) -> None:
    """Files, and in brackets what to look for in the one before."""
    library = PROJECT / "layers" / "core" / "pipeline_triggers"
    folder = Path()
    for name, _, symbols in (one.partition(" (") for one in re.split(r", (?![^(]*\))", probe.code)):
        candidates = [library / name, PROJECT / name, folder / name]
        (path,) = [candidate for candidate in candidates if candidate.is_file()][:1]
        folder = path.parent
        for symbol in symbols.rstrip(")").split(", ") if symbols else []:
            assert re.search(rf"\b{symbol}\b", path.read_text(encoding="utf-8")), f"{symbol} in {name}"


@pytest.mark.parametrize("letter", BY_LETTER)
def test_an_answer_of_another_shape_differs(letter: str) -> None:
    """Instead of breaking the run."""
    finding = judged(BY_LETTER[letter], {"unknown": 1})
    assert finding.result == Result.DIFFERS
    assert finding.reason


def refused(_account: Any) -> Answers:
    """Stand for a step that AWS refuses."""
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreatePipeline")


def late(_account: Any) -> Answers:
    """Stand for an event that does not come."""
    raise NotSeen("the event did not come within 600 s")


@pytest.mark.parametrize(
    ("observe", "reason"),
    [
        (refused, "AWS refused a step of the probe: An error occurred (AccessDenied) when calling the CreatePipeline"),
        (late, "the event did not come within 600 s"),
        (
            lambda _: dict[str, Any]()["Entries"],
            "AWS's answer to a step of the probe has another shape: KeyError: 'Entries'",
        ),
    ],
)
def test_a_probe_that_saw_nothing_says_so(observe: Any, reason: str) -> None:
    """It neither confirms nor contradicts, and the next probe runs."""
    probe = Probe("X", "?", "!", "code", "do", observe, lambda _: None)
    finding = run(probe, None)  # type: ignore[arg-type]
    assert finding.result == Result.NOT_SEEN
    assert finding.reason.startswith(reason)


def test_probes_are_chosen_by_letter() -> None:
    """All of them without letters."""
    assert [probe.letter for probe in chosen(PROBES, "bd")] == ["B", "D"]
    assert chosen(PROBES, "") == PROBES


PAGE = """\
# What the code assumes of AWS

`make verify-aws` looks at these in an account. Seen: 2 of 4.

## N: differs

Does DescribeStackResources find a stack by a schedule's name, a rule's name and a rule's ARN?

- Assumed: By the schedule's name, and by the rule's name or ARN.
- Code: account/ownership.py
- Seen on AWS on 2027-01-02, eu-central-1: a schedule is not found by its name
- Answers ([all](N.json)): `{"schedule": {"code": "ValidationError"}}`
- To do: List the stacks' resources; otherwise the janitor takes what stacks own for orphans.

## G: not seen

Does an execution's status event carry its description?

- Assumed: It does. The description holds how many executions led to this one.
- Code: language/sources/pipeline.py, starts/plan.py (MAX_DEPTH)
- Not seen on 2027-01-02, eu-central-1: the event did not come within 600 s
- If not: Describe the execution of each status event to read that number.

## J: assumed

Do the events of a model package have LastModifiedTime?

- Assumed: They do. It distinguishes one approval from the next.
- Code: language/sources/model_package.py
- If not: Describe the package, or use the event's id as the identity.

## D: as assumed

Does CreateSchedule accept a role that was created a moment ago? Five times.

- Assumed: It does: the stack creates its schedules right after their role.
- Code: template.yaml (ScheduleRole, TriggersStack)
- Seen on AWS on 2027-01-02, eu-central-1: as assumed
- Answers ([all](D.json)): `{"refusals": [{}]}`
"""


class Here:
    """An account as the report sees it."""

    id, region = "999999999999", REGION


def test_the_documentation_says_what_is_assumed_and_what_was_seen() -> None:
    """As the committed findings have it."""
    verified = PROJECT / "docs" / "verified"
    page = report.page(report.read(verified), [*PROBES, DAY_LATER])
    assert (verified / "README.md").read_text(encoding="utf-8") == page


def test_the_report_begins_with_what_differs_and_keeps_what_earlier_runs_saw(tmp_path: Path) -> None:
    """It is written after each probe, for a run that is interrupted, and does not name the account."""
    when = datetime(2027, 1, 2, tzinfo=UTC)
    probes = [BY_LETTER[letter] for letter in "DGJN"]
    for finding in (
        Finding(BY_LETTER["D"], Result.AS_ASSUMED, "", {"refusals": [{}]}, when),
        Finding(BY_LETTER["D"], Result.NOT_SEEN, "a run that did not see it forgets nothing", {}, when),
        Finding(BY_LETTER["N"], Result.DIFFERS, "not this, in account 999999999999", {}, when),
        Finding(BY_LETTER["G"], Result.NOT_SEEN, "the event did not come within 600 s", {}, when),
        Finding(
            *(BY_LETTER["N"], Result.DIFFERS, "a schedule is not found by its name"),
            *({"schedule": {"code": "ValidationError"}}, when),
        ),
    ):
        report.add(finding, probes, Here(), tmp_path)  # type: ignore[arg-type]
        assert "999999999999" not in (tmp_path / "report.json").read_text()
    assert (tmp_path / "README.md").read_text() == PAGE
    as_assumed, differs, _ = json.loads((tmp_path / "report.json").read_text())
    assert (as_assumed["probe"], as_assumed["result"], as_assumed["to_do"]) == ("D", "as assumed", "")
    assert differs["to_do"].startswith("List the stacks' resources")
    assert differs["seen_at"] == "2027-01-02T00:00:00+00:00"
    assert json.loads((tmp_path / "N.json").read_text()) == {"schedule": {"code": "ValidationError"}}


def test_the_report_does_not_say_who_ran_the_probes(tmp_path: Path) -> None:
    """CloudTrail's records and S3's events name the caller, an access key and an address."""
    detail = {"userIdentity": {"accessKeyId": "ASIAKEY"}, "sourceIPAddress": "203.0.113.7", "userAgent": "sam on mac"}
    events = [{"source-ip-address": "203.0.113.7", "object": {"key": "a"}}]
    answers = {"event": {"detail": detail}, "events": events}
    finding = Finding(BY_LETTER["I"], Result.AS_ASSUMED, "", answers, datetime(2027, 1, 2, tzinfo=UTC))
    report.add(finding, PROBES, Here(), tmp_path)  # type: ignore[arg-type]
    for path in tmp_path.iterdir():
        assert not re.search(r"ASIAKEY|203\.0|sam on mac", path.read_text(encoding="utf-8"))
    assert json.loads((tmp_path / "I.json").read_text())["events"] == [
        {"source-ip-address": "removed", "object": {"key": "a"}}
    ]


def test_long_answers_are_shortened_on_the_page() -> None:
    """The file beside it has them whole."""
    finding = Finding(
        BY_LETTER["P"], Result.AS_ASSUMED, "", {"sent": ["event"] * 100}, datetime(2027, 1, 2, tzinfo=UTC)
    )
    shown = report.row(finding, Here())["answers"]  # type: ignore[arg-type]
    assert len(shown) == report.ANSWERS_SHOWN + 1
    assert shown.endswith("…")
