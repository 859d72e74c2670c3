"""The records of verdicts: what is written, and how it is found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from pipeline_triggers.errors import Waiting
from pipeline_triggers.history import record
from pipeline_triggers.history.record import End, Record
from pipeline_triggers.history.table import BY_EVENT, BY_EXECUTION, BY_TRIGGER, GOING, History
from pipeline_triggers.models import Outcome, Verdict

NOW = 1_780_000_000
OBJECT = "s3://raw/sales/2026-10/data.csv"
ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/training/execution/abc"
STARTED = Record(
    subject=OBJECT,
    message="m-1",
    position=0,
    at="2026-11-21T08:00:00.000Z",
    outcome="STARTED",
    trigger="sales/retrain",
    event_id="e-1",
    pipeline="training",
    execution=ARN,
    parameters={"Month": "2026-10"},
)
ENDED = End("Failed", "out of memory", "2026-11-21T09:00:00.000Z")


@pytest.fixture
def client() -> Iterator[Any]:
    """Return DynamoDB's client with the table as the template has it."""
    with mock_aws():
        client = boto3.resource("dynamodb", region_name="eu-central-1").meta.client
        indexes = {BY_TRIGGER: "trigger", BY_EVENT: "event_id", BY_EXECUTION: "execution", GOING: "going"}
        client.create_table(
            TableName="history",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "at", *indexes.values())
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": index,
                    "KeySchema": [
                        {"AttributeName": name, "KeyType": "HASH"},
                        {"AttributeName": "at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
                for index, name in indexes.items()
            ],
        )
        yield client


@pytest.fixture
def history(client: Any) -> History:
    """Return an empty history that keeps records for a day."""
    return History(client, "history", keep=86400)


def test_a_start_is_found_from_all_sides(history: History) -> None:
    """By the object, the event, the execution and the trigger: the same record, as it was written."""
    history.write([STARTED], NOW)
    assert list(history.of_subject(OBJECT)) == [STARTED]
    assert list(history.of_event("e-1")) == [STARTED]
    assert list(history.of_execution(ARN)) == [STARTED]
    assert list(history.of_trigger("sales/retrain", "2026-11-21", "2026-11-22")) == [STARTED]
    assert list(history.of_trigger("sales/retrain", "2026-11-22", "2026-11-23")) == []


def test_a_redelivery_replaces_its_own_records_only(history: History) -> None:
    """The same message writes the same keys; another message about the same object adds to them."""
    history.write([STARTED], NOW)
    history.write([replace(STARTED, at="2026-11-21T08:05:00.000Z")], NOW)
    history.write([replace(STARTED, message="m-2", outcome="DUPLICATE", at="2026-11-21T08:06:00.000Z")], NOW)
    assert [(one.message, one.at[11:16]) for one in history.of_subject(OBJECT)] == [("m-1", "08:05"), ("m-2", "08:06")]


def test_a_trigger_shows_its_newest_verdicts_first(history: History) -> None:
    """In the order of time, whatever the order of writing; more than one call of BatchWriteItem takes."""
    records = [replace(STARTED, message=f"m-{n}", at=f"2026-11-21T08:00:{n:02}.000Z") for n in range(60)]
    history.write(records[30:] + records[:30], NOW)
    assert list(history.of_trigger("sales/retrain", "2026-11-21", "2026-11-22")) == records[::-1]


def test_an_end_is_noted_once_and_takes_the_run_off_the_list_of_those_going(history: History) -> None:
    """A second status event about the same end changes nothing."""
    filtered = replace(STARTED, message="m-3", outcome="FILTERED", execution="", event_id="e-3")
    history.write([STARTED, filtered], NOW)
    assert list(history.going("2026-11-22")) == [STARTED]
    assert history.note_end(STARTED, ENDED)
    assert not history.note_end(STARTED, replace(ENDED, status="Succeeded"))
    assert list(history.going("2026-11-22")) == []
    assert [one.end for one in history.of_execution(ARN)] == [ENDED]


def test_the_end_of_an_expired_record_writes_nothing(history: History) -> None:
    """UpdateItem would create an item that holds nothing but an end."""
    assert not history.note_end(STARTED, ENDED)
    assert list(history.of_subject(OBJECT)) == []


def test_records_expire(client: Any, history: History) -> None:
    """DynamoDB deletes an item after the time in ``expires``."""
    history.write([STARTED], NOW)
    (item,) = client.scan(TableName="history")["Items"]
    assert item["expires"] == NOW + 86400


class Unwilling:
    """A DynamoDB that takes one item of each call."""

    def __init__(self, most: int) -> None:
        self.taken: list[dict[str, Any]] = []
        self._most = most

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Take some, and give the others back."""
        (requests,) = RequestItems.values()
        self.taken += requests[: self._most]
        left = requests[self._most :]
        return {"UnprocessedItems": {"history": left}} if left else {}


def test_what_dynamodb_leaves_unprocessed_is_written_again() -> None:
    """BatchWriteItem may take only some of the items, without an error."""
    client = Unwilling(most=1)
    History(client, "history").write([STARTED, replace(STARTED, position=1), replace(STARTED, position=2)], NOW)
    assert len(client.taken) == 3


def test_what_dynamodb_does_not_take_at_all_waits() -> None:
    """The message comes back, and records its verdicts then."""
    with pytest.raises(Waiting, match="could not all be recorded"):
        History(Unwilling(most=0), "history").write([STARTED], NOW)


def test_a_verdict_about_an_unreadable_message_is_found_by_that_message() -> None:
    """It has no subject of its own."""
    verdict = Verdict(Outcome.REJECTED, "unknown", "m-9", reason="the message is not valid JSON")
    made = record.of_verdict(verdict, "m-9", 0, "2026-11-21T08:00:00.000Z")
    assert (made.subject, made.reason) == ("message m-9", "the message is not valid JSON")


@given(subject=st.text(max_size=1500), reason=st.text(max_size=5000))
def test_every_verdict_fits_into_the_table(subject: str, reason: str) -> None:
    """A key has at most 2,048 bytes, whatever an object is called, and no value that an index refuses."""
    verdict = Verdict(Outcome.REJECTED, "sales/retrain", "e-1", subject=subject or None, reason=reason)
    made = record.item(record.of_verdict(verdict, "m-1", 0, "2026-11-21T08:00:00.000Z"), NOW)
    assert len(made["pk"].encode("utf-8", "surrogatepass")) <= 2048
    assert "" not in made.values()
    assert record.read(made).reason == reason[: record.MAX_REASON]
