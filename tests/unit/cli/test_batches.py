"""The commands about batches, on a table in moto: what they print, what they write, their exit codes."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from pipeline_triggers.batches import items, resources
from pipeline_triggers.batches.door import SageMaker
from pipeline_triggers.batches.models import Batch, Execution, Listing, Phase, Rules, Target, Turn
from pipeline_triggers.cli import main
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.batches import Batches
from pipeline_triggers.operations.stacks import Stack

from tests.unit.on_batch import JOIN, OnBatch

DOCUMENT = """\
version: 1
owner: team
pipelines: [train, report]
triggers:
  days:
    when: {s3: {bucket: raw, key: "sales/*/*"}}
    start: train
  nightly:
    when: {s3: {bucket: raw, key: "nightly/*"}}
    start: report
  straight:
    when: {s3: {bucket: raw, key: "straight/**"}}
    delivery: direct
    start: train
limits:
  report: {max_running: 1}
"""
LATER = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="minutes")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with the documents."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "team.yaml").write_text(DOCUMENT)
    return tmp_path


# Commands find the stack by its name.
pytestmark = pytest.mark.usefixtures("deployed")


def run(documents: Path, *arguments: str) -> Result:
    """Run a command."""
    return CliRunner(mix_stderr=False).invoke(main, [*arguments, "--documents", str(documents)])


def listed(documents: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return what ``triggers batches`` lists."""
    done = run(documents, "batches", "--json", *arguments)
    assert done.exit_code == 0, done.stderr
    entries: list[dict[str, Any]] = json.loads(done.stdout)
    return entries


# ---- batches


def test_nothing_is_open(documents: Path) -> None:
    """An empty table."""
    assert run(documents, "batches").stdout == "no batch is open or waits\n"
    assert listed(documents) == []


def test_an_open_join_says_what_is_missing(deployed: OnBatch, documents: Path) -> None:
    """With its events, its ``by``, and the first characters of its id."""
    batch = deployed.collect("emea")
    shown = run(documents, "batches").stdout.splitlines()
    assert shown[0].split() == ["batch", "trigger", "events", "age", "state"]
    assert shown[1].startswith(f"{batch[:8]}  team/days  1 ")
    assert shown[1].endswith(" s  2026-10-31: open: missing amer")
    assert shown[2] == "1 open"
    (entry,) = listed(documents)
    assert (entry["batch"], entry["events"], entry["missing"], entry["state"]) == (batch, 1, ["amer"], "open")


def test_an_open_batch_says_when_it_closes(deployed: OnBatch, documents: Path) -> None:
    """After its quiet time, and at the latest when it was open for long."""
    deployed.collect("a", Rules(quiet=300, max_open=3600))
    (entry,) = listed(documents)
    assert re.fullmatch(r"closes in \d+ \w+ if nothing comes, in \d+ \w+ at the latest", entry["reason"])


def test_a_correction_names_the_batch_that_it_corrects(deployed: OnBatch, documents: Path) -> None:
    """And its revision."""
    first = deployed.collect("emea")
    deployed.collect("amer")
    store = deployed.services().store
    (slot,) = store.open_slots()
    store.seal(slot, Batch(slot.id, slot.trigger, slot.by, (Target("train"),), expect=JOIN.expect), 1)
    deployed.collect("emea-again")
    assert f"corrects batch {first}" in run(documents, "batches").stdout
    assert listed(documents)[0]["revision"] == 2


def test_what_waits_for_a_limit_says_which(deployed: OnBatch, documents: Path) -> None:
    """The first of a trigger names the limit, the others are behind it."""
    deployed.queue_up("one")
    deployed.queue_up("two")
    store = deployed.services().store
    ticket = next(iter(store.tickets("report")))
    pipeline = store.pipeline("report")
    assert pipeline
    turn = Turn(ticket, Phase.BEGUN, int(time.time()), "n")
    store.begin(turn, pipeline, counted=False)
    store.finish(turn, "arn:running", time.time(), track=True)
    deployed.queue_up("three")
    reasons = [entry["reason"] for entry in listed(documents)]
    assert reasons == ["1 running, max_running is 1: arn:running", "behind 1 of the same trigger"]


