"""Values against a pipeline's own definition."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.starts import definition

DECLARED: list[dict[str, Any]] = [
    {"Name": "Text"},
    {"Name": "Count", "Type": "Integer"},
    {"Name": "Rate", "Type": "Float", "DefaultValue": 0.1},
    {"Name": "Dry", "Type": "Boolean", "DefaultValue": False},
    {"Name": "Size", "Type": "String", "DefaultValue": "", "EnumValues": ["small", "large"]},
]

GOOD = {"Text": "x", "Count": "1"}


class SageMaker:
    """Stands for DescribePipeline, and counts the calls."""

    def __init__(self) -> None:
        self.declared = DECLARED
        self.versions: dict[int | str, list[dict[str, Any]]] = {}
        self.calls = 0

    def describe_pipeline(self, **request: Any) -> dict[str, str]:
        """Return the definition as it is now, or that of a version."""
        self.calls += 1
        version = request.get("PipelineVersionId") or request.get("PipelineVersionAlias", "")
        declared = self.versions.get(version, self.declared)
        return {"PipelineDefinition": json.dumps({"Version": "2020-12-01", "Parameters": declared})}


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> SageMaker:
    """SageMaker with one pipeline, and nothing remembered of it."""
    fake = SageMaker()
    monkeypatch.setattr(aws, "sagemaker", lambda: fake)
    monkeypatch.setattr(definition, "_cache", {})
    return fake


@pytest.mark.parametrize(
    ("changes", "fitted"),
    [
        ({}, {}),
        ({"Count": "-5"}, {"Count": "-5"}),
        ({"Rate": "1e-3"}, {"Rate": "1e-3"}),
        ({"Rate": "2"}, {"Rate": "2"}),
        ({"Dry": "true"}, {"Dry": "True"}),
        ({"Dry": "FALSE"}, {"Dry": "False"}),
        ({"Size": "large"}, {"Size": "large"}),
        ({"Text": "True"}, {"Text": "True"}),
        ({"Text": "two\nlines"}, {"Text": "two\nlines"}),
    ],
)
def test_fitting_values_are_spelt_as_the_sdk_spells_them(
    sagemaker: SageMaker, changes: dict[str, str], fitted: dict[str, str]
) -> None:
    """Only booleans need another spelling, and only where they are declared."""
    assert definition.fit("p", GOOD | changes) == GOOD | fitted
    assert sagemaker.calls == 1


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"Text": "x"}, "parameter Count is missing, and the pipeline has no default for it; give it a value"),
        (GOOD | {"Count": "1.0"}, "parameter Count is '1.0', not a valid Integer; write a whole number"),
        (GOOD | {"Count": "1_000"}, "parameter Count is '1_000', not a valid Integer; write a whole number"),
        (GOOD | {"Count": " 1"}, "parameter Count is ' 1', not a valid Integer; write a whole number"),
        (GOOD | {"Count": "\u0661"}, "parameter Count is '\u0661', not a valid Integer; write a whole number"),
        (GOOD | {"Rate": "nan"}, "parameter Rate is 'nan', not a valid Float; write a number"),
        (GOOD | {"Rate": "x"}, "parameter Rate is 'x', not a valid Float; write a number"),
        (GOOD | {"Dry": "yes"}, "parameter Dry is 'yes', not a valid Boolean; write true or false"),
        (GOOD | {"Size": "medium"}, "parameter Size is 'medium'; the pipeline allows small, large"),
        (
            GOOD | {"text": "x"},
            "parameter text is not declared by the pipeline; it declares Text, Count, Rate, Dry, Size",
        ),
    ],
)
def test_unfitting_values_are_rejected_before_the_call(
    sagemaker: SageMaker, values: dict[str, str], problem: str
) -> None:
    """By name, with what the pipeline would take."""
    with pytest.raises(Rejected) as rejected:
        definition.fit("p", values)
    assert str(rejected.value) == problem
    assert sagemaker.calls == 1


def test_all_misfits_are_reported_at_once(sagemaker: SageMaker) -> None:
    """Nobody fixes one parameter to learn of the next."""
    with pytest.raises(Rejected) as rejected:
        definition.fit("p", {"Count": "x", "Nope": "1"})
    assert str(rejected.value).count("parameter ") == 3
    assert sagemaker.calls == 1


def test_a_definition_is_remembered_for_a_while(sagemaker: SageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst of events asks once; after the time to live it asks again."""
    now = 1000.0
    monkeypatch.setattr("pipeline_triggers.starts.definition.time.monotonic", lambda: now)
    for _ in range(3):
        definition.fit("p", GOOD)
    assert sagemaker.calls == 1
    now += definition.TTL
    definition.fit("p", GOOD)
    assert sagemaker.calls == 2


