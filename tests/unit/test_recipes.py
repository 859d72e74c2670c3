"""The recipes of ``docs/triggers.md``: each compiles, and computes what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from pipeline_triggers import catalog, documents, start
from pipeline_triggers import compile as compiler
from pipeline_triggers.conditions import unmet
from pipeline_triggers.events import eventbridge, s3_upload
from pipeline_triggers.models import Trigger

from tests import PROJECT

MONTH_CLOSED = {"id": "i", "detail-type": "Month closed", "source": "acme.shop", "detail": {"month": 3, "orders": 7}}

# Recipe → what is changed in the source's sample, and the values per pipeline.
EXPECTED: dict[str, tuple[dict[str, Any], dict[str, dict[str, str]]]] = {
    "date-partition": (
        {"key": "orders/dt=2026-10-31/part-0.parquet"},
        {"orders": {"Date": "2026-10-31", "Prefix": "s3://raw/orders/dt=2026-10-31/"}},
    ),
    "instance-by-size": ({"key": "big/a/b", "size": 6_000_000_000}, {"train": {"InstanceType": "ml.m5.4xlarge"}}),
    "success-marker": ({"key": "jobs/17/_SUCCESS"}, {"train": {"Folder": "s3://raw/jobs/17"}}),
    "only-real-uploads": ({"key": "in/x.csv"}, {"train": {"InputDataUrl": "s3://raw/in/x.csv"}}),
    "day-and-hour": ({"key": "hourly/x"}, {"train": {"Day": "2026-11-01", "Hour": "04"}}),
    "versioned": ({"key": "models/m.tar.gz", "version-id": None}, {"train": {"Version": "unversioned"}}),
    "train-and-report": (
        {"key": "monthly/october.csv"},
        {"train": {"InputDataUrl": "s3://raw/monthly/october.csv"}, "report": {"Name": "OCTOBER"}},
    ),
    "smoke-test": ({}, {"smoke-test": {"Endpoint": "churn-prod", "Config": "churn-prod-2026-11"}}),
    "failed-training": ({}, {"post-mortem": {"Job": "churn-2026-10", "Reason": "unknown"}}),
    "deploy-approved": (
        {},
        {
            "deploy": {
                "ModelPackageArn": "arn:aws:sagemaker:eu-central-1:123456789012:model-package/churn/7",
                "Version": "7",
            }
        },
    ),
    "evaluate-after-training": (
        {},
        {
            "evaluate": {
                "Execution": "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/churn-training"
                "/execution/u6m0hbf4ttq2"
            }
        },
    ),
    "retrain-on-drift": ({}, {"train": {"Endpoint": "churn-prod", "Reason": "Threshold crossed: 0.31 > 0.1"}}),
    "order-closed": ({}, {"orders": {"Month": "03"}}),
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Trigger]:
    """The recipes' triggers by name."""
    directory = tmp_path_factory.mktemp("recipes")
    text = (PROJECT / "docs" / "triggers.md").read_text(encoding="utf-8")
    (recipes,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "owner: recipes" in block]
    (directory / "recipes.yaml").write_text(recipes, encoding="utf-8")
    (directory / "stages.yaml").write_text("dev:\n", encoding="utf-8")
    compiled = compiler.compile_documents(documents.load(directory))
    assert [str(finding) for finding in lint(compiled["stack.yaml"])] == []
    loaded = catalog.load(compiled["triggers.json"], "dev", {})
    return {name.partition("/")[2]: trigger for name, trigger in loaded.items()}


def event_for(trigger: Trigger, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sample of the trigger's source, with changes to the uploaded object."""
    if trigger.when.source == "event":
        return MONTH_CLOSED
    path: Path = PROJECT / "events" / f"{trigger.when.source}.json"
    event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if trigger.when.source == "s3":
        event["detail"]["bucket"]["name"] = "raw"
        s3_object = event["detail"]["object"] | dict(changes)
        event["detail"]["object"] = {name: value for name, value in s3_object.items() if value is not None}
    return event


def test_every_recipe_is_tested(recipes: Mapping[str, Trigger]) -> None:
    """There are at least ten."""
    assert recipes.keys() == EXPECTED.keys()
    assert len(recipes) >= 10


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_computes_what_it_says(recipes: Mapping[str, Trigger], name: str) -> None:
    """On an event that fires it."""
    changes, expected = EXPECTED[name]
    trigger = recipes[name]
    event = event_for(trigger, changes)
    occurrence = s3_upload(event) if trigger.when.source == "s3" else eventbridge(event)
    assert unmet(trigger, occurrence) is None
    runs = [start.plan(trigger, target, occurrence, "stack") for target in range(len(trigger.start))]
    assert {run.pipeline: dict(run.parameters) for run in runs} == expected


def test_only_real_uploads_filters_the_others(recipes: Mapping[str, Trigger]) -> None:
    """Empty files, and copies."""
    trigger = recipes["only-real-uploads"]
    empty = s3_upload(event_for(trigger, {"key": "in/x.csv", "size": 0}))
    assert (unmet(trigger, empty) or "").startswith("if is false")
    copied = event_for(trigger, {"key": "in/x.csv"})
    copied["detail"]["reason"] = "CopyObject"
    assert (unmet(trigger, s3_upload(copied)) or "").startswith("if is false")
