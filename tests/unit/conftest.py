"""What unit tests share, and what they are kept from: an AWS that the shell names, as ``make run KEEP=1`` says to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.on_batch import OnBatch


@pytest.fixture(scope="package", autouse=True)
def no_aws_of_the_shell() -> Iterator[None]:
    """For the whole package, since some modules make their clients once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("AWS_ENDPOINT_URL") or name in ("AWS_PROFILE", "AWS_CA_BUNDLE"):
                patch.delenv(name)
        yield


@pytest.fixture
def new_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients of the test's own, in the Region of the tests."""
    from tests.clients import forget_clients

    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.setenv(name, "eu-central-1")
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def empty_account(new_clients: None) -> Iterator[None]:  # noqa: ARG001 - made within it
    """An empty account in moto, and clients of the library that talk to it."""
    from moto import mock_aws

    with mock_aws():
        yield


@pytest.fixture
def deployed(empty_account: None, monkeypatch: pytest.MonkeyPatch) -> OnBatch:  # noqa: ARG001 - an account for it
    """A deployed stack as the commands see it: its table and its queue."""
    import time

    import boto3
    from pipeline_triggers import aws
    from pipeline_triggers.batches.table import Table
    from pipeline_triggers.operations import stacks
    from pipeline_triggers.operations.stacks import Stack

    from tests.simulation.invocation import sleeping
    from tests.unit.on_batch import OnBatch

    boto3.client("dynamodb").create_table(
        TableName="batches",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for name in ("report", "train"):
        boto3.client("sagemaker").create_pipeline(
            PipelineName=name,
            PipelineDefinition="{}",
            RoleArn="arn:aws:iam::123456789012:role/x",
            ClientRequestToken="t" * 32,
        )
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="on-batch")["QueueUrl"]
    dead = sqs.create_queue(QueueName="on-batch-dead")["QueueUrl"]
    resources = {"BatchTable": "batches", "OnBatchQueue": queue, "OnBatchDeadLetterQueue": dead}
    stack = Stack("pipeline-triggers-dev", {"Stage": "dev"}, resources)
    monkeypatch.setattr(stacks, "stack", lambda _: stack)
    on_batch = OnBatch(sqs, queue, Table(aws.dynamodb(), "batches"))
    monkeypatch.setattr(time, "sleep", sleeping(on_batch.work))
    return on_batch
