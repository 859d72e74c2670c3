"""``triggers backfill``: what it lists, shows and sends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pipeline_triggers import aws
from pipeline_triggers.cli import backfill as command
from pipeline_triggers.cli import main
from pipeline_triggers.cli.deployed import DeployedTriggers
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.operations import backfill, describe
from pipeline_triggers.operations.stacks import Stack

from tests.simulation.backfill_world import QUEUE, UPLOADS, BackfillWorld
from tests.simulation.invocation import ENVIRONMENT

NIGHTLY = Trigger(
    "churn/nightly", When("schedule", {"cron": "0 2 * * ? *", "timezone": "Europe/Berlin"}), (Start("train", {}),)
)
INPUT = {
    "id": "<aws.scheduler.execution-id>",
    "time": "<aws.scheduler.scheduled-time>",
    "resources": ["<aws.scheduler.schedule-arn>"],
    "detail": {"trigger": "churn/nightly", "timezone": "Europe/Berlin"},
}
SCHEDULE = {
    "Arn": "arn:aws:scheduler:nightly",
    "Target": {"Input": json.dumps({"trigger": "churn/nightly", "event": INPUT})},
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[BackfillWorld]:
    """A deployed trigger on uploads and one on a schedule, and a bucket with twelve objects."""
    world = BackfillWorld({UPLOADS.id: UPLOADS}, {}, count=12)
    resources = {"HistoryTable": ENVIRONMENT["HISTORY_TABLE"], "OnS3UploadQueue": QUEUE}
    topic = Trigger("churn/topic", When("sns", {}), (Start("train", {}),))
    here = DeployedTriggers(Stack("stack", {"Stage": "dev"}, resources), [UPLOADS, NIGHTLY, topic], {})
    monkeypatch.setattr(command, "deployed", lambda *_: here)
    monkeypatch.setattr(describe, "schedule", lambda *_: SCHEDULE)
    with world.installed():
        monkeypatch.setattr(time, "sleep", world.sleep)
        yield world


def run(*arguments: str, stdin: str = "") -> Result:
    """Run ``triggers backfill``."""
    return CliRunner(mix_stderr=False).invoke(main, ["backfill", *arguments, "--documents", "."], input=stdin)


def test_a_dry_run_shows_what_would_start_and_sends_nothing(world: BackfillWorld) -> None:
    """The first few with their values, and how many there are of each outcome."""
    done = run("uploads", "--prefix", "in/", "--dry-run")
    assert done.exit_code == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[1:3] == ["s3://raw/in/000000.csv WOULD START train Uri = s3://raw/in/000000.csv", "Size = 0"]
    assert lines[-1] == "12 events: 12 WOULD START"
    assert len(lines) == 1 + 2 * command.SHOWN + 1
    assert world.queue == []


@pytest.mark.parametrize(
    ("options", "stdin", "sent"), [([], "y\n", 12), ([], "n\n", 0), ([], "", 0), (["--yes"], "", 12)]
)
def test_it_asks_before_it_sends(world: BackfillWorld, options: list[str], stdin: str, sent: int) -> None:
    """And then what was sent is a duplicate."""
    done = run("uploads", "--prefix", "", *options, stdin=stdin)
    assert done.exit_code == (0 if sent else 1)
    world.work()
    assert len(world.executions) == sent
    assert run("uploads", "--prefix", "", "--dry-run").stdout.splitlines()[-1] == (
        "12 events: 12 DUPLICATE" if sent else "12 events: 12 WOULD START"
    )


def test_a_prefix_that_the_trigger_does_not_match_lists_nothing() -> None:
    """Neither its folder nor beyond it."""
    now = datetime.now(UTC)
    assert list(backfill.objects(UPLOADS, "out/", now)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uploads"], "write --prefix, --keys or --between"),
        (["nightly", "--prefix", "x"], "churn/nightly is on a schedule; write --between"),
        (["topic", "--prefix", "x"], "churn/topic is not on uploads or a schedule with a handler"),
        (["uploads", "--part", "x", "--prefix", ""], "churn/uploads has no part 'x'"),
    ],
)
@pytest.mark.usefixtures("world")
def test_options_that_do_not_say_what_to_send_are_an_error(arguments: list[str], message: str) -> None:
    """With what to write."""
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())


@pytest.mark.usefixtures("world")
def test_scheduled_times_are_sent_as_their_schedule_would() -> None:
    """On the zone's clock, in UTC, with an identity that a second run has, too."""
    begin, end = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    items = list(backfill.times(NIGHTLY, SCHEDULE, begin, end))
    # 02:00 does not exist in Berlin on 29 March.
    assert [item.event["time"] for item in items] == ["2026-03-28T01:00:00Z", "2026-03-30T00:00:00Z"]
    assert items == list(backfill.times(NIGHTLY, SCHEDULE, begin, end))
    assert {item.event["resources"][0] for item in items} == {SCHEDULE["Arn"]}
    rate = Trigger("churn/rate", When("schedule", {"rate": "1 day"}), ())
    with pytest.raises(Rejected, match="counts from its deployment"):
        list(backfill.times(rate, SCHEDULE, begin, end))


def test_keys_are_looked_up_and_young_objects_left_to_their_events(
    tmp_path: Path, world: BackfillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an unversioned bucket the ETag tells versions apart."""
    modified = {"in/old.csv": datetime(2026, 1, 1, tzinfo=UTC), "in/young.csv": datetime.now(UTC)}

    def head(*, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert Bucket == "raw"
        return {"ContentLength": 5, "ETag": '"e"', "LastModified": modified[Key]}

    monkeypatch.setattr(aws.s3(), "head_object", head, raising=False)
    (tmp_path / "keys").write_text("in/old.csv\n\nin/young.csv\n")
    assert run("uploads", "--keys", str(tmp_path / "keys"), "--yes").exit_code == 0
    assert [one.parameters for one in world.executions] == [{"Uri": "s3://raw/in/old.csv", "Size": "5"}]
