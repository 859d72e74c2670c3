"""SQS batches → verdicts: one for each pipeline, and only failed messages come back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pipeline_triggers import aws
from pipeline_triggers.dead_letters import MAX_MESSAGE_BYTES
from pipeline_triggers.delivery import handler as delivery
from pipeline_triggers.delivery.decision import MAX_FAILURES, TIME_FOR_A_START, TIME_TO_FINISH
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.starts import deployed

from functions import on_s3_upload
from tests.simulation.delivery_world import World
from tests.simulation.invocation import TIME_OUT, accepting_all, context, record

START = Start("train", {"Key": "$.detail.object.key"})
WHEN = When("s3", {"bucket": "raw", "key": "in/*"})
ONE = Trigger("team/one", WHEN, (START,))
TRIGGERS = (
    Trigger("team/guarded", WHEN, (START,), condition="{% $object.size > 10 %}"),
    Trigger("team/dry", WHEN, (START,), dry_run=True),
    Trigger(
        "team/several",
        WHEN,
        (Start("rejected", {"Undeclared": "x"}), START, Start("denied", START.parameters), START),
    ),
    Trigger("team/two", WHEN, (START, START)),
    Trigger("team/capped", WHEN, (START,), max_starts=2),
)

# What a start fails with whose parameter or pipeline holds the word.
ERRORS = {
    "throttled": "ThrottlingException",
    "denied": "AccessDeniedException",
    "busy": "ResourceLimitExceeded",
}


def refusing(errors: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str | None]:
    """Return what refuses such starts, and takes all others."""

    def code(call: Mapping[str, Any]) -> str | None:
        (parameter,) = call["PipelineParameters"]
        words = (word for word in errors if word in parameter["Value"] or call["PipelineName"] == word)
        return next((errors[word] for word in words), None)

    return code


@pytest.fixture
def world() -> Iterator[World]:
    """A world around the handler with these triggers, in which some starts fail."""
    world = World(ONE)
    world.others = TRIGGERS
    world.sagemaker.refuses = refusing(ERRORS)
    with world.installed():
        yield world


def take(world: World, seconds: float) -> None:
    """Let each start take so long."""

    def refuses(_: Mapping[str, Any]) -> None:
        world.pass_time(seconds)

    world.sagemaker.refuses = refuses


def started(world: World) -> list[str]:
    """Return what was started, by the value of its parameter."""
    return [str(one["PipelineParameters"][0]["Value"]) for one in world.sagemaker.executions]


def verdicts(world: World) -> list[dict[str, Any]]:
    """Return the log's lines that are verdicts."""
    return [line for line in world.log if line["message"] == "verdict"]


def uploaded(key: str, trigger: str = "team/one", **more: Any) -> str:
    """Return what a rule puts into the queue for an upload."""
    s3_object = {"key": key, "etag": "e", "sequencer": "01", **more}
    event = {"id": f"event of {key}", "detail": {"bucket": {"name": "raw"}, "object": s3_object}}
    return json.dumps({"trigger": trigger, "event": event})


def handle(world: World, *bodies: str, receives: int = 1, age: float = 0, names: str = "m") -> list[str]:
    """Run the handler on a batch, and return the ids of the messages that come back."""
    messages = [record(f"{names}{at}", body, receives, world.now - age) for at, body in enumerate(bodies)]
    failed = world.invoke(messages)
    assert failed is not None
    return failed


def fail_but_once(world: World, body: str, first: int = 1) -> None:
    """Deliver a message until its next failure is its last."""
    for receives in range(first, MAX_FAILURES):
        assert handle(world, body, receives=receives) == ["m0"]


