"""SQS batches → verdicts: one for each pipeline, and only failed messages come back."""

from __future__ import annotations

import io
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pipeline_triggers import aws
from pipeline_triggers.delivery import handler as delivery
from pipeline_triggers.delivery.dead_letters import MAX_MESSAGE_BYTES
from pipeline_triggers.delivery.decision import MAX_FAILURES, TIME_FOR_A_START, TIME_TO_FINISH
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.starts import definition
from pipeline_triggers.telemetry import logger

from functions import on_s3_upload
from tests.simulation.invocation import TIME_OUT, context, record, sleeping, taking_all


@dataclass
class Aws:
    """Stands for SageMaker and SQS where a test says which start fails; the embedded AWS can't be told to."""

    started: list[str] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    clock: float = 0.0  # seconds
    # How long a start takes, in seconds.
    slow: float = 0.0
    log: io.StringIO = field(default_factory=io.StringIO)
    # What a start fails with whose parameter or pipeline holds the word.
    errors: dict[str, str] = field(
        default_factory=lambda: {
            "throttled": "ThrottlingException",
            "denied": "AccessDeniedException",
            "busy": "ResourceLimitExceeded",
        }
    )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The log's lines that are verdicts."""
        return [line for line in self.lines if line["message"] == "verdict"]

    def start_pipeline_execution(self, **call: Any) -> dict[str, str]:
        """Start, unless the parameter or the pipeline says to fail."""
        (parameter,) = call["PipelineParameters"]
        self.pass_time(self.slow)
        for word, code in self.errors.items():
            if word in parameter["Value"] or call["PipelineName"] == word:
                error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
                raise ClientError(error, "StartPipelineExecution")  # type: ignore[arg-type]
        self.started.append(parameter["Value"])
        return {"PipelineExecutionArn": f"arn:{parameter['Value']}"}

    def pass_time(self, seconds: float) -> None:
        """Let the function's time pass."""
        self.clock += seconds

    def change_message_visibility(self, **call: Any) -> None:
        """Note for how long a message is hidden."""
        self.hidden.append(call["VisibilityTimeout"])

    def send_message(self, **call: Any) -> None:
        """Note what is quarantined."""
        self.quarantined.append(call)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, state_table: object) -> Aws:  # noqa: ARG001 - what it sets up is used
    """A handler's world: its environment, its state, some triggers, and the fake AWS."""
    when = When("s3", {"bucket": "raw", "key": "in/*"})
    start = Start("train", {"Key": "$.detail.object.key"})
    one = Trigger("team/one", when, (start,))
    guarded = Trigger("team/guarded", when, (start,), condition="{% $object.size > 10 %}")
    dry = Trigger("team/dry", when, (start,), dry_run=True)
    rejected = Start("rejected", {"Undeclared": "x"})
    several = Trigger("team/several", when, (rejected, start, Start("denied", start.parameters), start))
    two = Trigger("team/two", when, (start, start))
    capped = Trigger("team/capped", when, (start,), max_starts=2)
    world = Aws()
    # Powertools' logger keeps the standard output that it found when it was made, before any capturing.
    monkeypatch.setattr(logger.registered_handler, "stream", world.log)
    monkeypatch.setattr(
        delivery, "triggers", lambda: {trigger.id: trigger for trigger in (one, guarded, dry, several, two, capped)}
    )
    monkeypatch.setattr(definition, "describe", lambda _: definition.parse('{"Parameters": [{"Name": "Key"}]}'))
    monkeypatch.setattr(definition, "_cache", {})
    monkeypatch.setattr(aws, "sagemaker", lambda: world)
    monkeypatch.setattr(aws, "starter", lambda: world)
    monkeypatch.setattr(aws, "sqs", lambda: world)
    monkeypatch.setattr(time, "monotonic", lambda: world.clock)
    monkeypatch.setattr(time, "sleep", sleeping(world.pass_time))
    return world


def uploaded(key: str, trigger: str = "team/one", **more: Any) -> str:
    """Return what a rule puts into the queue for an upload."""
    s3_object = {"key": key, "etag": "e", "sequencer": "01", **more}
    event = {"id": f"event of {key}", "detail": {"bucket": {"name": "raw"}, "object": s3_object}}
    return json.dumps({"trigger": trigger, "event": event})


