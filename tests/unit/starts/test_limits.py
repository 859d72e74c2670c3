"""SageMaker's limits: what is within them starts, what is beyond is rejected, and no call is sent that is not right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError, Rejected
from pipeline_triggers.models import Occurrence, Options, Request, Start, Trigger
from pipeline_triggers.starts.plan import plan

from tests.simulation.delivery_world import World
from tests.simulation.faults import KEY, ONE, WHEN
from tests.simulation.sagemaker_model import violations

EXECUTION = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train/execution/abcdefghijkl"
RIGHT: dict[str, Any] = {
    "PipelineName": "train",
    "ClientRequestToken": "t" * 64,
    "PipelineParameters": [{"Name": "Key", "Value": "x"}],
}


def outcome(trigger: Trigger, key: str = "in/x", declared: object = ({"Name": "Key"},)) -> str:
    """Return what an upload comes to; what is sent to SageMaker is held against its API."""
    world = World(trigger)
    world.sagemaker.declared = json.dumps({"Parameters": declared})
    with world.installed():
        world.upload(key)
        world.drain()
    assert world.sagemaker.invalid == []
    (verdict,) = world.final_verdicts()
    assert len(world.sagemaker.executions) == (verdict["outcome"] == "STARTED")
    assert world.unexplained() == []
    return str(verdict["outcome"])


@pytest.mark.parametrize(
    ("wrong", "violation"),
    [
        ({"PipelineName": "-train"}, ".PipelineName is '-train'"),
        ({"PipelineExecutionDisplayName": "x" * 83}, ".PipelineExecutionDisplayName has the size 83"),
        ({"PipelineExecutionDescription": "two\nlines"}, ".PipelineExecutionDescription is 'two\\nlines'"),
        ({"PipelineParameters": [{"Name": "K", "Value": "x" * 1025}]}, ".PipelineParameters[].Value has the size 1025"),
        ({"PipelineParameters": [{"Name": "K"}]}, ".PipelineParameters[].Value is missing"),
        ({"PipelineVersionId": 0}, ".PipelineVersionId has the size 0"),
        ({"Role": "x"}, ".Role is missing, or not known"),
    ],
)
def test_an_invalid_call_is_noticed(wrong: dict[str, Any], violation: str) -> None:
    """By these tests, and by all that start in their world."""
    assert violations(RIGHT) == []
    assert violations(RIGHT | wrong)[0].startswith(violation)


@pytest.mark.parametrize(
    ("length", "expected"), [(0, "REJECTED"), (1, "STARTED"), (1023, "STARTED"), (1024, "STARTED"), (1025, "REJECTED")]
)
def test_a_value_has_1_to_1024_characters(length: int, expected: str) -> None:
    """Whatever they are."""
    assert outcome(ONE, "é" * length) == expected


@pytest.mark.parametrize(
    ("declared", "key", "expected"),
    [
        ({"Type": "Integer"}, "9" * 1024, "STARTED"),
        ({"Type": "Integer"}, "9.0", "REJECTED"),
        ({"Type": "Float"}, "1e-999", "STARTED"),
        ({"Type": "Float"}, "1e", "REJECTED"),
        ({"Type": "Boolean"}, "TRUE", "STARTED"),
        ({"Type": "Boolean"}, "1", "REJECTED"),
        ({"EnumValues": ["a", "b"]}, "b", "STARTED"),
        ({"EnumValues": ["a", "b"]}, "B", "REJECTED"),
        ({"Name": "key"}, "x", "REJECTED"),
    ],
)
def test_a_value_fits_its_declaration(declared: dict[str, Any], key: str, expected: str) -> None:
    """Its type, its enumeration, and its name."""
    assert outcome(ONE, key, [{"Name": "Key", **declared}]) == expected


@pytest.mark.parametrize(("count", "expected"), [(199, "STARTED"), (200, "STARTED"), (201, "REJECTED")])
def test_there_are_200_parameters_at_most(count: int, expected: str) -> None:
    """The document's and the publisher's together."""
    names = [f"Name{number}" for number in range(count)]
    own = Trigger("team/one", WHEN, (Start("train", dict.fromkeys(names, "x")),))
    assert outcome(own, declared=[{"Name": name} for name in names]) == expected
    request = Request("team/one", parameters=dict.fromkeys(names[1:], "x"))
    requested = Occurrence("m", "topic", ("sns", "m"), {}, {}, request)
    mixed = replace(own, start=(Start("train", {"Name0": "x"}),))
    if expected == "STARTED":
        assert len(plan(mixed, 0, requested, "stack").parameters) == count
    else:
        with pytest.raises(Rejected, match="201 parameters, with those of the request"):
            plan(mixed, 0, requested, "stack")


@pytest.mark.parametrize("length", [0, 1, 81, 82, 83, 1024])
@pytest.mark.parametrize("character", ["x", "-", "日"])
def test_any_display_name_starts(length: int, character: str) -> None:
    """It is shortened and spelt as SageMaker allows it; only an empty one is refused, as every empty value."""
    trigger = replace(ONE, options=Options(display_name=KEY["Key"]))
    if length:
        assert outcome(trigger, character * length) == "STARTED"


@pytest.mark.parametrize("description", ["", "x" * 512, "two\r\nlines\u2028\x85", "é" * 4000])
def test_any_description_starts(description: str) -> None:
    """It ends with what an execution is found by."""
    world = World(replace(ONE, description=description))
    with world.installed():
        world.upload("in/x")
        world.drain()
    assert world.sagemaker.invalid == []
    (execution,) = world.sagemaker.executions
    assert execution["PipelineExecutionDescription"].endswith(f"identity {execution['ClientRequestToken']}")


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        (Options(mlflow_experiment=KEY["Key"]), "x" * 256, "STARTED"),
        (Options(mlflow_experiment=KEY["Key"]), "x" * 257, "REJECTED"),
        (Options(mlflow_experiment=KEY["Key"]), "two\nlines", "REJECTED"),
        (Options(steps=("Train",), source_execution=KEY["Key"]), EXECUTION, "STARTED"),
        (Options(steps=("Train",), source_execution=KEY["Key"]), EXECUTION[1:], "REJECTED"),
        (Options(steps=("Train",), source_execution=KEY["Key"]), f"{EXECUTION}\n", "REJECTED"),
    ],
)
def test_a_computed_option_is_one_that_sagemaker_takes(options: Options, key: str, expected: str) -> None:
    """Only the event says what it is."""
    assert outcome(replace(ONE, options=options), key) == expected


NAMES = ", ".join(f"Name{number}: x" for number in range(201))
STEPS = ", ".join(f"Step{number}" for number in range(51))


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (f"parameters: {{{'N' * 256}: x}}", f"parameters: {{{'N' * 257}: x}}"),
        ("parameters: {N-_1: x}", "parameters: {N.1: x}"),
        (f"parameters: {{Name: {'x' * 1024}}}", f"parameters: {{Name: {'x' * 1025}}}"),
        (f"parameters: {{{NAMES.rpartition(',')[0]}}}", f"parameters: {{{NAMES}}}"),
        (f"description: {'x' * 512}", f"description: {'x' * 513}"),
        (f"steps: [{STEPS.rpartition(',')[0]}]", f"steps: [{STEPS}]"),
        (f"steps: [{'s' * 256}]", f"steps: [{'s' * 257}]"),
        ("max_parallel_steps: 1", "max_parallel_steps: 0"),
        (f"version: {'a' * 128}", f"version: {'a' * 129}"),
        ("version: 1", "version: 0"),
        (f"mlflow_experiment: {'x' * 256}", f"mlflow_experiment: {'x' * 257}"),
        ("max_starts: 1", "max_starts: 0"),
    ],
    ids=lambda text: text[:30],
)
def test_a_document_within_a_limit_starts_and_beyond_it_is_refused(tmp_path: Path, within: str, beyond: str) -> None:
    """When it is compiled, not in the night."""
    document = (
        "version: 1\nowner: team\npipelines: [train]\ntriggers:\n  one: {when: {s3: {bucket: raw}}, start: train, %s}\n"
    )
    (tmp_path / "stages.yaml").write_text("dev: {}\n", encoding="utf-8")
    (tmp_path / "team.yaml").write_text(document % within, encoding="utf-8")
    (trigger,) = loader.load(tmp_path).triggers
    assert outcome(trigger, declared=[{"Name": name} for name in trigger.start[0].parameters]) == "STARTED"
    (tmp_path / "team.yaml").write_text(document % beyond, encoding="utf-8")
    with pytest.raises(DocumentsError):
        loader.load(tmp_path)
