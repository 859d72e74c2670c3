"""What a clean-up reports, and to whom."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from tests.localaws.local_aws import deletion
from tests.simulation.janitor_world import (
    DELETED,
    HOME,
    SWEEP,
    Account,
    answered,
    everything,
    native,
    put_schedule,
    schedules,
    targets,
)


def test_too_many_orphans_raise_the_alarm(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The alarm of the stack looks at this count."""
    account.configure(MOST_REMOVALS="1")
    for number in range(2):
        put_schedule(f"s-{number}", native("train"))
    account.work(DELETED)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [metric["TOO_MANY_ORPHANS"] for metric in metrics if "TOO_MANY_ORPHANS" in metric] == [[1.0]]


def test_a_sweep_only_reports_unless_it_is_to_remove(account: Account) -> None:
    """It changes nothing."""
    everything()
    before = schedules(), targets()
    account.work('{"sweep": "report"}')
    assert account.writes() == ["PutEvents"]
    assert (schedules(), targets()) == before
    (report,) = account.reports
    assert report["summary"] == "a sweep: 6 found, 0 kept"
    assert len(report["found"]) == 6


def test_a_report_of_many_orphans_raises_no_alarm(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """It was to remove nothing; it says that there may be more than it lists, and what lists all."""
    account.configure(MOST_REMOVALS="2")
    for number in range(120):
        put_schedule(f"s-{number}", native("train"))
    account.work('{"sweep": "report"}')
    (report,) = account.reports
    assert report["summary"] == "a sweep: 3 or more found; triggers orphans --stack stack lists all"
    assert "remedy" not in report
    assert "TOO_MANY_ORPHANS" not in capsys.readouterr().out


def test_an_empty_clean_up_sends_no_notification(account: Account) -> None:
    """But its log."""
    put_schedule("s", native("train-v2"))
    for body in (SWEEP, DELETED, json.dumps({"deletion": deletion("train-v2")})):
        account.work(body)
    assert account.writes() == []


def test_an_event_that_was_not_put_is_put_later(account: Account) -> None:
    """PutEvents answers 200 though it failed."""
    put_schedule("s", native("train"))
    tried: list[str] = []

    def busy(name: str, _: int) -> AWSResponse | None:
        if name == "PutEvents" and not tried:
            tried.append(name)
            return answered(200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]})
        return None

    account.before = busy
    account.work(DELETED)
    (report,) = account.reports
    assert [one["what"] for one in report["removed"]] == ["schedule default/s"]
    assert account.removals() == ["DeleteSchedule"]


def test_a_topic_is_notified_too(account: Account) -> None:
    """What, why, and how to restore."""
    topic = f"arn:aws:sns:{HOME.region}:{HOME.account}:people"
    account.configure(NOTIFICATION_TOPIC=topic)
    sns: Any = boto3.client("sns")
    sqs: Any = boto3.client("sqs")
    sns.create_topic(Name="people")
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    put_schedule("s", native("train"))
    account.work(DELETED)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "pipeline Train was deleted: 1 removed, 0 kept"
    assert json.loads(envelope["Message"])["restore"] == ["triggers restore --stack stack --pipeline train"]


def test_an_unreachable_topic_does_not_fail_a_clean_up(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The event is put once, and the failure is counted."""
    account.configure(NOTIFICATION_TOPIC=f"arn:aws:sns:{HOME.region}:{HOME.account}:gone")
    put_schedule("s", native("train"))
    account.work(DELETED)
    assert len(account.reports) == 1
    assert account.queues.dead == []
    assert '"NOTIFICATION_FAILED":[1.0]' in capsys.readouterr().out