def handle(*bodies: str, receives: int = 1, age: float = 0, names: str = "m") -> list[str]:
    """Run the handler on a batch, and return the ids of the messages that come back."""
    batch = {"Records": [record(f"{names}{at}", body, receives, time.time() - age) for at, body in enumerate(bodies)]}
    answer = on_s3_upload.handler(batch, context())  # type: ignore[arg-type]
    return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def fail_but_once(body: str, first: int = 1) -> None:
    """Deliver a message until its next failure is its last."""
    for receives in range(first, MAX_FAILURES):
        assert handle(body, receives=receives) == ["m0"]


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the metrics that were printed, as CloudWatch reads them from the log."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


FEW = [fails for fails in itertools.product([False, True], repeat=10) if sum(fails) in (0, 1, 2, 9, 10)]


@pytest.mark.parametrize(
    "masks",
    [FEW, pytest.param(list(itertools.product([False, True], repeat=10)), marks=pytest.mark.thorough)],
    ids=["few", "all"],
)
def test_exactly_the_failed_messages_come_back(masks: list[tuple[bool, ...]]) -> None:
    """Whichever of a batch of ten fail, those and no others are delivered again; the others are started."""
    ids = [f"m{number}" for number in range(10)]
    trigger = Trigger("team/one", When("s3", {"bucket": "raw"}), (Start("train", {"Key": "$.detail.object.etag"}),))
    with taking_all({trigger.id: trigger}) as world:
        for fails in masks:
            world.started.clear()
            bodies = [uploaded(name, etag="denied" if one else name) for name, one in zip(ids, fails, strict=True)]
            assert handle(*bodies) == list(itertools.compress(ids, fails))
            started = [call["PipelineParameters"][0]["Value"] for call in world.started]
            assert started == [name for name, one in zip(ids, fails, strict=True) if not one]


def test_what_is_done_with_one_message_of_a_batch_is_not_done_with_another(fake: Aws) -> None:
    """One comes back, one is quarantined, the others start."""
    bodies = [uploaded("in/a"), uploaded("in/denied"), "no JSON", uploaded("in/b")]
    assert handle(*bodies) == ["m1"]
    assert fake.started == ["in/a", "in/b"]
    assert [sent["MessageBody"] for sent in fake.quarantined] == ["no JSON"]


def test_a_start_is_one_line_and_one_count(fake: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The line has the object, the trigger, the event and the execution, but no parameters."""
    assert handle(uploaded("in/name")) == []
    (verdict,), (metric,) = fake.verdicts, metrics(capsys)
    assert fake.started == ["in/name"]
    expected = {
        "level": "INFO",
        "outcome": "STARTED",
        "subject": "s3://raw/in/name",
        "trigger": "team/one",
        "event_id": "event of in/name",
        "pipeline": "train",
        "execution_arn": "arn:in/name",
    }
    assert {name: verdict[name] for name in expected} == expected
    assert "parameters" not in verdict
    assert (metric["STARTED"], metric["Stack"], metric["Trigger"]) == ([1.0], "stack", "team/one")


def test_a_key_beyond_the_glob_is_filtered(fake: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no failure: a verdict, a count, and nothing in the dead-letter queue."""
    assert handle(uploaded("in/a/b")) == []
    (verdict,), (metric,) = fake.verdicts, metrics(capsys)
    assert (verdict["outcome"], verdict["reason"]) == ("FILTERED", "the key does not match in/*")
    assert metric["FILTERED"] == [1.0]
    assert (fake.started, fake.quarantined) == ([], [])


def test_a_rejection_is_quarantined_with_its_reason(fake: Aws) -> None:
    """The message moves as it came, with what the user needs as attributes SQS accepts."""
    body = uploaded("in/x", trigger="team/\ud800\x00gone")
    assert handle(body, receives=2) == []
    (verdict,) = fake.verdicts
    assert (verdict["level"], verdict["outcome"]) == ("WARNING", "REJECTED")
    assert verdict["trigger"] == "team/\ud800\x00gone"
    (sent,) = fake.quarantined
    assert (sent["QueueUrl"], sent["MessageBody"]) == ("https://sqs/dead", body)
    assert {name: attribute["StringValue"] for name, attribute in sent["MessageAttributes"].items()} == {
        "reason": "trigger removed: no deployed document holds it any more",
        "trigger": "team/\\ud800\\x00gone",
        "event_id": "event of in/x",
    }


def test_a_removed_trigger_is_looked_for_once_more(fake: Aws) -> None:
    """While a deploy goes on, a rule may be there before the function knows its trigger."""
    assert handle(uploaded("in/x", "team/gone")) == ["m0"]
    (verdict,) = fake.verdicts
    reason = "no deployed document holds this trigger; looking once more"
    assert (verdict["outcome"], verdict["reason"]) == ("WAITING", reason)
    assert (len(fake.hidden), fake.quarantined) == (1, [])
    assert handle(uploaded("in/x", "team/gone"), receives=2) == []
    assert fake.verdicts[-1]["reason"] == "trigger removed: no deployed document holds it any more"
    assert len(fake.quarantined) == 1


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '{"trigger": 1}', '{"trigger": "team/one", "event": []}', '{"trigger": "team/one", "event": {}}'],
)
def test_what_can_not_be_read_is_called_by_its_message(fake: Aws, body: str) -> None:
    """So that each message in the dead-letter queue can be found in the log."""
    assert handle(body) == []
    (sent,) = fake.quarantined
    assert sent["MessageAttributes"]["event_id"]["StringValue"] == "m0"


