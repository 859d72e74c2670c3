"""Who reads the manifest of a batch, against moto's SageMaker and STS."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.models import Collect, Start, Trigger, When
from pipeline_triggers.operations import check_manifests

ROLE = "arn:aws:iam::123456789012:role/pipeline"
OWN = "arn:aws:iam::123456789012:role/training"
UPLOAD = When("s3", {"bucket": "${Bucket}", "key": "in/*"})
MANIFEST = {"Get": "Parameters.Manifest"}


@pytest.fixture(autouse=True)
def the_account(empty_account: None) -> None:
    """An empty account."""


def training(data_type: str, uri: Any = MANIFEST, **arguments: Any) -> dict[str, Any]:
    """Return a training step as the SDK writes it."""
    source = {"S3DataType": data_type, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    return {"Name": "Train", "Type": "Training", "Arguments": {**arguments, "InputDataConfig": channels}}


def warned(*steps: Any, value: str = "{% $batch.manifest %}") -> list[str]:
    """Return what is to be seen to, for a pipeline with these steps."""
    definition = json.dumps({"Version": "2020-12-01", "Steps": steps})
    boto3.client("sagemaker").create_pipeline(
        PipelineName="train", PipelineDefinition=definition, RoleArn=ROLE, ClientRequestToken="t" * 32
    )
    trigger = Trigger("team/one", UPLOAD, (Start("train", {"Manifest": value}),), collect=Collect())
    found = check_manifests.warnings(Documents((trigger,), {"dev": {"Bucket": "raw-dev"}}), "dev")
    assert {(problem.field, problem.severity) for problem in found} <= {("triggers.one.parameters.Manifest", "warning")}
    return [problem.message for problem in found]


def needs(role: str) -> str:
    """Return what a role has to be able to do."""
    return f"{role} must be able to read bucket raw-dev, the stack's BatchBucket, and their KMS keys"


def test_a_step_that_takes_the_manifest_for_the_data_is_named() -> None:
    """The step's own role has to read the data, else the pipeline's."""
    prefix, manifest = training("S3Prefix"), training("ManifestFile", RoleArn=OWN)
    assert warned(prefix, manifest) == [
        "step Train of train reads it as S3DataType S3Prefix, so it would take the manifest itself for the data; "
        "write ManifestFile there",
        needs(ROLE),
        needs(OWN),
    ]


def test_a_step_in_a_branch_is_looked_at_too() -> None:
    """Conditions hold steps of their own; a parameter may be part of a joined text."""
    joined = {"Std:Join": {"On": "/", "Values": ["s3:/", MANIFEST]}}
    steps = {"IfSteps": [training("S3Prefix", uri=joined, RoleArn=OWN)], "ElseSteps": []}
    first, second = warned({"Name": "Check", "Type": "Condition", "Arguments": {"Conditions": [], **steps}})
    assert first.startswith("step Train of train reads it as S3DataType S3Prefix")
    assert second == needs(OWN)


def test_what_reads_something_else_is_left_alone() -> None:
    """The pipeline's role is named where no step shows who reads the manifest."""
    assert warned(training("S3Prefix", uri={"Get": "Parameters.Data"})) == [needs(ROLE)]


def test_a_parameter_that_is_not_a_manifest_needs_nothing() -> None:
    """A folder is read as S3Prefix."""
    assert warned(training("S3Prefix"), value="{% $batch.prefix %}") == []
