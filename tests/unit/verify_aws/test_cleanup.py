"""Whatever a run created, and wherever it was killed, the clean-up leaves nothing; against moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.effort import is_thorough
from tests.localaws import ACCOUNT, REGION
from tests.verify_aws.__main__ import verify
from tests.verify_aws.account import NAME, Account
from tests.verify_aws.cleanup import clean_up, left_of
from tests.verify_aws.probe import Probe, Result

ALLOWED = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}


class Killed(BaseException):
    """Stands for Ctrl-C and for a lost laptop: nothing of the run continues."""


@pytest.fixture(autouse=True)
def moto() -> Iterator[None]:
    """An empty account."""
    with mock_aws():
        yield


class WithoutStacks(Account):
    """An account whose CloudFormation knows no stack: moto's needs packages that are not installed."""

    def client(self, service: Any) -> Any:
        """Return a client, or what stands for CloudFormation's."""
        return self if service == "cloudformation" else super().client(service)

    def can_paginate(self, _operation: str) -> bool:
        """Say that there are no pages."""
        return False

    def describe_stacks(self) -> dict[str, Any]:
        """Return no stack."""
        return {"Stacks": []}


def account(kill_at: int | None = None, moment: str = "before-call") -> Account:
    """Return the account without waiting, which kills the run before or after the nth call to AWS."""
    session = boto3.Session("test", "test", region_name=REGION)
    seen = WithoutStacks(session, pace=0)
    calls = 0

    def count(**_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            raise Killed

    session.events.register(moment, count)
    return seen


def create_all(account: Account) -> dict[str, Any]:
    """Create one of each thing that probes create."""
    account.pipeline()
    account.pipeline("-Case")
    account.listen("events", {"source": ["aws.s3"]})
    bucket = account.bucket()
    account.client("s3").put_object(Bucket=bucket, Key="a", Body=b"1")
    role = account.role("any", "scheduler", [ALLOWED])
    account.schedule("one", {"Arn": account.queue("scheduled")[1], "RoleArn": role}, "rate(365 days)")
    function = account.function("any", "def handler(event, context): pass", [ALLOWED])
    account.client("lambda").create_event_source_mapping(
        EventSourceArn=account.queue("scheduled")[1], FunctionName=function
    )
    iam = account.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [ALLOWED]})
    policy = iam.create_policy(PolicyName=f"{NAME}-deployer-1", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=f"{NAME}-any", PolicyArn=policy)
    account.client("logs").create_log_group(logGroupName=f"{NAME}-OnEventLogGroup-1A2B")
    account.client("dynamodb").create_table(
        TableName=f"{NAME}-StateTable-1A2B",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return {}


CREATES = Probe("X", "?", "!", "code", "do", create_all, lambda _: None)


def calls_of_a_run() -> int:
    """Return how many calls creating everything takes."""
    with mock_aws():
        seen = account()
        create_all(seen)
        return seen.calls


def test_a_run_leaves_nothing(tmp_path: Path) -> None:
    """And nothing that has another name is touched."""
    boto3.client("sqs", REGION).create_queue(QueueName="others")
    (finding,) = verify(account(), [CREATES], tmp_path)
    assert finding.result == Result.AS_ASSUMED
    assert left_of(account()) == []
    assert boto3.client("sqs", REGION).list_queues()["QueueUrls"][0].endswith("/others")


def test_everything_is_seen_before_it_is_removed() -> None:
    """Else an empty list of leftovers would say nothing."""
    create_all(account())
    kinds = {left.split()[0] for left in left_of(account())}
    assert kinds == {"rule", "group", "function", "queue", "pipeline", "bucket", "role", "policy", "table", "log"}


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
def test_a_run_that_was_killed_anywhere_is_cleaned_up(moment: str) -> None:
    """Before and after each call to AWS; every fifth on each change."""
    for kill_at in range(1, calls_of_a_run() + 1, 1 if is_thorough() else 5):
        with mock_aws():
            with suppress(Killed):
                create_all(account(kill_at, moment))
            clean_up(account())
            assert left_of(account()) == [], kill_at


def test_a_clean_up_that_was_killed_anywhere_is_repeated() -> None:
    """It may be killed, too."""
    create_all(account())
    kill_at = 1
    while left_of(account()):
        with suppress(Killed):
            clean_up(account(kill_at))
        kill_at += 9
    assert kill_at > 9


def test_ctrl_c_removes_everything(tmp_path: Path) -> None:
    """The run ends with it; what was created goes."""

    def interrupted(account: Account) -> dict[str, Any]:
        create_all(account)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(account(), [Probe("X", "?", "!", "code", "do", interrupted, lambda _: None)], tmp_path)
    assert left_of(account()) == []


def test_fixtures_do_not_name_the_account(tmp_path: Path) -> None:
    """They are committed; the account's number is another one."""
    probe = Probe("X", "?", "!", "code", "do", lambda account: {"arn": account.arn("sqs", "q")}, lambda _: None)
    seen = account()
    seen.id = "999999999999"
    verify(seen, [probe], tmp_path)
    assert json.loads((tmp_path / "X.json").read_text())["arn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    assert "999999999999" not in (tmp_path / "README.md").read_text()
