"""Which events a trigger admits: by the fields of its ``when``, and by its ``if``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pipeline_triggers.delivery.admission import admitted
from pipeline_triggers.documents import value_check
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.models import Occurrence, Start, Trigger, When

from tests import PROJECT

WHEN = When("training_job", {"status": ["Completed"]})


def job(tags: dict[str, Any] | None) -> Occurrence:
    """Return the end of a training job with these tags."""
    event = json.loads((PROJECT / "events" / "training_job.json").read_text(encoding="utf-8"))
    del event["detail"]["Tags"]
    return eventbridge.read(
        {**event, "detail": {**event["detail"], **({"Tags": tags} if tags else {})}}, "training_job"
    )


@pytest.mark.parametrize(
    ("condition", "tags", "is_met"),
    [
        ("$job.tags.project = 'sales'", {"project": "sales"}, True),
        ("$job.tags.project = 'sales'", {"project": "churn"}, False),
        ("$job.tags.project = 'sales'", {"team": "sales"}, False),
        ("$job.tags.project = 'sales'", None, False),
        ("'sales' = $job.tags.project", None, False),
        ("$job.tags.project != 'sales'", None, False),
        ("$job.tags.priority > '3'", None, False),
        ("'3' <= $job.tags.priority", None, False),
        ("$job.tags.project in ['sales']", None, False),
        ("$job.tags.project = 'sales' or $job.status = 'Completed'", None, True),
        ("$job.tags.project = 'sales' and $job.status = 'Completed'", None, False),
        ("$job.status = 'Completed' and $not($job.tags.project = 'sales')", None, True),
        ("$job.tags.project = 'sales' ? true : false", None, False),
        ("$exists($job.tags.project) and $job.tags.project = 'sales'", None, False),
    ],
)
def test_a_comparison_with_something_missing_is_false(
    condition: str, tags: dict[str, Any] | None, is_met: bool
) -> None:
    """An untagged job is not an error: it is an event that the trigger does not ask for."""
    trigger = Trigger("team/one", WHEN, (Start("p", {}),), condition=f"{{% {condition} %}}")
    assert value_check.check_condition(trigger.condition or "", sample(WHEN)) is None
    if is_met:
        assert admitted(trigger, job(tags))
    else:
        with pytest.raises(Filtered, match="condition not met"):
            admitted(trigger, job(tags))


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("detial.TrainingJobStatus = 'Completed'", "; detial.TrainingJobStatus is missing on this event"),
        ("$job.name = 'x' or $job.tags.a = $job.tags.b", "; $job.tags.a and $job.tags.b are missing on this event"),
        ("$job.tags.a = 1 or 2 in $job.tags.a", "; $job.tags.a is missing on this event"),
        ("$job.name = 'x'", ""),
        ("$exists($job.tags.a)", ""),
    ],
)
def test_a_condition_that_is_not_met_names_what_is_not_there(condition: str, reason: str) -> None:
    """A mistyped path would else filter every event without a word."""
    trigger = Trigger("team/one", WHEN, (Start("p", {}),), condition=f"{{% {condition} %}}")
    with pytest.raises(Filtered) as filtered:
        admitted(trigger, job(None))
    assert str(filtered.value) == f"condition not met: {{% {condition} %}}{reason}"


@pytest.mark.parametrize("condition", ["'a' & $job.tags.project = 'a'", "$job.tags.count + 1 > 2"])
def test_a_value_that_is_computed_from_something_missing_rejects(condition: str) -> None:
    """It would compare something else than the document means."""
    trigger = Trigger("team/one", WHEN, (Start("p", {}),), condition=f"{{% {condition} %}}")
    with pytest.raises(Rejected, match="needs "):
        admitted(trigger, job(None))


@pytest.mark.parametrize(
    ("cron", "time", "days"),
    [
        ("30 0 * * ? *", "2026-11-22T23:30:00Z", ["2026-11-22"]),  # the 23rd in Berlin
        ("0 8 ? * MON-FRI *", "2026-11-23T07:00:00Z", ["2026-11-20", "2026-11-21", "2026-11-22"]),
        ("30 2 * * ? *", "2027-03-29T00:30:00Z", ["2027-03-27", "2027-03-28"]),  # on the 28th there is no 02:30
        ("0 8,20 * * ? *", "2026-11-23T07:00:00Z", None),
        ("0 8 23 11 ? 2026", "2026-11-23T07:00:00Z", None),
    ],
)
def test_a_schedule_knows_the_days_since_its_previous_time(cron: str, time: str, days: list[str] | None) -> None:
    """Where it fires once a day, and had one."""
    detail = {"trigger": "team/one", "timezone": "Europe/Berlin"}
    event = {"id": "1", "time": time, "resources": ["arn"], "detail": detail}
    trigger = Trigger("team/one", When("schedule", {"cron": cron, "timezone": "Europe/Berlin"}), ())
    occurrence = admitted(trigger, eventbridge.read(event, "schedule"))
    assert occurrence.bindings["scheduled"].get("days") == days
