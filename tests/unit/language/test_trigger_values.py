"""``$trigger``: a run knows what it was started for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from pipeline_triggers.batches.manifest import View
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.language import batch_values
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.starts.plan import plan

from tests.unit.documents.checking import GOOD, HEAD, problems

WHEN = When("s3", {"bucket": "raw"})
FIELDS = ("id", "event_id", "subject")


def test_an_event_s_start_has_the_trigger_the_event_and_its_subject() -> None:
    """The same words as in the verdict, so that each leads to the other."""
    event = sample(WHEN)
    assert event
    trigger = Trigger("team/one", WHEN, (Start("train", {name: f"{{% $trigger.{name} %}}" for name in FIELDS}),))
    expected = {"id": "team/one", "event_id": event.event_id, "subject": event.subject}
    assert plan(trigger, 0, event, "stack").parameters == expected


def test_a_batch_s_start_has_its_batch() -> None:
    """Its id is also the event's."""
    view = View("b-1", "day", 2, 10, (), (), "", 1, {}, {}, 0)
    batch = batch_values.of_batch(asdict(view))
    names = (*FIELDS, "batch")
    trigger = Trigger("team/one", WHEN, (Start("train", {name: f"{{% $trigger.{name} %}}" for name in names}),))
    expected = {"id": "team/one", "event_id": "b-1", "subject": "batch b-1", "batch": "b-1"}
    assert plan(trigger, 0, batch, "stack").parameters == expected


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('parameters: {A: "{% $trigger.subject %}"}', None),
        ('display_name: "{% $trigger.id %}"', None),
        ('parameters: {A: "{% $trigger.batch %}"}', "uses $trigger.batch, which such an event does not have"),
        ("if: \"{% $trigger.id = 'a' %}\"", "uses $trigger, which is not a variable here; use $object"),
        ('dedupe: "{% $trigger.id %}"', "uses $trigger, which is not a variable here; use $object"),
    ],
)
def test_it_is_for_the_values_of_a_start(tmp_path: Path, option: str, problem: str | None) -> None:
    """What decides about an event comes before, and would be the same on every event."""
    found = problems(tmp_path, HEAD + GOOD + f"    {option}\n")
    assert [(problem or "-") in one for one in found] == ([True] if problem else [])
