"""Occurrences → StartPipelineExecution calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers import aws, definition, start
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Occurrence, Run, Start, Trigger, When

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train/execution/abcdefghijkl"
OCCURRENCE = Occurrence("e-1", "s3://bucket/key", ("s3", "bucket", "key", "etag", "01"), {}, {"object": {"key": "a/b"}})
TRIGGER = Trigger("team/one", When("s3", {"bucket": "bucket"}), (Start("train", {"Key": "{% $object.key %}"}),))
OPTIONS = {
    "PipelineExecutionDisplayName": "team-one-tttttttt",
    "PipelineExecutionDescription": "trigger team/one, event e-1",
}
RUN = Run("train", {"Key": "a/b"}, "t" * 64, OPTIONS)


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """SageMaker, answering what a test says: botocore checks each call against the service's model."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    declared = definition.parse('{"Parameters": [{"Name": "Key"}]}')
    monkeypatch.setattr(definition, "describe", lambda _: declared)
    monkeypatch.setattr(definition, "_cache", {})
    aws.sagemaker.cache_clear()
    with Stubber(aws.sagemaker()) as stubber:
        yield stubber
    aws.sagemaker.cache_clear()


def test_a_run_is_decided_in_full() -> None:
    """Parameters are computed, and the execution will say where it comes from."""
    run = start.plan(TRIGGER, 0, OCCURRENCE, "stack")
    assert run.parameters == {"Key": "a/b"}
    assert run.options == {
        "PipelineExecutionDisplayName": f"team-one-{run.token[:8]}",
        "PipelineExecutionDescription": f"trigger team/one, event e-1, identity {run.token}",
    }


def test_the_token_is_the_same_for_every_delivery() -> None:
    """Another delivery has another event id, and may see other data; the token must not change with them."""
    token = start.plan(TRIGGER, 0, OCCURRENCE, "stack").token
    again = replace(OCCURRENCE, event_id="e-2", bindings={"object": {"key": "other"}})
    assert start.plan(TRIGGER, 0, again, "stack").token == token
    assert 32 <= len(token) <= 128


def test_the_token_tells_apart_what_must_start_apart() -> None:
    """Another stack, trigger, target, pipeline or occurrence is another execution."""
    two = replace(TRIGGER, start=TRIGGER.start * 2)
    runs = [
        start.plan(TRIGGER, 0, OCCURRENCE, "stack"),
        start.plan(TRIGGER, 0, OCCURRENCE, "another"),
        start.plan(replace(TRIGGER, id="team/two"), 0, OCCURRENCE, "stack"),
        start.plan(two, 1, OCCURRENCE, "stack"),
        start.plan(replace(TRIGGER, start=(Start("other", {}),)), 0, OCCURRENCE, "stack"),
        start.plan(TRIGGER, 0, replace(OCCURRENCE, identity=("s3", "bucket", "key", "etag", "02")), "stack"),
        start.plan(TRIGGER, 0, replace(OCCURRENCE, identity=("s3", "bucketkey", "", "etag", "01")), "stack"),
    ]
    assert len({run.token for run in runs}) == len(runs)


@given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True))
def test_the_display_name_is_one_that_sagemaker_takes(trigger_id: str) -> None:
    """However long the trigger's id is; the model's pattern and length are checked by no client."""
    run = start.plan(replace(TRIGGER, id=trigger_id), 0, OCCURRENCE, "stack")
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}", run.options["PipelineExecutionDisplayName"])


def test_what_can_not_be_computed_names_its_parameter() -> None:
    """The user looks for the parameter, not for the expression."""
    with pytest.raises(Rejected, match=r"parameter Key: .* resolves to nothing"):
        start.plan(TRIGGER, 0, replace(OCCURRENCE, bindings={}), "stack")


def test_a_run_is_one_call(sagemaker: Stubber) -> None:
    """Everything of the run is in it."""
    sagemaker.add_response(
        "start_pipeline_execution",
        {"PipelineExecutionArn": ARN},
        {
            "PipelineName": "train",
            "PipelineParameters": [{"Name": "Key", "Value": "a/b"}],
            "ClientRequestToken": "t" * 64,
            **OPTIONS,
        },
    )
    assert start.execute(RUN) == ARN
    sagemaker.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ResourceNotFound", "ValidationException"])
def test_a_permanent_refusal_is_a_rejection(sagemaker: Stubber, code: str) -> None:
    """No retry mends it; the reason says what SageMaker said."""
    sagemaker.add_client_error("start_pipeline_execution", code, "why")
    with pytest.raises(Rejected, match=f"SageMaker refused the start: {code}: why"):
        start.execute(RUN)


@pytest.mark.parametrize("code", ["ResourceLimitExceeded", "ConflictException", "AccessDeniedException"])
def test_what_may_work_later_is_no_rejection(sagemaker: Stubber, code: str) -> None:
    """The error goes up to the queue, which delivers the event again."""
    sagemaker.add_client_error("start_pipeline_execution", code, "later")
    with pytest.raises(ClientError):
        start.execute(RUN)
