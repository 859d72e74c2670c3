"""The recipes of ``docs/triggers.md``: each compiles, and computes what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.delivery.admission import match_fields, meet_condition
from pipeline_triggers.delivery.requests import targets
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.errors import Filtered
from pipeline_triggers.events import eventbridge
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.starts.plan import plan

from tests import PROJECT
from tests.effort import CFN_LINT
from tests.localaws.scenarios import ALARM
from tests.tools.templates import findings

pytestmark = CFN_LINT

ACCOUNT = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
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
    "failed-training": (
        {},
        {"post-mortem": {"Job": "churn-2026-10", "Reason": "ClientError: the data could not be read"}},
    ),
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
    "retrain-on-violations": (
        {},
        {
            "train": {
                "Violations": "s3://acme-monitoring/churn-prod/2026/11/01/03/constraint_violations.json",
                "Count": "2",
            }
        },
    ),
    "drift-by-topic": ({}, {"train": {"Schedule": "churn-prod", "Reason": "Threshold crossed: 0.31 > 0.1"}}),
    "one-per-environment": (
        {"key": "in/x.csv"},
        {"train-dev": {"InputDataUrl": "s3://acme-dev-raw/in/x.csv", "Environment": "dev"}},
    ),
    "once-per-content": ({"key": "drop/x"}, {"train": {"InputDataUrl": "s3://raw/drop/x"}}),
    "requests": (
        {},
        {
            "train": {
                "InstanceType": "ml.m5.large",
                "RequestId": "c1d7a4be-2f3a-5c91-9a52-f0a1b7f3d6a9",
                "InputDataUrl": "s3://raw/churn/2026-10/data.csv",
            }
        },
    ),
    "upload-by-topic": ({}, {"train": {"InputDataUrl": "s3://acme-raw-dev/churn/2026-10/März 100%.csv"}}),
    "evaluate-again": ({"key": "tests/x.csv"}, {"train": {"TestDataUrl": "s3://raw/tests/x.csv"}}),
    "order-closed": ({}, {"orders": {"Month": "03"}}),
    "straight": ({"key": "straight/x"}, {"train": {"Key": "straight/x", "InstanceType": "ml.m5.large"}}),
    "nightly": ({}, {"train": {"Date": "2026-10-31"}}),
    "last-friday": ({}, {"report": {"Name": "2026-11"}}),
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Trigger]:
    """The recipes' triggers by name."""
    directory = tmp_path_factory.mktemp("recipes")
    text = (PROJECT / "docs" / "triggers.md").read_text(encoding="utf-8")
    (recipes,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "owner: recipes" in block]
    (directory / "recipes.yaml").write_text(recipes, encoding="utf-8")
    (directory / "stages.yaml").write_text("dev: {Environment: dev}\n", encoding="utf-8")
    compiled = compiler.compile_documents(loader.load(directory))
    assert findings(compiled["stack.yaml"]) == []
    loaded = triggers_json.load(compiled["triggers.json"], "dev", ACCOUNT)
    return {name.partition("/")[2]: trigger for name, trigger in loaded.items()}


def happened(trigger: Trigger, changes: Mapping[str, Any]) -> Occurrence:
    """Return the sample of the trigger's source, with changes to the uploaded object, or what a publisher asks for."""
    found = sample(trigger.when)
    if found is None:
        return eventbridge.read(MONTH_CLOSED, "event")
    if found.request:
        requested = {"InputDataUrl": "s3://raw/churn/2026-10/data.csv"}
        return replace(found, request=replace(found.request, pipeline="train", parameters=requested))
    if trigger.id == "recipes/drift-by-topic":
        arn = trigger.when.fields["topic"]
        notification = {"Type": "Notification", "MessageId": "m", "TopicArn": arn, "Message": json.dumps(ALARM)}
        return from_topic("own", json.dumps(notification), {trigger.id: trigger})[0].occurrence()
    event = json.loads(json.dumps(found.event))
    if trigger.when.source != "s3":
        return found
    event["detail"]["bucket"]["name"] = trigger.when.fields["bucket"]
    event["detail"]["reason"] = changes.get("reason", event["detail"]["reason"])
    s3_object = event["detail"]["object"] | dict(changes)
    event["detail"]["object"] = {name: value for name, value in s3_object.items() if value is not None}
    return eventbridge.read(event, "s3")


def test_every_recipe_is_tested(recipes: Mapping[str, Trigger]) -> None:
    """There are at least ten."""
    assert recipes.keys() == EXPECTED.keys()
    assert len(recipes) >= 10


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_computes_what_it_says(recipes: Mapping[str, Trigger], name: str) -> None:
    """On an event that fires it."""
    changes, expected = EXPECTED[name]
    trigger = recipes[name]
    occurrence = happened(trigger, changes)
    match_fields(trigger, occurrence)
    meet_condition(trigger, occurrence)
    runs = [plan(trigger, target, occurrence, "stack") for target in targets(trigger, occurrence)]
    assert {run.pipeline: dict(run.parameters) for run in runs} == expected


def test_only_real_uploads_filters_the_others(recipes: Mapping[str, Trigger]) -> None:
    """Empty files, and copies."""
    trigger = recipes["only-real-uploads"]
    empty = happened(trigger, {"key": "in/x.csv", "size": 0})
    copied = happened(trigger, {"key": "in/x.csv", "reason": "CopyObject"})
    for occurrence in (empty, copied):
        with pytest.raises(Filtered, match="condition not met"):
            meet_condition(trigger, occurrence)


def test_evaluate_again_runs_one_step_on_a_known_execution(recipes: Mapping[str, Trigger]) -> None:
    """The options reach the call."""
    trigger = recipes["evaluate-again"]
    options = plan(trigger, 0, happened(trigger, {"key": "tests/x.csv"}), "stack").options
    known = (
        f"arn:aws:sagemaker:{ACCOUNT['AWS::Region']}:{ACCOUNT['AWS::AccountId']}:pipeline/train/execution/u6m0hbf4ttq2"
    )
    selected = [{"StepName": "Evaluate"}]
    assert options["SelectiveExecutionConfig"] == {"SelectedSteps": selected, "SourcePipelineExecutionArn": known}
    assert options["PipelineExecutionDisplayName"] == "evaluation-of-x-csv"