def test_each_version_is_remembered_with_its_own_definition(sagemaker: SageMaker) -> None:
    """By number or alias, and apart from the latest definition."""
    sagemaker.versions = {2: [{"Name": "Old"}], "blue": [{"Name": "Blue"}]}
    for _ in range(2):
        assert definition.fit("p", {"Old": "x"}, "2") == {"Old": "x"}
        assert definition.fit("p", {"Blue": "x"}, "blue") == {"Blue": "x"}
        assert definition.fit("p", GOOD) == GOOD
    assert sagemaker.calls == 3
    with pytest.raises(Rejected, match="parameter Text is not declared"):
        definition.refit("p", {"Old": "x", "Text": "x"}, "2")


def test_a_definition_that_changed_is_looked_at_again(sagemaker: SageMaker) -> None:
    """A parameter that was added a moment ago is no reason to reject."""
    definition.fit("p", GOOD)
    sagemaker.declared = [*DECLARED, {"Name": "New", "DefaultValue": "x"}]
    assert definition.fit("p", GOOD | {"New": "y"}) == GOOD | {"New": "y"}
    with pytest.raises(Rejected, match="parameter Other is not declared"):
        definition.fit("p", GOOD | {"Other": "y"})
    assert sagemaker.calls == 3


def test_a_pipeline_without_parameters_takes_none() -> None:
    """Its definition may not even have the list."""
    assert definition.parse('{"Version": "2020-12-01", "Steps": []}') == {}
    (problem,) = definition.problems({}, {"A": "b"})
    assert problem == ("A", "is not declared by the pipeline; it declares no parameters")


def test_an_unknown_type_is_left_to_sagemaker() -> None:
    """A type that is newer than this code must not stop anybody."""
    declared = definition.parse('{"Parameters": [{"Name": "A", "Type": "Duration"}]}')
    assert list(definition.problems(declared, {"A": "P1D"})) == []


def test_a_missing_pipeline_rejects_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """No retry makes it."""
    client = boto3.client("sagemaker", region_name="eu-central-1")
    monkeypatch.setattr(aws, "sagemaker", lambda: client)
    monkeypatch.setattr(definition, "_cache", {})
    with Stubber(client) as stubber:
        stubber.add_client_error("describe_pipeline", "ResourceNotFound", "why")
        with pytest.raises(Rejected) as rejected:
            definition.fit("p", {})
    assert str(rejected.value) == "pipeline p does not exist in eu-central-1; create it, or fix the trigger"


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
def test_transient_failures_are_not_rejections(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A grant may not be known everywhere yet, right after a deploy."""
    client = boto3.client("sagemaker", region_name="eu-central-1", config=Config(retries={"total_max_attempts": 1}))
    monkeypatch.setattr(aws, "sagemaker", lambda: client)
    monkeypatch.setattr(definition, "_cache", {})
    with Stubber(client) as stubber:
        stubber.add_client_error("describe_pipeline", code, "why")
        with pytest.raises(ClientError):
            definition.fit("p", {})
