"""The records of verdicts: what is written, and how it is found again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from pipeline_triggers.errors import Waiting
from pipeline_triggers.history import record
from pipeline_triggers.history.record import Record, is_recorded
from pipeline_triggers.history.table import MAX_TRIES, History
from pipeline_triggers.models import Outcome, Run, Start, Verdict

from tests.simulation.delivery_world import World
from tests.simulation.faults import ONE
from tests.tools.templates import table_keys

OBJECT = "s3://raw/sales/2026-10/data.csv"
ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/training/execution/abc"
VERDICT = Verdict(
    Outcome.STARTED,
    "sales/retrain",
    "e-1",
    subject=OBJECT,
    pipeline="training",
    execution_arn=ARN,
    event_time="2026-11-21T07:59:58Z",
    parameters={"Month": "2026-10"},
)
STARTED = Record(VERDICT, at="2026-11-21T08:00:00.000Z", id="2026-11-21T07:59:59.000Z#m-1#00")


def another(message: str, at: str = STARTED.at, **fields: Any) -> Record:
    """Return a record of another message about the same object."""
    return Record(replace(VERDICT, **fields), at, f"2026-11-21T07:59:59.000Z#{message}#00")


@pytest.fixture
def client() -> Iterator[Any]:
    """Return DynamoDB's client with the table as the template has it."""
    with mock_aws():
        client = boto3.resource("dynamodb", region_name="eu-central-1").meta.client
        client.create_table(TableName="history", **table_keys("HistoryTable"))
        yield client


@pytest.fixture
def history(client: Any) -> History:
    """Return an empty history that keeps records for a day."""
    return History(client, "history", keep=86400)


def test_a_start_is_found_from_all_sides(history: History) -> None:
    """By the object, the event, the execution in any case, and the trigger and time: the same record, as written."""
    history.write([STARTED])
    assert list(history.of_subject(OBJECT)) == [STARTED]
    assert list(history.of_event("e-1")) == [STARTED]
    assert list(history.of_result(ARN.upper())) == [STARTED]
    assert list(history.of_trigger("sales/retrain")) == [STARTED]
    assert list(history.of_trigger("sales/retrain", "2026-11-22", "2026-11-23")) == []


def test_a_collected_event_is_found_by_its_batch(history: History) -> None:
    """And the batch's own verdict by the batch as its event: so the way goes from an object to its run, and back."""
    collected = another("m-2", outcome=Outcome.COLLECTED, execution_arn=None, pipeline=None, batch="b-1")
    of_batch = Verdict(Outcome.STARTED, "sales/retrain", "b-1", pipeline="training", execution_arn=ARN, batch="b-1")
    started = Record(of_batch, STARTED.at, "2026-11-21T07:59:59.000Z#b-1#training#0")
    history.write([collected, started])
    (of_object,) = history.of_subject(OBJECT)
    assert list(history.of_event(of_object.verdict.batch or "")) == [started]
    assert list(history.of_result(ARN)) == [started]
    assert list(history.of_result("b-1")) == [collected]
    assert list(history.of_subject("b-1")) == [started]


def test_a_redelivery_replaces_its_own_records_only(history: History) -> None:
    """The same message writes the same keys; another message about the same object adds to them."""
    history.write([STARTED])
    history.write([replace(STARTED, at="2026-11-21T08:05:00.000Z")])
    history.write([another("m-2", "2026-11-21T08:06:00.000Z", outcome=Outcome.DUPLICATE)])
    assert [(one.id[25:28], one.at[11:16]) for one in history.of_subject(OBJECT)] == [
        ("m-1", "08:05"),
        ("m-2", "08:06"),
    ]


def test_a_trigger_shows_its_newest_verdicts_first(history: History) -> None:
    """In the order of time, whatever the order of writing; more than one call of BatchWriteItem takes."""
    records = [another(f"m-{n}", f"2026-11-21T08:00:{n:02}.000Z") for n in range(60)]
    history.write(records[30:] + records[:30])
    assert list(history.of_trigger("sales/retrain")) == records[::-1]