def test_what_others_run_is_in_the_way(deployed: OnBatch, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SageMaker lists it."""
    listing = Listing(0, (Execution("arn:foreign", "Executing", 0),))
    monkeypatch.setattr(SageMaker, "executions", lambda *_: listing)
    deployed.queue_up("one")
    assert [entry["reason"] for entry in listed(documents)] == ["1 running, max_running is 1: arn:foreign"]


def test_a_pipeline_that_can_t_be_listed_hides_no_other(
    deployed: OnBatch, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's words stand where it would say what the start waits for."""

    def deny(*_: object) -> Listing:
        answer: Any = {
            "Error": {"Code": "AccessDeniedException", "Message": "no"},
            "ResponseMetadata": {"HTTPStatusCode": 403},
        }
        raise ClientError(answer, "ListPipelineExecutions")

    monkeypatch.setattr(SageMaker, "executions", deny)
    deployed.queue_up("one")
    deployed.collect("emea")
    first, second = listed(documents)
    assert (first["state"], second["state"]) == ("open", "waiting")
    assert second["reason"].startswith("AWS refuses: An error occurred (AccessDeniedException)")


def test_a_start_on_its_way_is_listed(deployed: OnBatch, documents: Path) -> None:
    """It is neither open nor running."""
    deployed.queue_up("one")
    store = deployed.services().store
    pipeline = store.pipeline("report")
    assert pipeline
    store.begin(Turn(next(iter(store.tickets("report"))), Phase.BEGUN, int(time.time()), "n"), pipeline, counted=False)
    (entry,) = listed(documents)
    assert (entry["state"], entry["events"], entry["pipeline"]) == ("starting", 1, "report")


def test_many_of_a_kind_are_summed_up(deployed: OnBatch, documents: Path) -> None:
    """On a terminal; ``--json`` lists all."""
    for number in range(12):
        deployed.queue_up(f"event-{number}")
    shown = run(documents, "batches").stdout
    assert "7 more waiting at report; --json lists all" in shown
    assert shown.endswith("12 waiting\n")
    assert len(listed(documents)) == 12


def test_one_trigger_s_batches(deployed: OnBatch, documents: Path) -> None:
    """``--trigger`` leaves the others out."""
    deployed.queue_up("one")
    batch = deployed.collect("emea")
    assert [entry["batch"] for entry in listed(documents, "--trigger", "days")] == [batch]


def test_a_stack_of_an_earlier_version_is_an_error(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its remedy."""
    monkeypatch.setattr(stacks, "stack", lambda _: Stack("old", {"Stage": "dev"}, {}))
    done = run(documents, "batches")
    assert (done.exit_code, done.stderr) == (1, "Error: stack old has no BatchTable; deploy this version first\n")


# ---- pause and resume


def test_a_pause_records_who_when_and_why(deployed: OnBatch, documents: Path) -> None:
    """And holds what waits."""
    deployed.queue_up("one")
    done = run(documents, "pause", "nightly", "--until", LATER, "--reason", "month-end close")
    assert done.exit_code == 0, done.stderr
    (pause,) = deployed.services().records.pauses()
    assert (pause.kind, pause.name, pause.reason) == ("trigger", "team/nightly", "month-end close")
    assert pause.who.startswith("arn:aws:sts::")
    assert pause.until == int(datetime.fromisoformat(LATER).timestamp())
    paused, entry = listed(documents)
    assert (paused["state"], paused["kind"], paused["name"]) == ("pause", "trigger", "team/nightly")
    assert (entry["state"], entry["reason"]) == (
        "paused",
        f"trigger team/nightly is paused until {LATER}: month-end close",
    )
    assert f"trigger team/nightly is paused until {LATER}: month-end close" in run(documents, "batches").stdout


def test_a_pause_makes_void_what_was_decided(deployed: OnBatch, documents: Path) -> None:
    """A pipeline's version is raised, so that a turn that was not begun is decided anew."""
    deployed.queue_up("one")
    run(documents, "pause", "--pipeline", "report", "--indefinitely", "--reason", "close")
    pipeline = deployed.services().store.pipeline("report")
    assert pipeline
    assert pipeline.version == 1


def test_a_pause_names_the_direct_triggers_that_it_can_t_hold(deployed: OnBatch, documents: Path) -> None:
    """It pauses the rest, and exits with 1."""
    done = run(documents, "pause", "--all", "--indefinitely", "--reason", "close")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: a pause can't hold team/straight: AWS starts the pipelines itself")
    assert [pause.kind for pause in deployed.services().records.pauses()] == ["all"]


def test_a_direct_trigger_itself_can_t_be_paused(deployed: OnBatch, documents: Path) -> None:
    """Nothing is recorded that does not hold."""
    done = run(documents, "pause", "straight", "--indefinitely", "--reason", "close")
    assert done.exit_code == 1
    assert deployed.services().records.pauses() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nightly"], "say how long: --until TIME or --indefinitely"),
        (["nightly", "--until", LATER, "--indefinitely"], "say how long: --until TIME or --indefinitely"),
        (["nightly", "--until", "tomorrow"], "--until tomorrow is not a date-time; write 2026-12-01T08:00+01:00"),
        (["nightly", "--until", "2099-12-01T08:00"], "--until 2099-12-01T08:00 needs an offset"),
        (["nightly", "--until", "2020-12-01T08:00Z"], "--until 2020-12-01T08:00Z has passed"),
        (["--indefinitely"], "name triggers or pipelines, or write --all"),
        (["nightly", "--all", "--indefinitely"], "name triggers or pipelines, or write --all"),
        (["nightlies", "--indefinitely"], "the documents have no triggers nightlies"),
        (["--pipeline", "trains", "--indefinitely"], "no trigger starts a pipeline trains; did you mean train?"),
    ],
)
def test_an_unclear_pause_is_refused(deployed: OnBatch, documents: Path, arguments: list[str], message: str) -> None:
    """Before anything is written."""
    done = run(documents, "pause", *arguments, "--reason", "close")
    assert done.exit_code == 2
    assert message in done.stderr
    assert deployed.services().records.pauses() == []


