"""From an event to its run and back, by the records: few calls, however many records there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pipeline_triggers.history.record import END, Record
from pipeline_triggers.history.runs import Runs
from pipeline_triggers.history.table import History
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.operations import history as operations
from pipeline_triggers.operations.history import Wanted

from tests.tools.templates import table_keys

RUN = "arn:aws:sagemaker:eu-central-1:1:pipeline/train/execution/"
AT = "2026-11-21T08:00:{:02}.000Z"


class Counted:
    """A client that counts its queries."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.queries = 0

    def __getattr__(self, name: str) -> Any:
        self.queries += name == "query"
        return getattr(self._client, name)


@pytest.fixture
def history() -> Iterator[History]:
    """Two uploads: one started a run that failed, the other is in a batch of two, whose run goes on."""
    with mock_aws():
        client = boto3.resource("dynamodb", region_name="eu-central-1").meta.client
        client.create_table(TableName="history", **table_keys("HistoryTable"))
        made = History(Counted(client), "history", keep=86400)
        started = Verdict(Outcome.STARTED, "t/one", "e-1", "s3://raw/a", "train", execution_arn=f"{RUN}1")
        collected = [Verdict(Outcome.COLLECTED, "t/all", f"e-{n}", f"s3://raw/{n}", batch="b-1") for n in (2, 3)]
        of_batch = Verdict(Outcome.STARTED, "t/all", "b-1", "day", "train", execution_arn=f"{RUN}2", batch="b-1")
        verdicts = [started, *collected, of_batch]
        made.write([Record(one, AT.format(at), f"{AT.format(at)}#m-{at}#00") for at, one in enumerate(verdicts)])
        failed = Verdict(Outcome.FAILED, "t/one", "e-1", "s3://raw/a", "train", "no memory", f"{RUN}1", seconds=90)
        Runs(made).note_end(Record(failed, AT.format(10), END))
        yield made


def said(records: list[Record]) -> list[tuple[str, str]]:
    """Return what is said about what."""
    return [(str(one.verdict.outcome), one.verdict.subject or "") for one in records]


def test_an_object_leads_to_its_run_and_its_end(history: History) -> None:
    """Two queries: the object's records, and those of the execution."""
    found = operations.chain(history, history.of_subject("s3://raw/a"))
    assert said(found) == [("STARTED", "s3://raw/a"), ("FAILED", "s3://raw/a")]
    assert history.client.queries == 2


def test_a_collected_object_leads_by_its_batch_to_the_run(history: History) -> None:
    """Three queries: the object's records, the batch's verdict, and the execution's."""
    found = operations.chain(history, history.of_subject("s3://raw/2"))
    assert said(found) == [("COLLECTED", "s3://raw/2"), ("STARTED", "day")]
    assert history.client.queries == 3


def test_a_run_leads_back_to_its_objects(history: History) -> None:
    """Two queries: the execution's records, and a page of the batch's."""
    found = operations.origins(history, f"{RUN}2")
    assert said(found) == [("COLLECTED", "s3://raw/2"), ("COLLECTED", "s3://raw/3"), ("STARTED", "day")]
    assert history.client.queries == 2
    assert said(operations.origins(history, f"{RUN}1")) == [("STARTED", "s3://raw/a"), ("FAILED", "s3://raw/a")]


@pytest.mark.parametrize(
    ("wanted", "outcomes"),
    [
        (Wanted(), ["FAILED", "STARTED", "COLLECTED", "COLLECTED", "STARTED"]),
        (Wanted(trigger="t/one"), ["FAILED", "STARTED"]),
        (Wanted(trigger="t/renamed", was=("t/one",)), ["FAILED", "STARTED"]),
        (Wanted(outcomes=frozenset({"STARTED"})), ["STARTED", "STARTED"]),
        (Wanted(subject="s3://raw/a"), ["FAILED", "STARTED"]),
        (Wanted(subject="s3://raw/a", outcomes=frozenset({"FAILED"})), ["FAILED"]),
        (Wanted(since=AT.format(3)), ["FAILED", "STARTED"]),
        (Wanted(until=AT.format(0)), ["STARTED"]),
    ],
)
def test_records_are_listed_newest_first(history: History, wanted: Wanted, outcomes: list[str]) -> None:
    """Those that are wanted, of all triggers together."""
    found = operations.records(history, wanted, ["t/one", "t/all", "t/none"], limit=50)
    assert [str(one.verdict.outcome) for one in found] == outcomes
    assert operations.records(history, wanted, ["t/one", "t/all"], limit=1) == found[:1]
