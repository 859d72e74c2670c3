"""The recipes of ``docs/triggers.md``: each compiles, and its examples say what it computes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations import examples
from pipeline_triggers.operations.examples import Result
from pipeline_triggers.starts.plan import plan

from tests import PROJECT
from tests.effort import CFN_LINT
from tests.tools.templates import findings
from tests.unit.documents import recipes

pytestmark = CFN_LINT

ACCOUNT = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
SHIPPED = "shipped"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Documents]:
    """The recipes' documents by their owner, and those that the project ships."""
    loaded = {SHIPPED: loader.load(PROJECT / "layers" / "triggers")}
    for team in recipes.STAGES:
        directory = tmp_path_factory.mktemp(team)
        recipes.write(directory, team)
        loaded[team] = loader.load(directory)
    return loaded


@pytest.fixture(scope="module")
def compiled(documents: Mapping[str, Documents]) -> Mapping[str, Trigger]:
    """The recipes' triggers by name, as the handlers read them."""
    files = compiler.compile_documents(documents["recipes"])
    assert findings(files["stack.yaml"]) == []
    loaded = triggers_json.load(files["triggers.json"], "dev", ACCOUNT)
    return {name.partition("/")[2]: trigger for name, trigger in loaded.items()}


@pytest.mark.parametrize("team", [SHIPPED, *recipes.STAGES])
def test_every_trigger_has_an_example_that_it_meets(documents: Mapping[str, Documents], team: str) -> None:
    """In the recipes and in the documents that the project ships; at least one example starts something."""
    played: dict[str, list[Result]] = {trigger.id: [] for trigger in documents[team].triggers}
    for result in examples.play(documents[team], "dev", examples.offline()):
        played[result.example.trigger].append(result)
    assert {result.difference for results in played.values() for result in results} == {""}
    without = {name for name, results in played.items() if not any(one.came.outcome == "starts" for one in results)}
    assert without == {"batch-recipes/hours-of-a-day"} & played.keys()  # it starts with 24 events


def test_evaluate_again_runs_one_step_on_a_known_execution(compiled: Mapping[str, Trigger]) -> None:
    """The options reach the call."""
    trigger = compiled["evaluate-again"]
    occurrence = sample(trigger.when)
    assert occurrence
    options = plan(trigger, 0, occurrence, "stack").options
    known = (
        f"arn:aws:sagemaker:{ACCOUNT['AWS::Region']}:{ACCOUNT['AWS::AccountId']}:pipeline/train/execution/u6m0hbf4ttq2"
    )
    selected = [{"StepName": "Evaluate"}]
    assert options["SelectiveExecutionConfig"] == {"SelectedSteps": selected, "SourcePipelineExecutionArn": known}
    assert options["PipelineExecutionDisplayName"] == "evaluation-of-2026-10-csv"