def test_records_expire(client: Any, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB deletes an item after the time in ``expires``."""
    monkeypatch.setattr("time.time", lambda: 1_780_000_000)
    history.write([STARTED])
    assert {item["expires"] for item in client.scan(TableName="history")["Items"]} == {1_780_000_000 + 86400}


class Unwilling:
    """A DynamoDB that takes one item of each call, or none."""

    def __init__(self, most: int) -> None:
        self.taken: list[dict[str, Any]] = []
        self.calls = 0
        self._most = most

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Take some, and give the others back."""
        (requests,) = RequestItems.values()
        self.calls += 1
        self.taken += requests[: self._most]
        left = requests[self._most :]
        return {"UnprocessedItems": {"history": left}} if left else {}


@pytest.mark.usefixtures("no_pauses")
class TestUnprocessed:
    """BatchWriteItem may take only some of the items, without an error."""

    @pytest.fixture
    def no_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let no time pass between two tries."""
        monkeypatch.setattr("time.sleep", lambda _: None)

    def test_the_rest_is_written_again(self) -> None:
        """In the next calls."""
        client = Unwilling(most=1)
        History(client, "history").write([another(name, outcome=Outcome.DUPLICATE) for name in "abc"])
        assert len(client.taken) == client.calls == 3

    @pytest.mark.parametrize(("remaining", "calls"), [(60, MAX_TRIES), (1, 1)])
    def test_what_dynamodb_does_not_take_waits(self, remaining: float, calls: int) -> None:
        """After a few tries, or one if there is no time for more."""
        client = Unwilling(most=0)
        with pytest.raises(Waiting, match="DynamoDB does not take all records"):
            History(client, "history").write([STARTED], lambda: remaining)
        assert client.calls == calls


def test_a_verdict_about_an_unreadable_message_is_found_by_that_message(history: History) -> None:
    """It has no subject of its own."""
    verdict = Verdict(Outcome.REJECTED, "unknown", "m-9", reason="the message is not valid JSON")
    history.write([Record(verdict, STARTED.at, "m-9#00")])
    assert [one.verdict for one in history.of_subject("m-9")] == [verdict]


def test_a_deadline_that_no_event_came_for_is_found(history: History) -> None:
    """It has no event, whose id would be an empty key of an index."""
    verdict = Verdict(Outcome.MISSED, "sales/daily", "", subject="2026-10-31", reason="east is missing")
    history.write([Record(verdict, STARTED.at, "deadline#00")])
    assert [one.verdict for one in history.of_trigger("sales/daily")] == [verdict]


@given(subject=st.text(st.characters(codec=None), max_size=1500), reason=st.text(max_size=2000))
def test_every_verdict_fits_into_the_table(subject: str, reason: str) -> None:
    """A key has at most 2,048 bytes and is valid UTF-8, whatever an object is called, and is never empty."""
    verdict = Verdict(Outcome.REJECTED, subject or "t", subject or "e", subject=subject, reason=reason)
    made = record.item(Record(verdict, STARTED.at, "m-1#00"), 0)
    for key in ("pk", "trigger", "event_id"):
        assert 0 < len(made[key].encode()) <= 2048
    assert record.read(made).verdict.reason == (reason[: record.MAX_REASON] or None)


@pytest.mark.parametrize(
    ("outcome", "batch", "recorded"),
    [
        (Outcome.STARTED, None, True),
        (Outcome.COLLECTED, "b-1", True),
        (Outcome.WAITING, "b-1", True),
        (Outcome.WAITING, None, False),
        (Outcome.FILTERED, None, False),
    ],
)
def test_final_verdicts_are_recorded_but_for_filtered(outcome: Outcome, batch: str | None, recorded: bool) -> None:
    """An event that waits for its turn has ended for SQS, and its record leads to its batch."""
    assert is_recorded(Verdict(outcome, "team/one", "e", batch=batch)) is recorded


def messages(world: World) -> list[str]:
    """Return which messages have a record."""
    return sorted(item["sk"].split("#")[1] for item in world.history.items("subject#"))


def test_messages_come_back_until_their_verdicts_are_recorded() -> None:
    """What is started stays started, and each record is there once."""
    world = World(ONE, lasting={"BatchWriteItem": "throttled"})
    with world.installed():
        sent = [world.upload(f"in/{number}") for number in range(3)]
        world.deliver(*sent)
        assert (messages(world), len(world.sagemaker.executions)) == ([], 3)
        assert set(world.sqs.queue) == set(sent)
        world.lasting = {}
        world.drain()
    assert messages(world) == sent
    assert {verdict["outcome"] for verdict in world.final_verdicts()} == {"STARTED"}
    assert len(world.sagemaker.executions) == 3


def test_a_message_that_is_too_old_does_not_wait_for_its_record() -> None:
    """Its verdict is in the log; else a table that is gone would keep all messages until SQS moves them away."""
    world = World(ONE, lasting={"BatchWriteItem": "unavailable"})
    with world.installed():
        message = world.upload("in/a")
        world.pass_time(73 * 3600)
        world.deliver(message)
    assert (messages(world), list(world.sqs.queue)) == ([], [])
    assert "verdicts not recorded" in [line["message"] for line in world.log]


def shown(parameters: dict[str, str], secret: Sequence[str] = ()) -> dict[str, str]:
    """Return the parameters of a run as a verdict shows them."""
    return Run("train", parameters, "token", {}, secret=secret).shown


def test_secret_parameters_are_masked_and_long_ones_cut() -> None:
    """A record stays small, whatever was computed."""
    assert shown({"Password": "hunter2", "Month": "2026-10"}, ["Password"]) == {"Password": "***", "Month": "2026-10"}
    many = shown({f"P{number}": "x" * 1024 for number in range(200)})
    assert sum(map(len, many.values())) <= 8000


def test_a_reason_does_not_give_a_secret_away() -> None:
    """SageMaker and the definition's check quote the value that they refuse."""
    run = Run("train", {"Password": "hunter2", "Pin": "no"}, "token", {}, secret=("Password", "Pin"))
    reason = "parameter Pin is 'no', not a valid Boolean; SageMaker refused hunter2"
    assert run.masked(reason) == "parameter Pin is ***, not a valid Boolean; SageMaker refused ***"


def test_a_secret_parameter_is_started_with_and_not_recorded() -> None:
    """The execution gets the value, the record a mask; in a dry run, too."""
    secret = replace(ONE, secret=("Key",))
    world = World(secret)
    with world.installed():
        world.deliver(world.upload("in/a"))
        world.trigger = replace(secret, dry_run=True)
        world.deliver(world.upload("in/b"))
    (execution,) = world.sagemaker.executions
    assert execution["PipelineParameters"] == [{"Name": "Key", "Value": "in/a"}]
    recorded = [(item["outcome"], item["parameters"]) for item in world.history.items("subject#")]
    assert recorded == [("STARTED", {"Key": "***"}), ("DRY_RUN", {"Key": "***"})]


def test_a_secret_that_does_not_fit_is_rejected_without_its_value() -> None:
    """Neither the log, the dead letter nor the record quotes it."""
    world = World(
        replace(ONE, start=(Start("train", {"Key": "hunter2", "Undeclared": "hunter2"}),), secret=("Key", "Undeclared"))
    )
    with world.installed():
        world.deliver(world.upload("in/a"))
    (sent,) = world.sqs.quarantined
    assert "Undeclared is not declared" in sent["MessageAttributes"]["reason"]["StringValue"]
    everything = repr((world.log, sent["MessageAttributes"], list(world.history.items())))
    assert "hunter2" not in everything


def test_a_rejection_is_on_the_bus_with_what_to_do() -> None:
    """A start is not: nobody has to do anything about it."""
    world = World(replace(ONE, start=(*ONE.start, Start("train", {"Undeclared": "x"}))))
    with world.installed():
        world.deliver(world.upload("in/a"))
    (event,) = world.put
    assert (event["outcome"], event["trigger"], event["subject"]) == ("REJECTED", "team/one", "s3://raw/in/a")
    assert event["text"].startswith("team/one REJECTED: nothing was started for s3://raw/in/a: parameter Undeclared")
    assert event["text"].endswith("; fix it, then: triggers redrive --trigger team/one --stack stack")
    assert "parameters" not in event


def test_a_rejection_that_the_bus_does_not_take_comes_back_and_stays_rejected() -> None:
    """Its dead letter is sent once; the event is put on the bus by a later delivery."""
    world = World(replace(ONE, start=(Start("train", {"Undeclared": "x"}),)), faults={("PutEvents", 1): "denied"})
    with world.installed():
        message = world.upload("in/a")
        world.deliver(message)
        assert list(world.sqs.queue) == [message]
        world.drain()
    assert ([event["outcome"] for event in world.put], len(world.sqs.quarantined)) == (["REJECTED"], 1)
