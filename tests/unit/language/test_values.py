"""Parameter values: how each form is computed and spelt, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.documents import value_check
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.language import jsonata, values
from pipeline_triggers.models import Occurrence, When


def occurrence(**event: Any) -> Occurrence:
    """Return an occurrence of an event, with its ``object`` bound to ``$object``."""
    return Occurrence("id", "subject", ("identity",), event, {"object": event.get("object", {})})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("20", "20"),
        ("NO", "NO"),
        ("1.10", "1.10"),
        ("$5", "$5"),
        ("$.a", "text"),
        ("$.b.c[1]", "second"),
        ("$.with-dash.with_underscore", "x"),
        ("$.yes", "True"),
        ("$.int", "5"),
        ("$.whole", "20"),
        ("$.float", "0.1"),
        ("{% a & '!' %}", "text!"),
        ("{% 1 + 1 %}", "2"),
        ("{% 3 / 2 %}", "1.5"),
        ("{% int > 4 %}", "True"),
        ("{% $object.size > 5e9 ? 'big' : 'small' %}", "small"),
        ("{%\n  $exists(nothing)\n    ? nothing\n    : 'fallback'\n%}", "fallback"),
    ],
)
def test_a_value_is_spelt_as_the_sagemaker_sdk_spells_it(source: str, expected: str) -> None:
    """Texts as they are, booleans as True and False, whole numbers without a fraction."""
    event = occurrence(
        a="text",
        b={"c": ["first", "second"]},
        yes=True,
        int=5,
        whole=20.0,
        float=0.1,
        object={"size": 1},
        **{"with-dash": {"with_underscore": "x"}},
    )
    assert values.evaluate(source, event) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("$.nothing", "resolves to nothing"),
        ("$.list[7]", "resolves to nothing"),
        ("$.list.name", "resolves to nothing"),
        ("$.null", "resolves to nothing"),
        ("{% nothing %}", "resolves to nothing"),
        ("$.list", "gives a list, not one value"),
        ("$.several[*]", "gives 2 values on this event, not one; name one, as in [0]"),
        ("$.surrogate", "holds half a surrogate pair on this event"),
        ("{% {'a': 1} %}", "gives an object, not one value"),
        ("{% $uppercase %}", "does not give text, a finite number"),
        ("{% 'a' + 1 %}", "can't be evaluated on this event"),
        ("{% $number('x') %}", "can't be evaluated on this event"),
        ("{% $uppercase(5) %}", "calls $uppercase with a number, which it does not accept"),
        ("$.empty", "is empty on this event"),
        ("$.long", "has 1025 characters on this event"),
        ("$.huge", "does not give text, a finite number"),
    ],
)
def test_invalid_values_are_rejected_with_the_reason(source: str, reason: str) -> None:
    """An event that a parameter can't be computed from starts nothing."""
    event = occurrence(
        list=[1], null=None, empty="", long="x" * 1025, huge=float("inf"), several=[1, 2], surrogate="\ud800"
    )
    event = replace(event, event={**event.event, "surrogate": "\ud800"})
    with pytest.raises(Rejected) as rejected:
        values.evaluate(source, event)
    assert reason in str(rejected.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.items[*].id", "7"),
        ("$.items[1].*", "7"),
        ("$.*[1].id", "7"),
        ("$.by-name.a/b", "slash"),
        ("$.nested[0][1]", "b"),
    ],
)
def test_a_path_has_eventbridge_s_syntax(path: str, value: str) -> None:
    """Dots, dashes, slashes, indices and wildcards; of a wildcard's values one must be there."""
    event = occurrence(items=[{"name": None}, {"id": 7}], nested=[["a", "b"]], **{"by-name": {"a/b": "slash"}})
    assert values.evaluate(path, event) == value