def test_what_is_retried_says_so_loudly(fake: Aws) -> None:
    """A failure that comes back is an ERROR line with the error, and no verdict yet."""
    assert handle(uploaded("in/denied")) == ["m0"]
    (line,) = fake.lines
    assert line["level"] == "ERROR"
    assert line["message"] == "will be retried"
    assert line["trigger"] == "team/one"
    assert line["event_id"] == "event of in/denied"
    assert "AccessDeniedException" in line["exception"]
    assert fake.started == []


def test_what_fails_for_the_last_time_is_quarantined_with_what_is_known(fake: Aws) -> None:
    """SQS would move it to the dead-letter queue without a reason."""
    fail_but_once(uploaded("in/denied"))
    before = len(fake.lines)
    assert handle(uploaded("in/denied"), receives=MAX_FAILURES) == []
    given_up, verdict = fake.lines[before:]
    assert (given_up["level"], given_up["message"]) == ("ERROR", "given up")
    assert verdict["outcome"] == "REJECTED"
    (sent,) = fake.quarantined
    assert sent["MessageBody"] == uploaded("in/denied")
    reason = sent["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("failed 4 times: StartPipelineExecution: AccessDeniedException: no")


@pytest.mark.parametrize("limit", ["throttled", "busy"])
def test_what_passes_by_itself_makes_an_event_wait(fake: Aws, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    """However often: it is told, hidden for longer each time, and started when the limit is gone."""
    body = uploaded(f"in/{limit}")
    for receives in range(1, 12):
        assert handle(body, receives=receives) == ["m0"]
    outcomes = {verdict["outcome"] for verdict in fake.verdicts}
    assert outcomes == {"WAITING"}
    assert "will be retried" not in {line["message"] for line in fake.lines}
    assert metrics(capsys)[0]["WAITING"] == [1.0]
    assert delivery.FIRST_WAIT // 2 <= fake.hidden[0] <= delivery.FIRST_WAIT
    assert delivery.LONGEST_WAIT // 2 <= fake.hidden[-1] <= delivery.LONGEST_WAIT
    assert (fake.started, fake.quarantined) == ([], [])

    fake.errors = {}
    assert handle(body, receives=12) == []
    assert fake.verdicts[-1]["outcome"] == "STARTED"
    assert fake.started == [f"in/{limit}"]


def test_what_waited_may_still_fail_as_often_as_anything(fake: Aws) -> None:
    """Receives after which it had to wait are no failures."""
    body = uploaded("in/throttled")
    for receives in range(1, 6):
        handle(body, receives=receives)
    fake.errors = {"throttled": "AccessDeniedException"}
    assert [handle(body, receives=receives) for receives in range(6, 10)] == [["m0"], ["m0"], ["m0"], []]
    assert fake.verdicts[-1]["reason"].startswith("failed 4 times")


def test_an_event_is_given_up_by_its_age(fake: Aws) -> None:
    """Not by how often it was received; it is kept with the reason."""
    assert handle(uploaded("in/busy"), age=72 * 3600 - 60) == ["m0"]
    assert handle(uploaded("in/busy"), age=72 * 3600) == []
    (sent,) = fake.quarantined
    reason = sent["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("could not be started within 72 hours: StartPipelineExecution: ResourceLimitExceeded: no")


def test_a_repeated_delivery_starts_nothing_more(fake: Aws) -> None:
    """The same message repeats its verdict; another message of the same event is a duplicate."""
    for names in ("m", "m", "other"):
        assert handle(uploaded("in/x"), names=names) == []
    assert fake.started == ["in/x"]
    told = [(verdict["outcome"], verdict["execution_arn"]) for verdict in fake.verdicts]
    assert told == [("STARTED", "arn:in/x"), ("STARTED", "arn:in/x"), ("DUPLICATE", "arn:in/x")]


def test_more_starts_than_a_trigger_may_make_wait(fake: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm looks at the count; a failed or a repeated start does not use up any."""
    for key in ("denied", "a", "a", "b"):
        handle(uploaded(f"in/{key}", "team/capped"))
    assert handle(uploaded("in/c", "team/capped"), uploaded("in/a", "team/capped")) == ["m0"]
    waiting, duplicate = fake.verdicts[-2:]
    reason = "reached max_starts (2 per hour); waiting"
    assert (waiting["outcome"], waiting["reason"]) == ("WAITING", reason)
    assert duplicate["outcome"] == "DUPLICATE"
    assert fake.started == ["in/a", "in/b"]
    assert [(metric["Stack"], metric["MAX_STARTS_REACHED"]) for metric in metrics(capsys)
            if "MAX_STARTS_REACHED" in metric] == [("stack", [1.0])]  # fmt: skip


def test_a_function_without_time_leaves_the_rest_to_the_next(fake: Aws) -> None:
    """It would else be stopped in the middle of a start; what it has no time to hide, SQS hides by itself."""
    fake.slow = TIME_OUT - TIME_FOR_A_START + 1
    assert handle(*(uploaded(f"in/{key}") for key in "abc")) == ["m1", "m2"]
    assert fake.started == ["in/a"]
    assert len(fake.hidden) == 2

    fake.slow = TIME_OUT - aws.LONGEST_QUICK_CALL + 1
    assert handle(*(uploaded(f"in/{key}") for key in "de"), names="n") == ["n1"]
    assert fake.started == ["in/a", "in/d"]
    assert len(fake.hidden) == 2


def test_a_message_s_pipelines_share_its_time(fake: Aws) -> None:
    """Those that come too late wait; those that were started stay so."""
    fake.slow = TIME_OUT - TIME_FOR_A_START + 1
    assert handle(uploaded("in/x", "team/two")) == ["m0"]
    assert fake.started == ["in/x"]
    assert [verdict["reason"] for verdict in fake.verdicts] == ["the function has no time left for it"]
    assert handle(uploaded("in/x", "team/two"), receives=2) == []
    assert fake.started == ["in/x", "in/x"]


def test_a_rate_that_is_met_takes_no_more_time_than_there_is(fake: Aws) -> None:
    """It is tried again until then, and leaves enough to end in order."""
    assert handle(uploaded("in/throttled")) == ["m0"]
    assert 0 < fake.clock <= TIME_OUT - TIME_TO_FINISH
    assert len(fake.hidden) == 1


@pytest.mark.parametrize(
    ("size", "outcome", "reason"),
    [
        ({"size": 11}, "STARTED", None),
        ({"size": 10}, "FILTERED", "condition not met: {% $object.size > 10 %}"),
        ({}, "FILTERED", "condition not met: {% $object.size > 10 %}"),
        ({"size": True}, "REJECTED", None),
    ],
)  # fmt: skip
def test_an_if_decides_whether_to_start(fake: Aws, size: dict[str, Any], outcome: str, reason: str | None) -> None:
    """True starts, false filters, a comparison with nothing too; anything else rejects."""
    assert handle(uploaded("in/x", "team/guarded", **size)) == []
    (verdict,) = fake.verdicts
    assert verdict["outcome"] == outcome
    if reason:
        assert verdict["reason"] == reason
    assert len(fake.quarantined) == (outcome == "REJECTED")


def test_a_dry_run_checks_all_and_starts_nothing(fake: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Its verdict is one of its own."""
    assert handle(uploaded("in/x", "team/dry")) == []
    (verdict,), (metric,) = fake.verdicts, metrics(capsys)
    assert (verdict["outcome"], verdict["pipeline"]) == ("DRY_RUN", "train")
    assert metric["DRY_RUN"] == [1.0]
    assert (fake.started, fake.quarantined) == ([], [])


def test_a_pipeline_that_fails_does_not_hold_up_the_others(fake: Aws) -> None:
    """Each is tried; what came of them is told once, when nothing is retried any more."""
    body = uploaded("in/x", "team/several")
    assert handle(body) == ["m0"]
    assert fake.started == ["in/x", "in/x"]
    assert (fake.verdicts, fake.quarantined) == ([], [])

    fail_but_once(body, first=2)
    assert handle(body, receives=MAX_FAILURES) == []
    told = [(verdict["pipeline"], verdict["outcome"], verdict["subject"]) for verdict in fake.verdicts]
    subject = "s3://raw/in/x"
    assert told == [
        ("rejected", "REJECTED", subject),
        ("train", "STARTED", subject),
        ("denied", "REJECTED", subject),
        ("train", "STARTED", subject),
    ]
    (sent,) = fake.quarantined
    reason = sent["MessageAttributes"]["reason"]["StringValue"]
    assert "parameter Undeclared is not declared by the pipeline" in reason
    assert "; failed 4 times: StartPipelineExecution: AccessDeniedException: no" in reason


def test_a_bug_is_given_up_with_its_name(fake: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails outside of a start is told the last time, too."""

    def broken() -> dict[str, Trigger]:
        raise ZeroDivisionError("our bug")

    monkeypatch.setattr(delivery, "triggers", broken)
    fail_but_once(uploaded("in/x"))
    assert handle(uploaded("in/x"), receives=MAX_FAILURES) == []
    (sent,) = fake.quarantined
    known = {name: attribute["StringValue"] for name, attribute in sent["MessageAttributes"].items()}
    assert known == {"reason": "failed 4 times: ZeroDivisionError: our bug", "trigger": "unknown", "event_id": "m0"}


@pytest.mark.parametrize("receives", [2, MAX_FAILURES])
def test_a_quarantine_that_fails_is_loud_and_loses_nothing(
    fake: Aws, monkeypatch: pytest.MonkeyPatch, receives: int
) -> None:
    """The message comes back, and no verdict says that it is decided."""

    def refuse(**_: Any) -> None:
        raise ConnectionError("no queue")

    monkeypatch.setattr(fake, "send_message", refuse)
    assert handle(uploaded("in/x", "team/gone"), receives=receives) == ["m0"]
    (line,) = fake.lines
    assert (line["level"], line["message"]) == ("ERROR", "will be retried")
    assert "no queue" in line["exception"]


@pytest.mark.parametrize("size", [0, MAX_MESSAGE_BYTES - 3_000, MAX_MESSAGE_BYTES - 600])
def test_a_reason_is_cut_to_what_sqs_takes_beside_the_body(fake: Aws, size: int) -> None:
    """However long; what is nearly as large as a message may be is kept with less of it."""
    gone = "team/" + "g" * 2_000
    body = uploaded("in/x", gone, padding="x" * max(0, size - len(uploaded("in/x", gone, padding=""))))
    assert handle(body, receives=2) == []
    (sent,) = fake.quarantined
    texts = [name + attribute["DataType"] + attribute["StringValue"] for name, attribute in
             sent["MessageAttributes"].items()]  # fmt: skip
    assert len("".join([sent["MessageBody"], *texts]).encode()) <= MAX_MESSAGE_BYTES
    assert all(0 < len(attribute["StringValue"]) <= 1000 for attribute in sent["MessageAttributes"].values())
