"""What is kept of what the janitor removes."""

from __future__ import annotations

import json
from typing import Any

import boto3
from pipeline_triggers.janitor import snapshots
from pipeline_triggers.janitor.cleanups import Orphan

from tests.simulation.janitor_world import (
    DELETED,
    UNIVERSAL,
    Account,
    native,
    put_schedule,
    schedules,
)


def test_the_largest_input_fits_into_a_snapshot(account: Account) -> None:
    """The Scheduler takes 256 KB, DynamoDB 400 KB, whatever characters they are."""
    text = json.dumps({"PipelineName": "train", "Note": '"\\' * 43_000}, ensure_ascii=False)
    put_schedule("large", {"Arn": UNIVERSAL, "Input": text})
    account.work(DELETED)
    assert schedules() == set()
    kept = snapshots.get("snapshots", Orphan("schedule", "default", "large", "", "train"))
    assert kept
    assert kept.was["Target"]["Input"] == text


def test_a_snapshot_expires_when_the_stack_says_so(account: Account) -> None:
    """DynamoDB's TTL looks at a Unix time."""
    account.configure(SNAPSHOT_DAYS="7")
    put_schedule("s", native("train"))
    account.work(DELETED)
    resource: Any = boto3.resource("dynamodb")
    (item,) = (item for item in resource.Table("snapshots").scan()["Items"] if "orphan" in item)
    assert int(item["expires"]) - int(item["taken_at"]) in (7 * 24 * 3600, 7 * 24 * 3600 + 1)
