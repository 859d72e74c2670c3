"""The function of batches behind the handlers, around one simulated AWS: from uploads to executions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pipeline_triggers.batches import handler
from pipeline_triggers.models import Collect, Deadline, Limits, Start, Trigger, When

from functions import on_sns_message
from tests.simulation.delivery_world import World
from tests.simulation.faults import RECORD
from tests.simulation.invocation import ENVIRONMENT, record

HOUR = 3600
UPLOADS = When("s3", {"bucket": "raw"})
PLAIN = Trigger("team/one", UPLOADS, (Start("train", {"Key": "{% $object.key %}"}),))
KEY = {"Key": "{% $batch.manifest %}"}
THREE = replace(PLAIN, start=(Start("train", KEY),), collect=Collect(max_events=3))


@pytest.fixture
def world() -> Iterator[World]:
    """A world around the functions, with a trigger whose batches close at three events."""
    made = World(THREE)
    with made.installed():
        yield made


def ends(world: World) -> list[tuple[str, int | None]]:
    """Return the outcomes that ``on_batch`` reported of batches, and how many events each is about."""
    verdicts = [line for line in world.log if line["message"] == "verdict" and line["message_id"] == "step"]
    verdicts = [line for line in verdicts if line["outcome"] != "SUCCEEDED"]
    return [(line["outcome"], line.get("count")) for line in verdicts]


def ended(execution: dict[str, Any]) -> dict[str, Any]:
    """End an execution, and return SageMaker's event about it, with ARNs in lower case."""
    execution["status"] = "Succeeded"
    pipeline = f"arn:aws:sagemaker:eu-central-1:1:pipeline/{execution['PipelineName'].lower()}"
    return {"detail": {"pipelineArn": pipeline, "pipelineExecutionArn": execution["arn"]}}


def test_three_uploads_start_once_with_a_manifest(world: World) -> None:
    """The verdict of the start says the batch, what it was collected by, and how many events it has."""
    world.trigger = replace(THREE, collect=Collect(by="a day", max_events=3))
    world.deliver(*(world.upload(key) for key in ("c", "a", "b")))
    world.take_steps()
    (execution,) = world.sagemaker.executions
    (parameter,) = execution["PipelineParameters"]
    assert json.loads(world.objects[parameter["Value"]]) == [{"prefix": "s3://raw/"}, "a", "b", "c"]
    assert ends(world) == [("STARTED", 3)]
    assert world.log[-1]["subject"] == "a day"
    assert world.sagemaker.invalid == []
    assert f"event {world.log[-1]['batch']}, identity " in execution["PipelineExecutionDescription"]


def test_a_stage_may_name_the_bucket_of_manifests(world: World) -> None:
    """Instead of the stack's own."""
    world.manifest_bucket = "acme-manifests"
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    assert len(world.objects) == 2
    assert all(uri.startswith("s3://acme-manifests/batches/team/one/") for uri in world.objects)


def test_a_limited_pipeline_goes_on_when_an_execution_ends() -> None:
    """EventBridge's event about it comes as it is; nothing runs beside it."""
    world = World(PLAIN)
    world.limits = {"train": Limits(max_running=1)}
    with world.installed():
        for key in ("first", "second"):
            world.deliver(world.upload(key))
            world.pass_time(1)
        world.take_steps()
        assert [one["PipelineParameters"][0]["Value"] for one in world.sagemaker.executions] == ["first"]
        world.step(ended(world.sagemaker.executions[0]))
        assert [one["PipelineParameters"][0]["Value"] for one in world.sagemaker.executions] == ["first", "second"]
    assert ends(world) == [("STARTED", 1), ("STARTED", 1)]


def test_a_trigger_at_its_max_starts_takes_no_turn_before_the_next_hour() -> None:
    """A batch is sealed and its manifest written only when it can start."""
    world = World(replace(THREE, collect=Collect(max_events=1), max_starts=1))
    with world.installed():
        world.deliver(world.upload("first"))
        world.take_steps()
        world.deliver(world.upload("second"))
        world.take_steps()
        before = len(world.calls)
        for _ in range(10):
            world.pass_time(60)
            world.step({"pipeline": "train"})
        made = {name for name, _ in world.calls[before:]}
        assert not {name for name in made if name.startswith(("TransactWriteItems", "UpdateItem", "Put"))}
        assert ends(world) == [("STARTED", 1)]
        world.pass_time(3600)
        world.step({"pipeline": "train"})
    assert ends(world) == [("STARTED", 1), ("STARTED", 1)]