def test_the_longest_value_is_accepted() -> None:
    """SageMaker takes 1,024 characters."""
    assert values.evaluate("$.a", occurrence(a="x" * 1024)) == "x" * 1024


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "is empty"),
        ("{% 1 + %}", "is not a valid JSONata expression: Unexpected end of expression (at character"),
        ("{% a", "has {% or %} inside; write {% … %} around the whole value"),
        ("s3://b/{% $object.key %}", "has {% or %} inside"),
        (" {% $object.key %}", "has {% or %} inside"),
        ("'s3://' & $object.key %}", "has {% or %} inside"),
        ("$$.detail.x", "looks like a path or a variable"),
        ("$[0]", "looks like a path or a variable"),
        (" $.detail.x", "looks like a path or a variable; write {% $.detail.x %}"),
        ("$detail.x", "looks like a path or a variable; write {% $detail.x %}, or {% '$detail.x' %} for the text"),
        ("$.a b", "is not a JSONPath"),
        ("$.a[x]", "is not a JSONPath"),
        ("$.a..b", "is not a JSONPath"),
        ("x" * 1025, "has 1025 characters"),
        ("$.detail.bukcet", "leads to nothing"),
        ("$.*.bukcet", "leads to nothing"),
        ("{% detail.bukcet.name %}", "uses detail.bukcet, which such an event does not have"),
        ("{% $object.kye & 'x' %}", "uses $object.kye, which such an event does not have"),
        ("{% $objekt.key %}", "uses $objekt, which is not a variable here; use $object"),
        ("{% $uppercase($object.size) %}", "calls $uppercase with a number, which it does not accept; convert"),
        ("{% $now() %}", "uses $now, which differs on a retry"),
    ],
)
def test_a_wrong_value_is_found_before_it_runs(source: str, problem: str) -> None:
    """The check says what is wrong with a value as it stands in the document."""
    assert problem in (value_check.check(source, sample(When("s3", {}))) or "")


@pytest.mark.parametrize(
    "source",
    [
        "{% $split($object.key, '/')[7] %}",
        "{% $number($object.name) %}",
        "{% $exists(detail.nope) ? detail.nope : 'none' %}",
        "{% $object.version_id %}",
        "$.detail.object.version-id",
        "{% resources[0] %}",
        "$.resources[*]",
        "$.detail.*.name",
    ],
)
def test_values_that_depend_on_the_event_are_accepted(source: str) -> None:
    """A key may have more segments than the sample's, and a guarded path may be missing."""
    assert value_check.check(source, sample(When("s3", {}))) is None


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_key_passes_unchanged(key: str) -> None:
    """Nothing of an object's key is decoded, escaped or interpreted on its way into a parameter."""
    uploaded = eventbridge.read({"id": "i", "detail": {"bucket": {"name": "b"}, "object": {"key": key}}}, "s3")
    assert values.evaluate("$.detail.object.key", uploaded) == key
    assert values.evaluate("{% $object.key %}", uploaded) == key
    assert values.evaluate("{% $object.uri %}", uploaded) == f"s3://b/{key}"


def test_an_event_is_made_ready_once_for_all_its_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copying and measuring it for each of them took a fifth of a second at 250 KB; what is bound later is added."""
    made_ready: list[Any] = []
    ready = jsonata.ready

    def counted(value: Any, known: Any, depth: int) -> Any:
        if depth == 0:
            made_ready.append(value)
        return ready(value, known, depth)

    monkeypatch.setattr(jsonata, "ready", counted)
    event = occurrence(object={"size": 1}, a="x")
    for number in range(5):
        assert values.evaluate(f"{{% a & $object.size & {number} %}}", event) == f"x1{number}"
    looked_up = replace(event, bindings={**event.bindings, "job": {"name": "j"}})
    assert values.evaluate("{% a & $job.name %}", looked_up) == "xj"
    assert made_ready == [event.event, {"size": 1}, {"name": "j"}]


def test_the_expressions_of_one_event_share_a_budget() -> None:
    """A message with many of them can't take longer than one that has a single one."""
    event = occurrence(items=list(range(1000)))
    sources = [f"{{% $sum($map(items, function($i) {{ $i + {number} }})) %}}" for number in range(50)]
    assert values.evaluate(sources[0], event) == "499500"
    with pytest.raises(Rejected, match="does more work than the expressions on one message may do"):
        list(map(values.evaluate, sources, [event] * len(sources)))
