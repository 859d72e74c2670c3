"""What ``collect`` means for an event and for its batch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from pipeline_triggers.batches.manifest import View
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import batch_values
from pipeline_triggers.language.values import evaluate
from pipeline_triggers.models import Collect, Deadline, Occurrence, Part, Start, Trigger, When

UPLOAD = When("s3", {"bucket": "raw", "key": "sales/*/*/_SUCCESS"})
START = (Start("sales-report", {}),)


def uploaded(key: str) -> Occurrence:
    """Return an upload of a key."""
    event = sample(When("s3", {"bucket": "raw", "key": key}))
    assert event
    return event


def trigger(**collect: Any) -> Trigger:
    """Return a trigger that collects uploads."""
    return Trigger("sales/day", UPLOAD, START, collect=Collect(**collect))


def view(**changed: Any) -> dict[str, Any]:
    """Return the fields of a batch."""
    first = {"object": {"key": "sales/2026-11-20/emea/_SUCCESS"}}
    whole = View("id1", "2026-11-20", 2, 10, ("emea",), ("apac",), "s3://raw/sales/", 1, first, first, 3)
    return asdict(whole) | changed


def test_by_and_part_are_computed_of_each_event() -> None:
    """They are texts; without an expression there is one batch, without parts."""
    day = trigger(by="{% $split($object.key, '/')[1] %}", part="{% $split($object.key, '/')[2] %}")
    event = uploaded("sales/2026-11-20/emea/_SUCCESS")
    assert (batch_values.by(day, event), batch_values.part(day, event)) == ("2026-11-20", "emea")
    assert (batch_values.by(trigger(), event), batch_values.part(trigger(), event)) == ("", "")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% $split($object.key, '/')[7] %}", "resolves to nothing on this event"),
        ("{% $substring($object.key, 999) %}", "is empty on this event; guard it"),
        ("{% $pad('', 257, 'x') %}", "has 257 characters on this event; it may have 256"),
    ],
)
def test_a_by_that_is_missing_empty_or_too_long_is_rejected(source: str, reason: str) -> None:
    """The reason names the field and the expression."""
    with pytest.raises(Rejected, match=r"^collect\.by: ") as caught:
        batch_values.by(trigger(by=source), uploaded("a/b"))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, None),
        (3, 3),
        (("emea", "apac"), ("emea", "apac")),
        ("{% $batch.by = '2026-11-20' ? ['emea', 'apac'] : ['emea'] %}", ("emea", "apac")),
        ("{% $batch.by = '2026-11-20' ? ['emea'] : 1 %}", ("emea",)),
        ("{% $batch.by = '2026-11-20' ? 24 : 1 %}", 24),
    ],
)
def test_expect_gives_the_names_of_parts_or_their_number(written: Any, expected: Any) -> None:
    """An expression sees the batch's ``by``."""
    assert batch_values.expect(trigger(expect=written), "2026-11-20") == expected


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("{% 0 %}", "expects 0 parts; a batch expects 1 to 1000"),
        ("{% 1001 %}", "expects 1001 parts; a batch expects 1 to 1000"),
        (
            "{% $map([1..1000], function($n) {$pad($string($n), 60, '€')}) %}",
            "whose names have 174214 bytes",
        ),
        ("{% 1.5 %}", "gives 1.5, which is neither names of parts nor how many there are"),
        ("{% true %}", "gives True, which is neither names of parts nor how many there are"),
        ("{% ['', 'b'] %}", "is empty on this event"),
        ("{% $batch.no %}", "resolves to nothing"),
    ],
)
def test_an_expect_that_can_not_be_met_is_rejected(written: str, reason: str) -> None:
    """A batch expects from one part to a thousand."""
    with pytest.raises(Rejected, match=reason):
        batch_values.expect(trigger(expect=written), "")


def test_a_trigger_with_several_sources_expects_their_names() -> None:
    """The view of each source knows its part."""
    both = Trigger("sales/x", When("all", {}), START, collect=Collect(), all_of={"a": Part(UPLOAD), "b": Part(UPLOAD)})
    assert batch_values.expect(both, "") == ("a", "b")
    assert [batch_values.part(view, uploaded("a/b")) for view in both.views()] == ["a", "b"]


def test_a_monday_asks_for_friday_to_sunday() -> None:
    """``$scheduled.days`` are the dates since the cron's time before, in the cron's zone."""
    deadline = Deadline(cron="0 8 ? * MON-FRI *", timezone="Europe/Berlin", due="{% $scheduled.days %}")
    assert batch_values.due(deadline, "2026-11-23T07:00:00Z") == ("2026-11-20", "2026-11-21", "2026-11-22")
    assert batch_values.due(deadline, "2026-11-24T07:00:00Z") == ("2026-11-23",)


def test_the_values_of_a_batch_see_the_batch_only() -> None:
    """What is empty is left out, so that it resolves to nothing; lists that may be empty are not."""
    batch = batch_values.of_batch(view(manifest="", missing=()))
    assert evaluate("{% $batch.first.object.key %}", batch) == "sales/2026-11-20/emea/_SUCCESS"
    assert evaluate("{% $count($batch.missing) %}", batch) == "0"
    assert batch.depth == 3
    with pytest.raises(Rejected, match="resolves to nothing"):
        evaluate("{% $batch.manifest %}", batch)
    with pytest.raises(Rejected, match="resolves to nothing"):
        evaluate("{% $batch.depth %}", batch)


def test_only_if_decides_whether_a_batch_starts() -> None:
    """Without it, each batch does."""
    batch = batch_values.of_batch(view())
    assert batch_values.starts(trigger(), batch)
    assert not batch_values.starts(trigger(only_if="{% $batch.count > 2 %}"), batch)
    with pytest.raises(Rejected, match=r"^collect\.only_if: .* does not give true or false"):
        batch_values.starts(trigger(only_if="{% $batch.count %}"), batch)
