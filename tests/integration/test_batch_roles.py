"""What the roles may do to the table of batches: enough for each step of a batch, and not one action more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pipeline_triggers.batches.models import Event, Pause, Phase, Rules, Slot, Target, Ticket, Turn
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.slots import sealed
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table

from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import LocalAws
from tests.tools.templates import table_keys, transformed

TABLE = "batches-of-roles"


def actions(role: str) -> list[str]:
    """Return what the template lets a role do to the table."""
    (policy,) = transformed()["Resources"][role]["Properties"]["Policies"]
    (granted,) = [
        statement["Action"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == {"Fn::GetAtt": ["BatchTable", "Arn"]}
    ]
    return list(granted)


@pytest.fixture(scope="module")
def table(aws: LocalAws) -> LocalAws:
    """The embedded AWS with a table as the template has it."""
    aws.client("dynamodb").create_table(TableName=TABLE, **table_keys("BatchTable"))
    return aws


def as_role(aws: LocalAws, name: str, granted: list[str], folder: Path) -> Table:
    """Return the table as a role with exactly these grants sees it."""
    policy = folder / f"{name}.json"
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
    statement = {"Effect": "Allow", "Action": granted, "Resource": arn}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    seen = aws.as_role(name, policy)
    to_engine: Any = {"endpoint_url": seen.environment["AWS_ENDPOINT_URL"], "verify": seen.environment["AWS_CA_BUNDLE"]}
    return Table(seen.session.resource("dynamodb", **to_engine).meta.client, TABLE)


def collect(table: Table, name: str) -> Ticket:
    """Do what a handler does: look for pauses, join two parts, let the batch become due, queue a single start."""
    store = Store(table)
    Records(table).pauses()
    key, rules = f"team/{name}#0", Rules(expect=("a", "b"))
    store.slots([key])
    data = {"bucket": "raw", "key": name}
    first, second = (Event(f"{name} {part}", "m", "team/t", "day", rules, data, part=part) for part in "ab")
    store.open(Slot(key, name, "team/t", "day", rules, 1, 0, frozenset("a"), 1, 1), None, [first], 1)
    store.join(Slot(key, name, "team/t", "day", rules, 1, 0, frozenset("a"), 1, 1), [second], 100, 1)
    store.marks([first.mark])
    store.know(name, 0)
    ticket = Ticket(Target(name), "team/t", name, 1, slot=key)
    slot = store.slot(key)
    assert slot
    store.make_due(slot, [ticket], "complete")
    due = store.slot(key)
    assert due
    store.seal(due, sealed(due), 1)
    return ticket


def start(table: Table, ticket: Ticket) -> None:
    """Do what ``on_batch`` does: take the turn, note the start and its end, report a deadline, lift, discard."""
    store, records, pipeline = Store(table), Records(table), ticket.target.pipeline
    known = store.pipeline(pipeline)
    assert known
    store.begin(Turn(ticket, Phase.BEGUN, 1, "n"), known, counted=True)
    store.finish(Turn(ticket, Phase.BEGUN, 1, "n"), "arn", 1, track=True)
    (running,) = store.turns(pipeline)
    store.forget(running)
    batch = store.batch(ticket.batch)
    assert batch
    assert len(list(store.chain(batch))) == 2
    store.note_files(batch, {"manifest": "s3://…"})
    records.miss(pipeline, 1)
    records.miss_reported(pipeline)
    pause = Pause("pipeline", pipeline, None, "me", "month-end", 1)
    records.set_pause(pause)
    records.lift(pause)
    store.slots([ticket.slot])
    records.discard(f"{1:013d}#{ticket.batch}", ticket.batch, ticket.slot)


def test_the_roles_may_do_every_step(table: LocalAws, tmp_path: Path) -> None:
    """Transactions included, whose items need their own grants."""
    ticket = collect(as_role(table, "collects", actions("OnS3UploadRole"), tmp_path), "enough")
    start(as_role(table, "starts", actions("OnBatchRole"), tmp_path), ticket)


@pytest.mark.parametrize("action", actions("OnS3UploadRole"))
def test_a_handler_needs_each_grant(table: LocalAws, tmp_path: Path, action: str) -> None:
    """Without any one of them it can't collect."""
    rest = [granted for granted in actions("OnS3UploadRole") if granted != action]
    name = action.partition(":")[2]
    with pytest.raises(ClientError, match="AccessDenied"):
        collect(as_role(table, f"collects-without-{name}", rest, tmp_path), f"collected without {name}")


@pytest.mark.parametrize("action", actions("OnBatchRole"))
def test_on_batch_needs_each_grant(table: LocalAws, tmp_path: Path, action: str) -> None:
    """Without any one of them it can't go through all steps."""
    rest = [granted for granted in actions("OnBatchRole") if granted != action]
    name = action.partition(":")[2]
    ticket = collect(as_role(table, f"collects-for-{name}", actions("OnS3UploadRole"), tmp_path), f"without {name}")
    with pytest.raises(ClientError, match="AccessDenied"):
        start(as_role(table, f"starts-without-{name}", rest, tmp_path), ticket)
