"""Occurrences → StartPipelineExecution calls."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.models import Occurrence, Options, Run, Start, Trigger, When
from pipeline_triggers.starts import definition, start
from pipeline_triggers.starts.plan import MAX_DEPTH, plan

from tests import PROJECT

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train/execution/abcdefghijkl"
OCCURRENCE = Occurrence("e-1", "s3://bucket/key", ("s3", "bucket", "key", "etag", "01"), {}, {"object": {"key": "a/b"}})
TRIGGER = Trigger("team/one", When("s3", {"bucket": "bucket"}), (Start("train", {"Key": "{% $object.key %}"}),))
OPTIONS = {
    "PipelineExecutionDisplayName": "team-one-tttttttt",
    "PipelineExecutionDescription": "trigger team/one, event e-1",
}
RUN = Run("train", {"Key": "a/b"}, "t" * 64, OPTIONS)


def time_for_one() -> float:
    """Return that there is time for a call, and for no retry."""
    return aws.LONGEST_START


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch, new_clients: None) -> Iterator[Stubber]:  # noqa: ARG001 - one of them
    """SageMaker, answering what a test says: botocore checks each call against the service's model."""
    declared = definition.parse('{"Parameters": [{"Name": "Key"}]}')
    monkeypatch.setattr(definition, "describe", lambda _: declared)
    monkeypatch.setattr(definition, "_cache", {})
    with Stubber(aws.starter()) as stubber:
        yield stubber


def test_a_run_is_decided_in_full() -> None:
    """Parameters are computed, and the execution will say where it comes from."""
    run = plan(TRIGGER, 0, OCCURRENCE, "stack")
    assert run.parameters == {"Key": "a/b"}
    assert run.options == {
        "PipelineExecutionDisplayName": f"team-one-{run.token[:8]}",
        "PipelineExecutionDescription": f"trigger team/one, event e-1, identity {run.token}",
    }


def test_the_token_is_the_same_for_every_delivery() -> None:
    """Another delivery has another event id, and may see other data; the token must not change with them."""
    token = plan(TRIGGER, 0, OCCURRENCE, "stack").token
    again = replace(OCCURRENCE, event_id="e-2", bindings={"object": {"key": "other"}})
    assert plan(TRIGGER, 0, again, "stack").token == token
    assert 32 <= len(token) <= 128


def test_the_token_tells_apart_what_must_start_apart() -> None:
    """Another stack, trigger, target, pipeline or occurrence is another execution."""
    two = replace(TRIGGER, start=TRIGGER.start * 2)
    runs = [
        plan(TRIGGER, 0, OCCURRENCE, "stack"),
        plan(TRIGGER, 0, OCCURRENCE, "another"),
        plan(replace(TRIGGER, id="team/two"), 0, OCCURRENCE, "stack"),
        plan(two, 1, OCCURRENCE, "stack"),
        plan(replace(TRIGGER, start=(Start("other", {}),)), 0, OCCURRENCE, "stack"),
        plan(TRIGGER, 0, replace(OCCURRENCE, identity=("s3", "bucket", "key", "etag", "02")), "stack"),
        plan(TRIGGER, 0, replace(OCCURRENCE, identity=("s3", "bucketkey", "", "etag", "01")), "stack"),
    ]
    assert len({run.token for run in runs}) == len(runs)


@given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True))
def test_the_display_name_is_one_that_sagemaker_takes(trigger_id: str) -> None:
    """However long the trigger's id is; the model's pattern and length are checked by no client."""
    run = plan(replace(TRIGGER, id=trigger_id), 0, OCCURRENCE, "stack")
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}", run.options["PipelineExecutionDisplayName"])


def test_a_failed_value_names_its_parameter() -> None:
    """The user looks for the parameter, not for the expression."""
    with pytest.raises(Rejected, match=r"parameter Key: .* resolves to nothing"):
        plan(TRIGGER, 0, replace(OCCURRENCE, bindings={}), "stack")


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
    assert start.execute(RUN, time_for_one) == ARN
    sagemaker.assert_no_pending_responses()


ALL_OPTIONS = Options(
    display_name="{% 'März ' & $object.key %}",
    max_parallel_steps=5,
    steps=("Train", "Evaluate"),
    source_execution=ARN,
    version="3",
    mlflow_experiment="{% $object.key %}",
)


def test_every_option_reaches_the_call(sagemaker: Stubber) -> None:
    """As StartPipelineExecution's model in botocore has it: the stub checks the call against it."""
    run = plan(replace(TRIGGER, options=ALL_OPTIONS, description="Why\n  so"), 0, OCCURRENCE, "stack")
    expected = {
        "PipelineExecutionDisplayName": "M-rz-a-b",
        "PipelineExecutionDescription": f"Why so; trigger team/one, event e-1, identity {run.token}",
        "ParallelismConfiguration": {"MaxParallelExecutionSteps": 5},
        "SelectiveExecutionConfig": {
            "SelectedSteps": [{"StepName": "Train"}, {"StepName": "Evaluate"}],
            "SourcePipelineExecutionArn": ARN,
        },
        "PipelineVersionId": 3,
        "MlflowExperimentName": "a/b",
    }
    assert run.options == expected
    call = {
        "PipelineName": "train",
        "ClientRequestToken": run.token,
        "PipelineParameters": [{"Name": "Key", "Value": "a/b"}],
    }
    sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": ARN}, {**call, **expected})
    assert start.execute(run, time_for_one) == ARN