def test_a_resume_says_what_it_ends_and_what_holds_still(documents: Path) -> None:
    """A pipeline's pause also holds the trigger."""
    run(documents, "pause", "nightly", "--pipeline", "report", "--indefinitely", "--reason", "close")
    done = run(documents, "resume", "nightly")
    assert done.exit_code == 0, done.stderr
    assert "trigger team/nightly, paused since" in done.stdout
    assert "trigger team/nightly is not free yet: pipeline report is paused until it is resumed: close" in done.stderr
    assert run(documents, "resume", "--pipeline", "report").stderr == ""
    assert listed(documents) == []


def test_a_resume_of_what_is_not_paused_is_an_error(documents: Path) -> None:
    """It names what is paused."""
    assert run(documents, "resume", "--all").stderr == "Error: nothing is paused\n"
    run(documents, "pause", "nightly", "--indefinitely", "--reason", "close")
    done = run(documents, "resume", "--all")
    assert done.exit_code == 1
    assert done.stderr == "Error: everything is not paused itself; paused: trigger team/nightly\n"


# ---- close and drop


def test_close_lets_an_open_batch_wait_for_its_turn(deployed: OnBatch, documents: Path) -> None:
    """Ahead of interval and daily limit; a few characters of its id name it."""
    batch = deployed.collect("emea")
    done = run(documents, "close", batch[:6])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["batch", batch]
    assert "waiting       train: its turn comes within a minute" in done.stdout
    (ticket,) = deployed.services().store.tickets("train")
    assert ticket.forced


def test_close_puts_what_waits_first(deployed: OnBatch, documents: Path) -> None:
    """An event that is not collected as well."""
    deployed.queue_up("one")
    second = deployed.queue_up("two")
    done = run(documents, "close", second, "--json")
    assert done.exit_code == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    assert (entry["batch"], entry["state"]) == (second, "waiting")
    assert deployed.services().store.heads("report")[0].batch == second


def test_drop_ends_a_batch_with_its_reason(deployed: OnBatch, documents: Path) -> None:
    """And who dropped it; the verdict is in the log."""
    batch = deployed.collect("emea")
    done = run(documents, "drop", batch, "--reason", "a wrong upload")
    assert done.exit_code == 0, done.stderr
    assert "verdict       FILTERED train dropped: a wrong upload (arn:aws:sts::" in done.stdout
    assert [(notice.outcome, notice.batch) for notice in deployed.notices] == [("FILTERED", batch)]
    assert listed(documents) == []