@pytest.mark.parametrize("fault", ["request lost", "no reply", "TLS broke"])
def test_a_start_waits_for_as_long_as_sagemaker_does_not_answer(world: World, fault: str) -> None:
    """What gets no answer is looked for, and tried again; the function has not crashed."""
    world.lasting = {"StartPipelineExecution": fault}
    world.sagemaker.honours_tokens = False
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    for _ in range(12 * HOUR // 300):
        world.pass_time(300)
        world.step({"pipeline": "train"})
    assert {outcome for outcome, _ in ends(world)} <= {"STARTED"}
    world.lasting = {}
    for _ in range(6):
        world.pass_time(300)
        world.step({"pipeline": "train"})
    assert [outcome for outcome, _ in ends(world)] == ["STARTED"]
    assert len(world.sagemaker.executions) == 1


def test_a_manifest_that_can_t_be_written_stops_no_other_trigger() -> None:
    """The other starts of the pipeline have their turn; the failure is reported, and retried."""
    first, second = replace(THREE, collect=Collect(max_events=1)), replace(PLAIN, id="team/two")
    world = World(first, lasting={"PutObject": "denied"})
    world.others, world.limits = [second], {"train": Limits(max_running=2)}
    with world.installed():
        world.deliver(world.upload("a"))
        world.take_steps()
        world.trigger, world.others = second, [first]
        world.deliver(world.upload("b"))
        assert [world.step(step) for step in world.steps] == [["step"]]
        assert [one["PipelineParameters"][0]["Value"] for one in world.sagemaker.executions] == ["b"]
        assert "AccessDenied" in world.log[-1]["exception"]
        world.lasting = {}
        world.step({"pipeline": "train"})
    assert len(world.sagemaker.executions) == 2


def test_how_long_the_first_start_waits_is_measured() -> None:
    """An alarm of the stack looks at the oldest."""
    world = World(PLAIN)
    world.limits = {"train": Limits(max_running=1)}
    with world.installed():
        world.deliver(world.upload("first"), world.upload("second"))
        world.take_steps()
        world.pass_time(7200)
        world.step({"pipeline": "train"})
    metrics = [json.loads(line) for line in world.metrics.getvalue().splitlines()]
    ages = [hours for metric in metrics for hours in metric.get("BATCH_WAITING_HOURS", [])]
    assert ages[-1] == pytest.approx(2, abs=0.1)


def test_a_start_that_is_denied_waits_and_is_not_taken_for_made(world: World) -> None:
    """The ledger gave it back, so nothing was started; with the grant it starts."""
    world.lasting = {"StartPipelineExecution": "denied"}
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    assert ends(world) == []
    world.lasting = {}
    world.step({"pipeline": "train"})
    assert ends(world) == [("STARTED", 3)]


def test_an_unanswered_start_is_found_and_not_repeated(world: World) -> None:
    """SageMaker started it and the answer was lost; a later step finds it by its identity."""
    world.faults = {("StartPipelineExecution", 1): "no reply"}
    world.sagemaker.honours_tokens = False
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    assert ends(world) == []
    world.pass_time(1000)
    world.step({"pipeline": "train"})
    assert [outcome for outcome, _ in ends(world)] == ["STARTED"]
    assert len(world.sagemaker.executions) == 1


def test_a_start_that_was_made_and_not_noted_is_found(world: World) -> None:
    """The ledger can't be written after it: it counts as on its way until it is found."""
    world.lasting = {RECORD: "denied"}
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    assert [turn["phase"] for turn in world.batches.items("running#train")] == ["begun"]
    world.lasting = {}
    world.pass_time(1000)
    world.step({"pipeline": "train"})
    assert [outcome for outcome, _ in ends(world)] == ["STARTED"]
    assert len(world.sagemaker.executions) == 1


def test_a_rejected_start_waits_again_when_its_dead_letter_is_sent_back(world: World) -> None:
    """The dead letter has its reason, and is the message that queues the start again."""
    world.sagemaker.declared = '{"Parameters": []}'
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    (letter,) = world.sqs.quarantined
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("parameter Key is not declared")
    world.sagemaker.declared = '{"Parameters": [{"Name": "Key"}]}'
    world.pass_time(1000)
    world.step(json.loads(letter["MessageBody"]))
    world.take_steps()
    assert ends(world) == [("REJECTED", None), ("STARTED", 3)]


def test_a_deadline_is_judged_a_minute_late_and_reported_once(world: World) -> None:
    """Its message is hidden until then; a part that did not come is named, and counted."""
    join = Collect(by="{% $object.key %}", part="{% $object.name %}", expect=("a", "b"))
    deadline = Deadline(cron="0 8 * * ? *", due="{% ['a'] %}")
    world.trigger = replace(THREE, collect=replace(join, deadline=deadline))
    world.deliver(world.upload("a"))
    message = {"deadline": "team/one", "scheduled": datetime.fromtimestamp(world.now, UTC).isoformat()}
    assert world.step(message) == ["step"]
    assert 0 < world.sqs.hidden[-1] <= 61
    world.pass_time(61)
    for _ in range(2):
        assert world.step(message) == []
    assert ends(world) == [("MISSED", None)]
    assert "BATCH_MISSED" in world.metrics.getvalue()


def test_a_message_that_fails_comes_back_and_is_quarantined_at_last(world: World) -> None:
    """SQS itself would move it without a reason."""
    world.lasting = {"Query": "denied"}
    assert world.step({"pipeline": "train"}) == []  # nothing is known of it
    world.lasting = {"GetItem pipelines": "denied"}
    assert world.step({"pipeline": "train"}) == ["step"]
    assert world.sqs.hidden[-1] == handler.REST
    assert world.step({"pipeline": "train"}, handler.LAST_RECEIVE) == []
    (letter,) = world.sqs.quarantined
    assert "AccessDenied" in letter["MessageAttributes"]["reason"]["StringValue"]


def test_a_deadline_waits_for_as_long_as_aws_does_not_answer(world: World) -> None:
    """However often it is delivered meanwhile; what is too old has a dead letter that says why."""
    message = {"deadline": "team/one", "scheduled": datetime.fromtimestamp(world.now - 300, UTC).isoformat()}
    world.lasting = {"BatchGetItem": "throttled"}
    world.trigger = replace(
        THREE, collect=Collect(by="day", expect=("a",), deadline=Deadline(cron="0 8 * * ? *", due="day"))
    )
    for receives, age in ((1, 0), (5, 300), (100, 20 * HOUR), (290, 71 * HOUR)):
        assert world.step(message, receives, age) == ["step"]
    assert world.sqs.hidden[-4:] == [30, 480, 900, 900]
    assert world.sqs.quarantined == []
    assert world.step(message, 294, 72 * HOUR) == []
    (letter,) = world.sqs.quarantined
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("not done in 72 hours: throttled")
    world.lasting = {}
    assert world.step(json.loads(letter["MessageBody"])) == []
    assert ends(world) == [("MISSED", None)]


def test_an_expect_that_can_t_be_computed_hides_no_other_batch(world: World) -> None:
    """The deadline reports the others, and its dead letter says what is wrong with the one."""
    expect = "{% $batch.by = 'bad' ? $error('no such day') : ['a'] %}"
    deadline = Deadline(cron="0 8 * * ? *", due="{% ['bad', 'd0'] %}")
    world.trigger = replace(THREE, collect=Collect(by="{% $object.key %}", part="a", expect=expect, deadline=deadline))
    due = datetime.fromtimestamp(world.now - 300, UTC).isoformat()
    assert world.step({"deadline": "team/one", "scheduled": due}) == []
    assert [(line["outcome"], line["subject"]) for line in world.log if line["message"] == "verdict"] == [
        ("MISSED", "d0")
    ]
    (letter,) = world.sqs.quarantined
    assert "no such day" in letter["MessageAttributes"]["reason"]["StringValue"]


def test_a_deadline_that_crashes_the_function_is_given_up_with_a_reason(world: World) -> None:
    """At its age, whoever crashed and whatever was waited for."""
    message = {"deadline": "team/one", "scheduled": datetime.fromtimestamp(world.now, UTC).isoformat()}
    assert world.step(message, 200, 73 * HOUR) == []
    (letter,) = world.sqs.quarantined
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("not done in time: the function crashed")


def test_what_each_sweep_asks_for_is_left_to_the_next_one(world: World) -> None:
    """After a quarter of an hour without an answer, and without a dead letter: one a minute would come otherwise."""
    world.lasting = {"GetItem pipelines": "throttled"}
    assert world.step({"pipeline": "train"}, 5, 600) == ["step"]
    assert world.step({"pipeline": "train"}, 6, 901) == []
    assert world.sqs.quarantined == []


def test_a_message_that_is_not_one_of_on_batch_is_quarantined_at_once(world: World) -> None:
    """No retry can make it right."""
    assert world.step({"unknown": "x"}) == []
    (letter,) = world.sqs.quarantined
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("not a message of on_batch")


def test_a_batch_of_a_removed_trigger_is_rejected_after_an_hour(world: World) -> None:
    """Not at first sight: a rule and a function may be of two deploys for a moment. It gets a dead letter."""
    world.trigger = replace(THREE, collect=Collect())
    world.deliver(world.upload("a"))
    (slot,) = world.batches.items("open")
    world.trigger = replace(PLAIN, id="team/other")
    for pause in (0, 3700, 1, 400):
        world.pass_time(pause)
        world.step({"slot": slot["sk"]})
        world.take_steps()
    assert world.sagemaker.executions == []
    for _ in range(3):
        world.pass_time(3700)
        world.step({"pipeline": "unknown"})
    assert [outcome for outcome, _ in ends(world)] == ["REJECTED"]
    assert len(world.sqs.quarantined) == 1


# ---- Deploys while batches are open


def test_an_open_batch_keeps_its_closing_rules_and_takes_the_parameters_of_now(world: World) -> None:
    """A deploy between the second and the third event changes when the next batch closes, not this one."""
    world.deliver(world.upload("a"), world.upload("b"))
    later = replace(
        THREE, start=(Start("train", {"Key": "{% 'now ' & $batch.count %}"}),), collect=Collect(max_events=9)
    )
    world.trigger = later
    world.deliver(world.upload("c"))
    world.take_steps()
    assert [one["PipelineParameters"][0]["Value"] for one in world.sagemaker.executions] == ["now 3"]


def test_another_by_opens_another_batch_and_loses_none(world: World) -> None:
    """What was collected by the former one is started when its batch closes."""
    world.deliver(world.upload("a"))
    world.trigger = replace(THREE, collect=Collect(by="{% $object.key %}", max_events=1))
    world.deliver(world.upload("b"))
    world.take_steps()
    world.pass_time(3700)
    world.step({"sweep": datetime.fromtimestamp(world.now, UTC).isoformat()})
    world.take_steps()
    assert sorted(ends(world)) == [("STARTED", 1), ("STARTED", 1)]


def test_a_start_of_a_pipeline_that_was_taken_out_is_rejected_after_an_hour(world: World) -> None:
    """Its pipelines were fixed when its turn was asked for; the reason is in the dead letter."""
    world.limits = {"train": Limits(max_running=1)}
    world.sagemaker.executions.append(
        {"PipelineName": "train", "PipelineExecutionDescription": "by hand", "arn": "arn:by-hand", "at": world.now}
    )
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    world.trigger = replace(THREE, start=(Start("other", KEY),))
    for _ in range(3):
        world.pass_time(3700)
        world.step({"pipeline": "train"})
    assert ends(world) == [("REJECTED", None)]
    (letter,) = world.sqs.quarantined
    assert "removed" in letter["MessageAttributes"]["reason"]["StringValue"]


# ---- What does not start


def test_a_dry_run_says_what_it_would_start(world: World) -> None:
    """It batches and closes like any other, and takes no turn."""
    world.trigger = replace(THREE, dry_run=True)
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    assert [outcome for outcome, _ in ends(world)] == ["DRY_RUN"]
    assert world.sagemaker.executions == []
    assert world.objects == {}


def test_a_busy_pipeline_skips_what_does_not_wait() -> None:
    """The verdict names the execution in the way."""
    world = World(replace(PLAIN, when_busy="skip"))
    world.limits = {"train": Limits(max_running=1)}
    with world.installed():
        world.deliver(world.upload("first"))
        world.take_steps()
        world.deliver(world.upload("second"))
        world.take_steps()
    assert [outcome for outcome, _ in ends(world)] == ["STARTED", "SKIPPED"]
    (skipped,) = [line for line in world.log if line.get("outcome") == "SKIPPED"]
    assert world.sagemaker.executions[0]["arn"] in skipped["reason"]


def test_a_batch_whose_only_if_is_false_is_filtered(world: World) -> None:
    """It is judged when the batch is sealed."""
    world.trigger = replace(THREE, collect=Collect(max_events=3, only_if="{% $batch.count > 5 %}"))
    world.deliver(*(world.upload(key) for key in "abc"))
    world.take_steps()
    assert [outcome for outcome, _ in ends(world)] == ["FILTERED"]


def test_a_publisher_s_request_waits_in_line_with_its_values() -> None:
    """What it names is stored with its ticket, and started at its turn."""
    requests = Trigger("team/ask", When("sns", {}), (Start("train", {}),), accept={"Key": "**"})
    world = World(requests)
    world.limits = {"train": Limits(max_running=1)}
    envelope = {
        "Type": "Notification",
        "MessageId": "r1",
        "TopicArn": ENVIRONMENT["REQUESTS_TOPIC_ARN"],
        "Message": json.dumps({"trigger": "team/ask", "parameters": {"Key": "asked"}}),
    }
    with world.installed():
        assert world.invoke([record("m", json.dumps(envelope))], handler=on_sns_message.handler) == []
        world.take_steps()
    outcomes = [line["outcome"] for line in world.log if line["message"] == "verdict"]
    assert outcomes == ["WAITING", "STARTED"]
    assert world.sagemaker.executions[0]["PipelineParameters"] == [{"Name": "Key", "Value": "asked"}]
