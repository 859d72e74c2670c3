"""``${Name}``: what a stage makes of a trigger."""

from __future__ import annotations

import pytest
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import triggers_json
from pipeline_triggers.language.stages import resolve_trigger
from pipeline_triggers.models import Options, Start, Trigger, When

from tests import PROJECT

PSEUDO_PARAMETERS = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}

TRIGGER = Trigger(
    "team/one",
    When("event", {"pattern": {"source": ["${Name}", 5, None, True], "detail": {"${Name}": [{"prefix": "${Name}-"}]}}}),
    (Start("train-${Name}", {"P": "{% '${Name}' & ${'a': 1}.a %}"}),),
    accept={"Url": "s3://${Name}/**", "Size": ["${Name}", "large"]},
    condition="{% source = '${Name}' %}",
    options=Options(steps=("${Name}",), max_parallel_steps=2),
    description="costs ${Unknown}",
    tags={"${Name}": "${Name}"},
)


def test_every_text_is_resolved_but_keys_and_the_description() -> None:
    """JSONata's own ``${key: value}`` is not a reference."""
    assert resolve_trigger(TRIGGER, {"Name": "dev"}) == Trigger(
        "team/one",
        When("event", {"pattern": {"source": ["dev", 5, None, True], "detail": {"${Name}": [{"prefix": "dev-"}]}}}),
        (Start("train-dev", {"P": "{% 'dev' & ${'a': 1}.a %}"}),),
        accept={"Url": "s3://dev/**", "Size": ["dev", "large"]},
        condition="{% source = 'dev' %}",
        options=Options(steps=("dev",), max_parallel_steps=2),
        description="costs ${Unknown}",
        tags={"${Name}": "dev"},
    )


def test_a_name_without_a_value_is_rejected() -> None:
    """The deployed files are then not of one version."""
    with pytest.raises(Rejected, match=r"\$\{Name\} has no value in this stage"):
        resolve_trigger(TRIGGER, {})


def test_the_compiled_triggers_are_those_that_were_checked() -> None:
    """What a handler reads is what the check saw of the stage."""
    documents = loader.load(PROJECT / "layers" / "triggers")
    triggers = (*documents.triggers, TRIGGER)
    stages = {stage: {**values, "Name": stage} for stage, values in documents.stages.items()}
    for stage, values in stages.items():
        loaded = triggers_json.load(triggers_json.dump(triggers, stages), stage, PSEUDO_PARAMETERS)
        assert list(loaded.values()) == [
            resolve_trigger(trigger, {**values, **PSEUDO_PARAMETERS}) for trigger in triggers
        ]