def test_drop_ends_what_waits(deployed: OnBatch, documents: Path) -> None:
    """Of an event that is not collected as well."""
    batch = deployed.queue_up("one")
    done = run(documents, "drop", batch, "--reason", "not needed", "--json")
    assert done.exit_code == 0, done.stderr
    (ended,) = json.loads(done.stdout)
    assert (ended["batch"], ended["pipeline"], ended["outcome"]) == (batch, "report", "FILTERED")


def test_a_batch_that_does_not_wait_is_named(deployed: OnBatch, documents: Path) -> None:
    """With how it ended, if it did."""
    batch = deployed.collect("emea")
    run(documents, "drop", batch, "--reason", "wrong")
    for command in (["close", batch], ["drop", batch, "--reason", "again"]):
        done = run(documents, *command)
        assert done.exit_code == 1
        assert done.stderr == f"Error: batch {batch} is neither open nor waiting: FILTERED for train\n"
    unknown = run(documents, "close", "zzz")
    assert unknown.stderr == "Error: no batch zzz is open or waits; triggers batches lists those that do\n"


def test_an_ambiguous_id_is_refused(deployed: OnBatch, documents: Path) -> None:
    """It names the batches."""
    deployed.collect("emea")
    deployed.collect("emea-2", by="2026-11-01")
    done = run(documents, "close", "")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: 2 batches begin with ")


@pytest.mark.parametrize("command", [["close"], ["drop", "--reason", "wrong"]])
def test_a_function_that_does_not_answer_is_named(deployed: OnBatch, documents: Path, command: list[str]) -> None:
    """The message stays in its queue."""
    batch = deployed.collect("emea")
    done = run(documents, *command, batch, "--wait", "0")
    assert done.exit_code == 1
    assert "on_batch did not" in done.stderr
    assert listed(documents)[0]["state"] == "open"
    deployed.work()
    assert [entry for entry in listed(documents) if entry["state"] == "open"] == []


def test_drop_comes_too_late_for_a_start_on_its_way(deployed: OnBatch, documents: Path) -> None:
    """It exits with 1, and names the pipeline."""
    batch = deployed.queue_up("one")
    store = deployed.services().store
    find = Batches.find

    def found_and_started(self: Batches, text: str) -> str:
        id_ = find(self, text)
        pipeline = store.pipeline("report")
        assert pipeline
        turn = Turn(next(iter(store.tickets("report"))), Phase.BEGUN, int(time.time()), "n")
        store.begin(turn, pipeline, counted=False)
        store.finish(turn, "arn:run", time.time(), track=False)
        return id_

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "find", found_and_started)
        done = run(documents, "drop", batch, "--reason", "wrong")
    assert done.exit_code == 1
    assert done.stderr == "Error: too late for report: its turn had come\n"
    assert items.batch(deployed.table.get(f"batch#{batch}", "batch") or {}).ends["report#0"]["outcome"] == "STARTED"


# ---- redrive


def test_redrive_lets_a_rejected_start_wait_again(deployed: OnBatch, documents: Path) -> None:
    """Its dead letter is the message by which on_batch takes the rejection back."""
    batch = deployed.queue_up("one")
    store = deployed.services().store
    turn = Turn(
        next(iter(store.tickets("report"))), Phase.ENDING, 1, "n", ending="REJECTED", reason="no such parameter"
    )
    store.end_ticket(turn, time.time())
    dead = stacks.stack("").resources["OnBatchDeadLetterQueue"]
    attributes = {"reason": turn.reason, "trigger": turn.ticket.trigger, "event_id": batch}
    deployed.sqs.send_message(
        QueueUrl=dead,
        MessageBody=resources.dump(turn),
        MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
    )
    assert listed(documents) == []
    done = run(documents, "redrive", "--reason", "no such parameter", "--json")
    assert done.exit_code == 0, done.stderr
    assert [(letter["trigger"], letter["left"]) for letter in json.loads(done.stdout)] == [("team/nightly", "")]
    deployed.work()
    assert [entry["batch"] for entry in listed(documents)] == [batch]
