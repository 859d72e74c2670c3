"""Events that ``make run`` makes up: the trigger's pattern matches them, and its expressions have values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from ministack.services import eventbridge
from pipeline_triggers.language import sources
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Start, Trigger, When

from tests.localaws import made_up
from tests.localaws.made_up import HOME, NothingFits

TEXTS = st.text("abc-/. 0", min_size=1, max_size=6)
NUMBERS = st.integers(-1000, 1000)


def between(low: int, width: int) -> list[Any]:
    """Return the operand of a numeric range."""
    return [">", low, "<=", low + width]


OPERATORS = st.one_of(
    st.builds(lambda text: {"prefix": text}, TEXTS),
    st.builds(lambda text: {"prefix": {"equals-ignore-case": text}}, TEXTS),
    st.builds(lambda text: {"suffix": text}, TEXTS),
    st.builds(lambda text: {"equals-ignore-case": text}, TEXTS),
    st.builds(lambda text: {"wildcard": f"{text.replace('*', '')}*x"}, st.text("abc", min_size=1, max_size=5)),
    st.builds(lambda low, width: {"numeric": between(low, width)}, NUMBERS, st.integers(1, 50)),
    st.builds(lambda sign, number: {"numeric": [sign, number]}, st.sampled_from(["<", "<=", ">", ">=", "="]), NUMBERS),
    st.builds(lambda words: {"anything-but": words}, st.lists(TEXTS, min_size=1, max_size=3)),
    st.builds(lambda word: {"anything-but": {"prefix": word}}, TEXTS),
    st.sampled_from([{"exists": True}, {"exists": False}, {"cidr": "10.0.0.0/8"}, {"cidr": "10.1.2.3/32"}]),
)
MATCHERS = st.lists(OPERATORS | TEXTS | NUMBERS | st.booleans() | st.none(), min_size=1, max_size=3)
DETAILS = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), MATCHERS, min_size=1),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), MATCHERS | inner, min_size=1),
    max_leaves=4,
)


def event_trigger(detail: Any, **parameters: str) -> Trigger:
    """Return a trigger on a pattern of its own."""
    pattern = {"source": ["acme"], "detail-type": ["Order"], "detail": detail}
    return Trigger("team/one", When("event", {"pattern": pattern}), (Start("train", parameters),))


def is_matched(trigger: Trigger, event: dict[str, Any]) -> bool:
    """Ask the embedded EventBridge whether the trigger's rule matches."""
    pattern = sources.pattern(trigger.when, lambda text: resolve(text, HOME.pseudo_parameters()))
    _, _, body = eventbridge._test_event_pattern({"EventPattern": json.dumps(pattern), "Event": json.dumps(event)})
    answer = json.loads(body)
    if "Result" not in answer:
        reject()  # the embedded AWS refuses the pattern itself
    return bool(answer["Result"])


@given(DETAILS)
def test_the_trigger_s_own_pattern_matches(detail: dict[str, Any]) -> None:
    """Whatever operators it has."""
    trigger = event_trigger(detail)
    assert is_matched(trigger, made_up.event_for(trigger))


@pytest.mark.parametrize(
    "when",
    [
        When("endpoint", {"name": "shop-*", "status": ["UpdateRollbackFailed"]}),
        When("endpoint", {"name": "shop-*", "deployment": ["Creating"]}),
        When("training_job", {"name": "*-nightly", "status": ["Failed"]}),
        When("model_package", {"group": "shop", "approval": ["Rejected"]}),
        When("pipeline", {"name": "shop-*", "status": ["Failed"]}),
        When("alarm", {"name": "shop", "state": ["OK"]}),
        When("drift", {"monitoring_schedule": "shop-*"}),
    ],
    ids=lambda when: when.source,
)
def test_a_source_s_sample_takes_what_the_trigger_asks_for(when: When) -> None:
    """A changed name is changed wherever the event repeats it."""
    trigger = Trigger("team/one", when, (Start("train", {"Kind": "$.detail-type"}),))
    event = made_up.event_for(trigger)
    assert is_matched(trigger, event)
    if when.source in ("endpoint", "training_job", "pipeline"):
        assert ("shop" if when.source != "training_job" else "nightly") in event["resources"][0]


@pytest.mark.parametrize(
    "source",
    [
        "$.detail.order.month",
        "{% detail.amount * 2 %}",
        "{% $substring(detail.day, 0, 4) & detail.order.id %}",
        "{% detail.items[0] & $join(detail.items) %}",
        "{% detail.paid ? 'paid' : 'open' %}",
    ],
)
def test_a_field_that_only_an_expression_names_is_there(source: str) -> None:
    """The pattern says nothing of it."""
    trigger = event_trigger({"month": [{"prefix": "2026-"}]}, Value=source)
    event = made_up.event_for(trigger)
    assert event["detail"]["month"] == "2026-10"
    assert is_matched(trigger, event)


def test_a_failed_job_has_its_reason() -> None:
    """As AWS sends it."""
    when = When("training_job", {"name": "churn-*", "status": ["Failed"]})
    trigger = Trigger("team/one", when, (Start("train", {"Reason": "{% $job.failure_reason %}"}),))
    assert made_up.event_for(trigger)["detail"]["FailureReason"]


@pytest.mark.parametrize("source", ["{% $substring(detail.text, 20) %}", "{% $.nowhere.to.be.found %}"])
def test_an_unmatchable_pattern_is_reported(source: str) -> None:
    """Instead of failing for what was made up."""
    with pytest.raises(NothingFits, match="parameter Value"):
        made_up.event_for(event_trigger({"month": ["2026-10"]}, Value=source))


def test_the_keys_of_tags_that_expressions_name_are_known() -> None:
    """An upload then has them."""
    values = {"A": "{% $object.tags.project & $object.metadata.`x-team` %}", "B": "{% $object.size %}"}
    trigger = Trigger("team/one", When("s3", {"bucket": "raw"}), (Start("train", values),))
    assert made_up.used_keys(trigger, "tags") == {"project"}
    assert made_up.used_keys(trigger, "metadata") == {"x-team"}