def test_nothing_is_left_out_of_what_sagemaker_takes() -> None:
    """Each argument of the pinned model is used, but a role of AWS's own pipelines."""
    model: Any = boto3.client("sagemaker", region_name="eu-central-1").meta.service_model
    members = set(model.operation_model("StartPipelineExecution").input_shape.members)
    by_alias = plan(replace(TRIGGER, options=Options(version="prod")), 0, OCCURRENCE, "stack").options
    all_options = plan(replace(TRIGGER, options=ALL_OPTIONS), 0, OCCURRENCE, "stack").options
    used = {*all_options, *by_alias, "PipelineName", "PipelineParameters", "ClientRequestToken"}
    assert members - used == {"RoleArn"}
    assert by_alias["PipelineVersionAlias"] == "prod"
    assert "PipelineVersionId" not in by_alias


def test_a_call_that_boto3_refuses_is_a_rejection(sagemaker: Stubber) -> None:
    """An argument that it does not know yet: no retry fixes that."""
    sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": ARN})
    with pytest.raises(Rejected, match="Unknown parameter in input"):
        start.execute(replace(RUN, options={"NewArgument": 1}), time_for_one)


@pytest.mark.parametrize("name", ["日本", "--", "x" * 200, "-a-"])
def test_any_display_name_is_one_that_sagemaker_takes(name: str) -> None:
    """What it does not allow becomes a dash; where nothing is left, the trigger's own name stays."""
    options = Options(display_name=f"{{% '{name}' %}}")
    name = plan(replace(TRIGGER, options=options), 0, OCCURRENCE, "stack").options["PipelineExecutionDisplayName"]
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}", name)


def test_a_business_key_takes_the_event_s_place() -> None:
    """Two uploads with one key are one; computed values have no part in it."""
    keyed = replace(TRIGGER, dedupe="{% $object.etag %}")
    uploads = [
        replace(OCCURRENCE, identity=("s3", key), bindings={"object": {"key": key, "etag": "e"}}) for key in "ab"
    ]
    assert len({plan(keyed, 0, upload, "stack").token for upload in uploads}) == 1
    assert len({plan(TRIGGER, 0, upload, "stack").token for upload in uploads}) == 2
    with pytest.raises(Rejected, match=r"dedupe: .* resolves to nothing"):
        plan(keyed, 0, OCCURRENCE, "stack")


def test_a_chain_of_executions_ends() -> None:
    """Each says in its description how many led to it; a loop that no check could see is refused."""
    event = json.loads((PROJECT / "events" / "pipeline.json").read_text(encoding="utf-8"))
    chained = replace(TRIGGER, start=(Start("train", {}),))
    event["detail"]["pipelineExecutionDescription"] = "by hand"
    for depth in range(MAX_DEPTH + 1):
        occurrence = eventbridge.read(event, "pipeline")
        assert occurrence.depth == depth
        options = plan(chained, 0, occurrence, "stack").options
        event["detail"]["pipelineExecutionDescription"] = options["PipelineExecutionDescription"]
    with pytest.raises(Rejected, match="each of 10 pipelines in a row was started by the end of the one before"):
        plan(chained, 0, eventbridge.read(event, "pipeline"), "stack")


@pytest.mark.parametrize("code", ["ResourceNotFound", "ValidationException"])
def test_a_permanent_refusal_is_a_rejection(sagemaker: Stubber, code: str) -> None:
    """No retry fixes it; the reason says what SageMaker said."""
    sagemaker.add_client_error("start_pipeline_execution", code, "why")
    with pytest.raises(Rejected, match=f"SageMaker refused the start: {code}: why"):
        start.execute(RUN, time_for_one)


@pytest.mark.parametrize("code", ["ResourceLimitExceeded", "ConflictException", "AccessDeniedException"])
def test_transient_failures_are_not_rejections(sagemaker: Stubber, code: str) -> None:
    """The error goes up to the queue, which delivers the event again."""
    sagemaker.add_client_error("start_pipeline_execution", code, "later")
    with pytest.raises(ClientError):
        start.execute(RUN, time_for_one)


def test_a_throttled_start_is_retried_while_there_is_time(sagemaker: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    """After pauses that grow, and differ, so that those who met the rate together do not come together."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(random, "uniform", lambda least, longest: longest - least)
    for _ in range(8):
        sagemaker.add_client_error("start_pipeline_execution", "ThrottlingException", "Rate exceeded")
    sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": ARN})
    assert start.execute(RUN, lambda: 60) == ARN
    assert pauses == [0.5, 1, 2, 4, 8, 16, 20, 20]
    monkeypatch.setattr(random, "uniform", lambda *_: 0.123)
    sagemaker.add_client_error("start_pipeline_execution", "ThrottlingException", "Rate exceeded")
    sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": ARN})
    assert start.execute(RUN, lambda: 60) == ARN
    assert pauses[8:] == [0.123]

    sagemaker.add_client_error("start_pipeline_execution", "ThrottlingException", "Rate exceeded")
    with pytest.raises(ClientError, match="Rate exceeded"):
        start.execute(RUN, lambda: aws.LONGEST_START + 0.1)
    assert len(pauses) == 9
    sagemaker.assert_no_pending_responses()