def metrics(world: World) -> list[dict[str, Any]]:
    """Return the metrics that were printed, as CloudWatch reads them from the log."""
    return [json.loads(line) for line in world.metrics.getvalue().splitlines()]


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
    with accepting_all({trigger.id: trigger}) as world:
        for fails in masks:
            world.started.clear()
            bodies = [uploaded(name, etag="denied" if one else name) for name, one in zip(ids, fails, strict=True)]
            messages = [record(name, body) for name, body in zip(ids, bodies, strict=True)]
            response = on_s3_upload.handler({"Records": messages}, context())  # type: ignore[arg-type]
            failed = [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
            assert failed == list(itertools.compress(ids, fails))
            started = [call["PipelineParameters"][0]["Value"] for call in world.started]
            assert started == [name for name, one in zip(ids, fails, strict=True) if not one]


def test_log_keys_do_not_leak_between_messages(world: World) -> None:
    """One comes back, one is quarantined, the others start."""
    bodies = [uploaded("in/a"), uploaded("in/denied"), "no JSON", uploaded("in/b")]
    assert handle(world, *bodies) == ["m1"]
    assert started(world) == ["in/a", "in/b"]
    assert [sent["MessageBody"] for sent in world.sqs.quarantined] == ["no JSON"]


def test_a_probe_starts_nothing_and_has_a_record(world: World) -> None:
    """Its verdict is PROBED, however often SQS delivers it."""
    probe = json.dumps({"trigger": "team/one", "probe": "p-1"})
    for receives in (1, 2):
        assert handle(world, probe, receives=receives) == []
    assert started(world) == []
    assert [(line["outcome"], line["event_id"]) for line in verdicts(world)] == [("PROBED", "p-1")] * 2
    assert not world.sqs.quarantined


def test_a_start_is_one_line_and_one_count(world: World) -> None:
    """The line has the object, the trigger, the event and the execution, but no parameters."""
    assert handle(world, uploaded("in/name")) == []
    (verdict,), (metric,) = verdicts(world), metrics(world)
    assert started(world) == ["in/name"]
    expected = {
        "level": "INFO",
        "outcome": "STARTED",
        "subject": "s3://raw/in/name",
        "trigger": "team/one",
        "event_id": "event of in/name",
        "pipeline": "train",
        "execution_arn": "arn:0",
    }
    assert {name: verdict[name] for name in expected} == expected
    assert "parameters" not in verdict
    assert (metric["STARTED"], metric["Stack"], metric["Team"]) == ([1.0], "stack", "team")


def test_a_key_beyond_the_glob_is_filtered(world: World) -> None:
    """It is no failure: a verdict, a count, and nothing in the dead-letter queue."""
    assert handle(world, uploaded("in/a/b")) == []
    (verdict,), (metric,) = verdicts(world), metrics(world)
    assert (verdict["outcome"], verdict["reason"]) == ("FILTERED", "the key does not match in/*")
    assert metric["FILTERED"] == [1.0]
    assert (started(world), world.sqs.quarantined) == ([], [])


def test_a_rejection_is_quarantined_with_its_reason(world: World) -> None:
    """The message moves as it came, with what the user needs as attributes SQS accepts."""
    body = uploaded("in/x", trigger="team/\ud800\x00gone")
    assert handle(world, body, receives=2) == []
    (verdict,) = verdicts(world)
    assert (verdict["level"], verdict["outcome"]) == ("WARNING", "REJECTED")
    assert verdict["trigger"] == "team/\ud800\x00gone"
    (sent,) = world.sqs.quarantined
    assert (sent["QueueUrl"], sent["MessageBody"]) == ("https://sqs/dead", body)
    assert {name: attribute["StringValue"] for name, attribute in sent["MessageAttributes"].items()} == {
        "reason": "trigger removed: no deployed document defines it any more",
        "trigger": "team/\\ud800\\x00gone",
        "event_id": "event of in/x",
    }


def test_a_removed_trigger_is_looked_for_once_more(world: World) -> None:
    """While a deploy goes on, a rule may be there before the function knows its trigger."""
    assert handle(world, uploaded("in/x", "team/gone")) == ["m0"]
    (verdict,) = verdicts(world)
    reason = "no deployed document defines this trigger; retrying once"
    assert (verdict["outcome"], verdict["reason"]) == ("WAITING", reason)
    assert (len(world.sqs.hidden), world.sqs.quarantined) == (1, [])
    assert handle(world, uploaded("in/x", "team/gone"), receives=2) == []
    assert verdicts(world)[-1]["reason"] == "trigger removed: no deployed document defines it any more"
    assert len(world.sqs.quarantined) == 1


def test_a_part_that_is_not_deployed_is_looked_for_once_more(world: World) -> None:
    """The rule of a new part may be there before the function knows it."""
    body = json.dumps({**json.loads(uploaded("in/x")), "part": "labels"})
    assert handle(world, body) == ["m0"]
    (verdict,) = verdicts(world)
    assert verdict["reason"] == "no deployed document defines this part; retrying once"
    assert handle(world, body, receives=2) == []
    assert verdicts(world)[-1]["reason"] == "part removed: team/one has no part 'labels' any more"
    assert len(world.sqs.quarantined) == 1


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '{"trigger": 1}', '{"trigger": "team/one", "event": []}', '{"trigger": "team/one", "event": {}}'],
)
def test_an_unreadable_message_is_named_by_its_id(world: World, body: str) -> None:
    """So that each message in the dead-letter queue can be found in the log."""
    assert handle(world, body) == []
    (sent,) = world.sqs.quarantined
    assert sent["MessageAttributes"]["event_id"]["StringValue"] == "m0"


