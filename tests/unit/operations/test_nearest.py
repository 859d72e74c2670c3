"""The triggers that come near to an event that none of them gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.operations.nearest import SHOWN, nearest, upload


def trigger(name: str, /, source: str = "s3", **fields: object) -> Trigger:
    """Return a trigger on a source."""
    return Trigger(f"team/{name}", When(source, fields), (Start("train", {}),))


CHURN = trigger("churn", bucket="raw", key="churn/*/data.csv")


@pytest.mark.parametrize(
    ("uri", "why_not"),
    [
        ("raw/churn/2026/x/data.csv", ["its key is churn/*/data.csv"]),
        ("raw-dev/churn/2026/data.csv", ["its bucket is raw"]),
        ("other/notes.txt", ["its bucket is raw, its key is churn/*/data.csv"]),
        ("raw/churn/2026/data.csv", []),
    ],
)
def test_each_difference_is_named(uri: str, why_not: list[str]) -> None:
    """What matches is not near but there."""
    bucket, _, key = uri.partition("/")
    assert [near.why_not for near in nearest([CHURN], upload(bucket, key))] == why_not


def test_the_nearest_comes_first() -> None:
    """Fewer differences, then the longer common beginning; three are shown."""
    triggers = [
        trigger("nothing", bucket="b", key="c"),
        trigger("folder", bucket="raw", key="churn/2026/*.csv"),
        trigger("root", bucket="raw", key="*.csv"),
        trigger("disabled", bucket="raw"),
    ]
    triggers[-1] = replace(triggers[-1], enabled=False)
    near = nearest(triggers, upload("raw", "churn/2026/x.txt"))
    assert [one.trigger.id for one in near] == ["team/disabled", "team/folder", "team/root"]
    assert len(near) == SHOWN


def test_only_triggers_on_events_of_its_kind_come_near() -> None:
    """Of a pattern nobody can say how near it came, of a monitor's job only the handler knows its schedule."""
    others = [
        trigger("pattern", "event", pattern={"source": ["x"]}),
        trigger("topic", "sns", topic="arn:aws:sns:eu-central-1:123456789012:t"),
        trigger("drift", "drift", monitoring_schedule="m"),
        trigger("alarm", "alarm", name="a", state=["ALARM"]),
        trigger("nightly", "schedule", rate="1 day"),
    ]
    assert nearest(others, upload("raw", "x")) == []
