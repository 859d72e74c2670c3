"""Events → batches → executions, through the deployed stack: each function with its own role, IAM enforced."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration import STACK
from tests.localaws.local_aws import LocalAws

pytestmark = pytest.mark.xdist_group(STACK)


def upload(aws: LocalAws, *keys: str) -> None:
    """Put objects into the dev bucket."""
    for key in keys:
        aws.client("s3").put_object(Bucket="raw-dev", Key=key, Body=b"a,b\n")


def step(aws: LocalAws, **message: str) -> None:
    """Send a message to ``on_batch``, as a schedule does."""
    queue = aws.physical_id(STACK, "OnBatchQueue")
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))


def collected(aws: LocalAws, trigger: str, count: int, handler: str = "OnS3Upload") -> str:
    """Wait until so many events are collected, and return the one batch that holds them."""
    verdicts = aws.new_verdicts(STACK, trigger, count, handler)
    assert [verdict["outcome"] for verdict in verdicts] == ["COLLECTED"] * count
    (batch,) = {verdict["batch"] for verdict in verdicts}
    return str(batch)


def started(aws: LocalAws, trigger: str) -> dict[str, str]:
    """Wait for the next end of a batch, which is a start, and return the execution's parameters."""
    (verdict,) = aws.new_verdicts(STACK, trigger, 1, "OnBatch")
    assert verdict["outcome"] == "STARTED"
    return aws.execution_parameters(verdict["execution_arn"])


def content(aws: LocalAws, uri: str) -> str:
    """Return what a file in the stack's bucket holds."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body: bytes = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body.decode()


def triggers(aws: LocalAws, *arguments: str) -> Any:
    """Run a command about the stack, and return what it prints as JSON."""
    done = aws.triggers(*arguments, "--stack", STACK, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_full_batch_starts_once_with_a_manifest_of_its_keys(deployed: LocalAws) -> None:
    """The third upload fills it; whatever the keys hold, the manifest has the same characters."""
    keys = ["three/a/1", "three/a/a space + ü", 'three/a/"quoted"']
    upload(deployed, *keys)
    collected(deployed, "batches/three", 3)
    parameters = started(deployed, "batches/three")
    assert (parameters["Files"], parameters["By"]) == ("3", "a")
    assert parameters["Manifest"].startswith(f"s3://{deployed.outputs(STACK)['BatchBucketName']}/batches/")
    assert json.loads(content(deployed, parameters["Manifest"])) == [{"prefix": "s3://raw-dev/"}, *sorted(keys)]


def test_a_sweep_lets_a_quiet_batch_be_closed_by_hand(deployed: LocalAws) -> None:
    """A sweep visits what is open and leaves alone what is not due; a user closes it."""
    upload(deployed, "three/b/1")
    batch = collected(deployed, "batches/three", 1)
    step(deployed, sweep=datetime.now(UTC).isoformat())
    assert batch in [entry.get("batch") for entry in triggers(deployed, "batches")]
    triggers(deployed, "close", batch)
    assert started(deployed, "batches/three")["Files"] == "1"


def test_two_parts_start_once_and_a_late_one_corrects(deployed: LocalAws) -> None:
    """The correction holds what the first start had, too."""
    upload(deployed, "regions/2026-11-02/emea/_SUCCESS")
    first = collected(deployed, "batches/regions", 1)
    upload(deployed, "regions/2026-11-02/apac/_SUCCESS")
    assert collected(deployed, "batches/regions", 1) == first
    data = "s3://raw-dev/regions/2026-11-02/"
    assert started(deployed, "batches/regions") == {"Files": "2", "Revision": "1", "Data": data}
    upload(deployed, "regions/2026-11-02/emea/_SUCCESS")
    correction = collected(deployed, "batches/regions", 1)
    assert correction != first
    triggers(deployed, "close", correction)
    assert started(deployed, "batches/regions") == {"Files": "2", "Revision": "2", "Data": data}


def test_two_sources_start_once_both_are_there(deployed: LocalAws) -> None:
    """An upload and an event of the application come by different handlers into one batch."""
    upload(deployed, "approved/x")
    batch = collected(deployed, "batches/data-and-approval", 1)
    deployed.put_event({"source": "acme.legal", "detail-type": "Data approved", "detail": {"by": "me"}})
    assert collected(deployed, "batches/data-and-approval", 1, "OnEvent") == batch
    parameters = started(deployed, "batches/data-and-approval")
    assert parameters["Files"] == "2"
    lines = [json.loads(line) for line in content(deployed, parameters["Events"]).splitlines()]
    assert {line.get("key") or line["event"]["detail-type"] for line in lines} == {"approved/x", "Data approved"}


def test_a_limited_pipeline_runs_once_at_a_time_and_a_pause_holds_it(deployed: LocalAws) -> None:
    """Three uploads start one after another, each when the one before has ended; a pause keeps the last one."""
    trigger, pipeline = "batches/limited", "one-at-a-time"
    keys = ["limited/1", "limited/2", "limited/3"]
    for key in keys:
        upload(deployed, key)
        (verdict,) = deployed.new_verdicts(STACK, trigger, 1)
        assert verdict["outcome"] == "WAITING"
        assert verdict["batch"]
    for key in keys[:2]:
        assert started(deployed, trigger) == {"Key": key}
        (running,) = deployed.running_executions(pipeline)
        if key == keys[1]:
            triggers(deployed, "pause", "--pipeline", pipeline, "--indefinitely", "--reason", "month-end")
        deployed.stop_execution(running)
    deployed.log_line(STACK, lambda line: line["message"] == "waiting" and "paused" in line["reason"], "OnBatch")
    assert deployed.running_executions(pipeline) == []
    triggers(deployed, "resume", "--pipeline", pipeline)
    step(deployed, pipeline=pipeline)
    assert started(deployed, trigger) == {"Key": keys[2]}
    (running,) = deployed.running_executions(pipeline)
    deployed.stop_execution(running)
    line = deployed.log_line(
        STACK, lambda line: line.get("execution_arn") == running and line["outcome"] == "STOPPED", "OnBatch"
    )
    table = deployed.physical_id(STACK, "HistoryTable")
    records = deployed.client("dynamodb").query(
        TableName=table,
        IndexName="by_result",
        KeyConditionExpression="#result = :result",
        ExpressionAttributeNames={"#result": "result"},
        ExpressionAttributeValues={":result": {"S": running.lower()}},
    )["Items"]
    assert [record["outcome"]["S"] for record in records] == ["STARTED", "STOPPED"]
    assert {record["event_id"]["S"] for record in records} == {line["event_id"]}