def test_retries_are_logged_as_warnings(world: World) -> None:
    """A failure that comes back is an ERROR line with the error, and no verdict yet."""
    assert handle(world, uploaded("in/denied")) == ["m0"]
    (line,) = world.log
    assert line["level"] == "ERROR"
    assert line["message"] == "will be retried"
    assert line["trigger"] == "team/one"
    assert line["event_id"] == "event of in/denied"
    assert "AccessDeniedException" in line["exception"]
    assert started(world) == []


def test_the_last_failure_is_quarantined_with_what_is_known(world: World) -> None:
    """SQS would move it to the dead-letter queue without a reason."""
    fail_but_once(world, uploaded("in/denied"))
    before = len(world.log)
    assert handle(world, uploaded("in/denied"), receives=MAX_FAILURES) == []
    given_up, verdict = world.log[before:]
    assert (given_up["level"], given_up["message"]) == ("ERROR", "given up")
    assert verdict["outcome"] == "REJECTED"
    (sent,) = world.sqs.quarantined
    assert sent["MessageBody"] == uploaded("in/denied")
    reason = sent["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("failed 4 times: StartPipelineExecution: AccessDeniedException: no")


@pytest.mark.parametrize("limit", ["throttled", "busy"])
def test_transient_errors_make_an_event_wait(world: World, limit: str) -> None:
    """However often: it is reported, hidden for longer each time, and started when the limit is gone."""
    body = uploaded(f"in/{limit}")
    for receives in range(1, 12):
        assert handle(world, body, receives=receives) == ["m0"]
    outcomes = {verdict["outcome"] for verdict in verdicts(world)}
    assert outcomes == {"WAITING"}
    assert "will be retried" not in {line["message"] for line in world.log}
    assert metrics(world)[0]["WAITING"] == [1.0]
    assert delivery.FIRST_WAIT // 2 <= world.sqs.hidden[0] <= delivery.FIRST_WAIT
    assert delivery.LONGEST_WAIT // 2 <= world.sqs.hidden[-1] <= delivery.LONGEST_WAIT
    assert (started(world), world.sqs.quarantined) == ([], [])

    world.sagemaker.refuses = refusing({})
    assert handle(world, body, receives=12) == []
    assert verdicts(world)[-1]["outcome"] == "STARTED"
    assert started(world) == [f"in/{limit}"]


def test_waiting_does_not_count_as_failing(world: World) -> None:
    """Receives after which it had to wait are no failures."""
    body = uploaded("in/throttled")
    for receives in range(1, 6):
        handle(world, body, receives=receives)
    world.sagemaker.refuses = refusing({"throttled": "AccessDeniedException"})
    assert [handle(world, body, receives=receives) for receives in range(6, 10)] == [["m0"], ["m0"], ["m0"], []]
    assert verdicts(world)[-1]["reason"].startswith("failed 4 times")


def test_an_event_is_given_up_by_its_age(world: World) -> None:
    """Not by how often it was received; it is kept with the reason."""
    assert handle(world, uploaded("in/busy"), age=72 * 3600 - 60) == ["m0"]
    assert handle(world, uploaded("in/busy"), age=72 * 3600) == []
    (sent,) = world.sqs.quarantined
    reason = sent["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("could not be started within 72 hours: StartPipelineExecution: ResourceLimitExceeded: no")


def test_a_repeated_delivery_starts_nothing_more(world: World) -> None:
    """The same message repeats its verdict; another message of the same event is a duplicate."""
    for names in ("m", "m", "other"):
        assert handle(world, uploaded("in/x"), names=names) == []
    assert started(world) == ["in/x"]
    outcomes = [(verdict["outcome"], verdict["execution_arn"]) for verdict in verdicts(world)]
    assert outcomes == [("STARTED", "arn:0"), ("STARTED", "arn:0"), ("DUPLICATE", "arn:0")]


def test_more_starts_than_a_trigger_may_make_wait(world: World) -> None:
    """An alarm looks at the count; a failed or a repeated start does not use up any."""
    for key in ("denied", "a", "a", "b"):
        handle(world, uploaded(f"in/{key}", "team/capped"))
    assert handle(world, uploaded("in/c", "team/capped"), uploaded("in/a", "team/capped")) == ["m0"]
    waiting, duplicate = verdicts(world)[-2:]
    reason = "reached max_starts (2 per hour); waiting"
    assert (waiting["outcome"], waiting["reason"]) == ("WAITING", reason)
    assert duplicate["outcome"] == "DUPLICATE"
    assert started(world) == ["in/a", "in/b"]
    assert [(metric["Stack"], metric["MAX_STARTS_REACHED"]) for metric in metrics(world)
            if "MAX_STARTS_REACHED" in metric] == [("stack", [1.0])]  # fmt: skip


def test_a_function_out_of_time_leaves_the_rest_to_the_next(world: World) -> None:
    """It would else be stopped in the middle of a start; what it has no time to hide, SQS hides by itself."""
    take(world, TIME_OUT - TIME_FOR_A_START + 1)
    assert handle(world, *(uploaded(f"in/{key}") for key in "abc")) == ["m1", "m2"]
    assert started(world) == ["in/a"]
    assert len(world.sqs.hidden) == 2

    take(world, TIME_OUT - aws.LONGEST_QUICK_CALL + 1)
    assert handle(world, *(uploaded(f"in/{key}") for key in "de"), names="n") == ["n1"]
    assert started(world) == ["in/a", "in/d"]
    assert len(world.sqs.hidden) == 2


def test_a_message_s_pipelines_share_its_time(world: World) -> None:
    """Those that come too late wait, and come first the next time; those that were started stay so."""
    take(world, TIME_OUT - TIME_FOR_A_START + 1)
    assert handle(world, uploaded("in/x", "team/two")) == ["m0"]
    assert started(world) == ["in/x"]
    assert [verdict["reason"] for verdict in verdicts(world)] == ["the function has no time left for it"]
    assert handle(world, uploaded("in/x", "team/two"), receives=2) == ["m0"]
    assert started(world) == ["in/x", "in/x"]
    assert handle(world, uploaded("in/x", "team/two"), receives=3) == []
    assert started(world) == ["in/x", "in/x"]


def test_a_throttled_start_takes_no_more_time_than_there_is(world: World) -> None:
    """It is tried again until then, and leaves enough to end in order."""
    began = world.now
    assert handle(world, uploaded("in/throttled")) == ["m0"]
    assert 0 < world.now - began <= TIME_OUT - TIME_TO_FINISH
    assert len(world.sqs.hidden) == 1


@pytest.mark.parametrize(
    ("size", "outcome", "reason"),
    [
        ({"size": 11}, "STARTED", None),
        ({"size": 10}, "FILTERED", "condition not met: {% $object.size > 10 %}"),
        ({}, "FILTERED", "condition not met: {% $object.size > 10 %}; $object.size is missing on this event"),
        ({"size": True}, "REJECTED", None),
    ],
)  # fmt: skip
def test_an_if_decides_whether_to_start(world: World, size: dict[str, Any], outcome: str, reason: str | None) -> None:
    """True starts, false filters, a comparison with nothing too; anything else rejects."""
    assert handle(world, uploaded("in/x", "team/guarded", **size)) == []
    (verdict,) = verdicts(world)
    assert verdict["outcome"] == outcome
    if reason:
        assert verdict["reason"] == reason
    assert len(world.sqs.quarantined) == (outcome == "REJECTED")


def test_a_dry_run_checks_all_and_starts_nothing(world: World) -> None:
    """Its verdict is one of its own."""
    assert handle(world, uploaded("in/x", "team/dry")) == []
    (verdict,), (metric,) = verdicts(world), metrics(world)
    assert (verdict["outcome"], verdict["pipeline"]) == ("DRY_RUN", "train")
    assert metric["DRY_RUN"] == [1.0]
    assert (started(world), world.sqs.quarantined) == ([], [])


def test_a_pipeline_that_fails_does_not_hold_up_the_others(world: World) -> None:
    """Each is tried; what came of them is reported once, when nothing is retried any more."""
    body = uploaded("in/x", "team/several")
    assert handle(world, body) == ["m0"]
    assert started(world) == ["in/x", "in/x"]
    assert (verdicts(world), world.sqs.quarantined) == ([], [])

    fail_but_once(world, body, first=2)
    assert handle(world, body, receives=MAX_FAILURES) == []
    outcomes = [(verdict["pipeline"], verdict["outcome"], verdict["subject"]) for verdict in verdicts(world)]
    subject = "s3://raw/in/x"
    assert sorted(outcomes) == [
        ("denied", "REJECTED", subject),
        ("rejected", "REJECTED", subject),
        ("train", "STARTED", subject),
        ("train", "STARTED", subject),
    ]
    (sent,) = world.sqs.quarantined
    reason = sent["MessageAttributes"]["reason"]["StringValue"]
    assert "parameter Undeclared is not declared by the pipeline" in reason
    assert "failed 4 times: StartPipelineExecution: AccessDeniedException: no" in reason


def test_a_bug_is_given_up_with_its_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails outside of a start is reported the last time, too."""

    def broken() -> dict[str, Trigger]:
        raise ZeroDivisionError("our bug")

    monkeypatch.setattr(deployed, "triggers", broken)
    fail_but_once(world, uploaded("in/x"))
    assert handle(world, uploaded("in/x"), receives=MAX_FAILURES) == []
    (sent,) = world.sqs.quarantined
    known = {name: attribute["StringValue"] for name, attribute in sent["MessageAttributes"].items()}
    assert known == {"reason": "failed 4 times: ZeroDivisionError: our bug", "trigger": "unknown", "event_id": "m0"}


@pytest.mark.parametrize("receives", [2, MAX_FAILURES])
def test_a_quarantine_that_fails_is_loud_and_loses_nothing(world: World, receives: int) -> None:
    """The message comes back, and no verdict says that it is decided."""
    world.lasting = {"SendMessage": "denied"}
    assert handle(world, uploaded("in/x", "team/gone"), receives=receives) == ["m0"]
    (line,) = world.log
    assert (line["level"], line["message"]) == ("ERROR", "will be retried")
    assert "AccessDeniedException" in line["exception"]


@pytest.mark.parametrize("size", [0, MAX_MESSAGE_BYTES - 3_000, MAX_MESSAGE_BYTES - 600])
def test_a_reason_is_cut_to_what_sqs_takes_beside_the_body(world: World, size: int) -> None:
    """However long; what is nearly as large as a message may be is kept with less of it."""
    gone = "team/" + "g" * 2_000
    body = uploaded("in/x", gone, padding="x" * max(0, size - len(uploaded("in/x", gone, padding=""))))
    assert handle(world, body, receives=2) == []
    (sent,) = world.sqs.quarantined
    texts = [name + attribute["DataType"] + attribute["StringValue"] for name, attribute in
             sent["MessageAttributes"].items()]  # fmt: skip
    assert len("".join([sent["MessageBody"], *texts]).encode()) <= MAX_MESSAGE_BYTES
    assert all(0 < len(attribute["StringValue"]) <= 1000 for attribute in sent["MessageAttributes"].values())
