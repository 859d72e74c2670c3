"""JSONata: what may run, what is bounded, and what is missing."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata import compile_expression, rules
from pipeline_triggers.language.jsonata.rules import ExpressionError

EVENT: dict[str, Any] = {
    "time": "2026-11-01T04:12:09Z",
    "detail": {
        "key": "a/b/c.csv",
        "size": 7,
        "items": [{"name": "x", "value": 1}, {"name": "y", "value": 2}],
        "empty": [],
    },
}


def evaluate(source: str, event: dict[str, Any] | None = None) -> Any:
    """Compile and evaluate an expression."""
    return compile_expression(source).evaluate(EVENT if event is None else event, {"object": {"key": "k"}})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("$split(detail.key, '/')[1]", "b"),
        ("detail.items[name = 'y'].value", 2),
        ("$join($map(detail.items, function($item) { $uppercase($item.name) }), '-')", "X-Y"),
        ("$filter(detail.items, function($item) { $item.value > 1 }).name", "y"),
        ("($parts := $split(detail.key, '/'); $parts[0] & $parts[1])", "ab"),
        ("detail.key ~> $substringAfter('a/')", "b/c.csv"),
        ("$fromMillis($toMillis(time), '[Y0001]-[M01]-[D01]')", "2026-11-01"),
        ("$exists(detail.nothing) ? detail.nothing : 'none'", "none"),
        ("$exists(detail.nothing) and detail.nothing > 1", False),
        ("$replace(detail.key, '/', '_')", "a_b_c.csv"),
        ("$pad($string(detail.size), -3, '0')", "007"),
        ("$formatNumber(detail.size, '000')", "007"),
        ("$sum(detail.items.value)", 3),
        ("detail.items[other = 1]", None),
        ("$count(detail.empty)", 0),
    ],
)
def test_what_the_recipes_need_works(source: str, expected: Any) -> None:
    """Splitting, choosing, formatting, guarding: with JSONata's own meaning."""
    assert evaluate(source) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("$now()", "$now, which differs on a retry"),
        ("$millis()", "$millis, which differs on a retry"),
        ("$random()", "$random, which differs on a retry"),
        ("$shuffle([1, 2])", "$shuffle, which differs on a retry"),
        ("$eval('1')", "$eval, which runs what was never checked"),
        ("($f := $now; 1)", "$now, which differs on a retry"),
        ("$map([1], $now)", "$now, which differs on a retry"),
        ("detail.key ~> $now", "$now, which differs on a retry"),
        ("$contains(detail.key, /(a+)+b/)", "a regular expression can take exponential time"),
        ("$match(detail.key, 'a')", "$match, which takes a regular expression"),
        ("[1..5000000]", "has a range that is not between two numbers, at most 1000 apart"),
        ("[1..detail.size]", "has a range that is not between two numbers"),
        ("($f := function($n) { $f($n) }; $f(1))", "uses a function as a value, which only"),
        ("function($x) { $x }", "uses a function as a value, which only"),
        ("$map([1], function($f) { $f($f) })", "calls $f, which is not a function that can be called here"),
        ("$map([1], function($string) { $string(1) })", "redefines $string, the name of a function"),
        ("($uppercase := 1)", "redefines $uppercase, the name of a function"),
        ("($__evaluate_exit := 1)", "the name of a function; choose another name"),
        ("($a := $uppercase; $a('x'))", "calls $a, which is not a function that can be called here"),
        ("($uppercase)('x')", "calls a computed value, which is not a function that can be called here"),
        ("$nope(1)", "calls $nope, which is not a function that can be called here"),
        ("$pad('x', 1000000000)", "gives $pad an argument 2 that is not a literal of at most 100"),
        ("$pad('x', detail.size)", "gives $pad an argument 2 that is not a literal"),
        ("$replace('aaa', 'a', detail.key)", "gives $replace an argument 3 that is not a literal"),
        ("$power(10, 1000)", "$power, which can grow without bound"),
        ("$toMillis('12:00', '[H]:[m]')", "gives $toMillis too many arguments: it takes 1 argument here"),
        (
            "$formatNumber(1, '0', {'exponent-separator': '(a+)+b'})",
            "gives $formatNumber too many arguments: it takes 2 arguments here",
        ),
        ("$spread(detail.items)", "$spread, which takes time by the square of what it gets"),
        ("detail.items@$x.detail.items@$y", "uses @ or #, which are not supported"),
        ("detail.items#$i", "uses @ or #, which are not supported"),
        ("$substring(?, 1)", "partial application is not supported"),
        ("detail ~> |$|{'a': 1}|", "the transform operator is not supported"),
        ("detail.items.(%.key)", "the parent operator is not supported"),
        ("x" * 4097, "has 4097 characters; write 4096 at most"),
        ("[" * 101 + "1" + "]" * 101, "is nested deeper than 100 levels"),
        ("1 +", "is not a valid JSONata expression: Unexpected end of expression"),
        ("", "is not a valid JSONata expression"),
    ],
)
def test_what_would_differ_or_run_away_is_refused(source: str, reason: str) -> None:
    """Before it runs, with the reason and what to write instead."""
    with pytest.raises(ExpressionError) as refused:
        compile_expression(source)
    assert reason in str(refused.value)
    assert str(refused.value).partition("; ")[2], "a remedy"


THOUSAND = "[1..1000]"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"$reduce({THOUSAND}, function($a, $b) {{ $a & $a }}, 'x')", "makes a value that is too large"),
        (f"$reduce({THOUSAND}, function($a, $b) {{ [$a, $a] }})", "makes a value that is too large"),
        (f"$reduce({THOUSAND}, function($a, $b) {{ $append($a, $a) }}, [1])", "makes a value that is too large"),
        (f"$reduce({THOUSAND}, function($a, $b) {{ $a * $a }}, 10)", "Number out of range"),
        (
            f"$map({THOUSAND}, function($a) {{ $map({THOUSAND}, function($b) {{ $b }}) }})",
            "does more work than an expression may",
        ),
        (f"$map({THOUSAND}, function($a) {{ $$ = $$ }})", "does more work than an expression may"),
        ("$replace($join(items), 'x', 'y')", "does more work than an expression may"),
        (f"$reduce($map({THOUSAND}, function($i) {{ [$i, $i] }}), $append)", "does more work than an expression may"),
        (f"($m := {THOUSAND}; $map($m, function($i) {{ $sum($m) }}))", "does more work than an expression may"),
        ("'x' ~> $pad(1000000000)", "gives $pad an argument 2 of more than 100"),
        ("time.$pad(1000000000)", "gives $pad an argument 2 of more than 100"),
        ("time ~> $toMillis('[H]')", "gives $toMillis too many arguments"),
        ("$fromMillis(0, '[Y,*-999999999]')", "gives $fromMillis a picture with a width of more than four digits"),
        ("many{'k': 1}", "does more work than an expression may"),
        ("lists.*", "does more work than an expression may"),
        ("$sort($map([1..1000], function($i) { -$i }), function($a, $b) { $$ != $$ })", "does more work"),
    ],
)
def test_what_could_run_away_is_ended(source: str, reason: str) -> None:
    """By counted work and sizes, which are the same on every retry, not by a clock."""
    with pytest.raises(Rejected) as rejected:
        evaluate(
            source,
            {
                "time": "now",
                "items": ["x" * 1000] * 100,
                "many": [1] * 20_000,
                "lists": {str(number): [1] for number in range(5_000)},
            },
        )
    assert reason in str(rejected.value)


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("'s3://' & detail.bukcet.name", "detail.bukcet.name"),
        ("detail.szie > 5 ? 'big' : 'small'", "detail.szie"),
        ("detail.key = 'x' or detail.nope = 1", "detail.nope"),
        ("$object.kye & '/'", "$object.kye"),
        ("$join([detail.nope, 'a'], '-')", "detail.nope"),
        ("detail.nope + 1", "detail.nope"),
        ("detail.nope ? 1 : 2", "detail.nope"),
        ("$map(detail.items, function($item) { $item.nmae & 'x' })", "$item.nmae"),
        ("{'a': detail.nope}", "detail.nope"),
        ("detail.empty & 'x'", "detail.empty"),
    ],
)
def test_an_operand_that_is_not_there_rejects(source: str, missing: str) -> None:
    """JSONata would take it for an empty text or for false: a wrong value, and nobody would know."""
    with pytest.raises(Rejected, match="is not there on this event") as rejected:
        evaluate(source)
    assert f"needs {missing}, " in str(rejected.value)


def test_an_event_is_left_as_it_was() -> None:
    """The library groups an empty list by adding to it; the next expression must not see that."""
    event: dict[str, Any] = {"empty": [], "lists": [[]]}
    assert evaluate("[empty{'k': 1}, lists.{'k': 1}]", event)
    assert event == {"empty": [], "lists": [[]]}


def test_an_error_of_the_library_is_a_rejection() -> None:
    """It raises Python's own exceptions for what it did not expect."""
    with pytest.raises(Rejected, match="can't be evaluated on this event: unknown type to match"):
        evaluate("[1, 'x']^($contains(time))")


def test_an_event_that_is_too_deep_is_rejected() -> None:
    """Python ends deep recursion by an error of its own."""
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(Rejected, match="can't be evaluated on this event"):
        evaluate("detail & 'x'", {"detail": deep})


def test_a_time_without_a_zone_does_not_depend_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler's zone is UTC, a laptop's is not; both must compute the same."""
    values = set()
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        monkeypatch.setitem(os.environ, "TZ", zone)
        time.tzset()
        values.add((evaluate("$toMillis('2026-11-01T04:12:09')"), evaluate("$fromMillis(0)")))
    monkeypatch.undo()
    time.tzset()
    assert values == {(1793506329000, "1970-01-01T00:00:00.000Z")}


_LEAVES = """1 0 -1 'x' '' true null $ $$ time detail detail.key detail.items ** * detail.items.name detail.nope [1..9]
    $object.key $v [] {} detail.items[0] `a-b`"""
_leaves = st.sampled_from(_LEAVES.split())


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["&", "+", "-", "*", "/", "%", "=", "!=", "<", ">", "and", "or", "in", "~>", "..", "."])
    unary = st.sampled_from(sorted(rules.FUNCTIONS | set(rules.REFUSED)))
    higher = st.sampled_from(["map", "filter", "reduce", "each", "sift", "single", "sort"])
    return st.one_of(
        st.builds(lambda a, o, b: f"({a} {o} {b})", inner, operators, inner),
        st.builds(lambda f, a: f"${f}({a})", unary, inner),
        st.builds(lambda f, a, b: f"${f}({a}, {b})", unary, inner, inner),
        st.builds(lambda f, a, b: f"${f}({a}, function($v, $w) {{ {b} }})", higher, inner, inner),
        st.builds(lambda a, b, c: f"({a} ? {b} : {c})", inner, inner, inner),
        st.builds(lambda a, b: f"($v := {a}; {b})", inner, inner),
        st.builds(lambda a, b: f"{a}[{b}]", inner, inner),
        st.builds(lambda a, b: f"[{a}, {b}]", inner, inner),
        st.builds(lambda a, b: f"{{'k': {a}, 'l': {b}}}", inner, inner),
        st.builds(lambda a, b: f"{a}^({b})", inner, inner),
    )


_sources = st.recursive(_leaves, _combined, max_leaves=12)
_HOSTILE = {
    "long": "x" * 50_000,
    "many slashes": "a/" * 20_000,
    "digits": "9" * 30_000,
    "surrogate": "\ud800",
    "accents": "é" * 1000,
    "dash": "-",
    "zero": "\x00",
}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_sources, st.sampled_from(sorted(_HOSTILE)))
def test_what_passes_the_check_ends_the_same_way_twice(source: str, hostile_kind: str) -> None:
    """With a value or a rejection, never with another error, never later than its budget allows."""
    try:
        expression = compile_expression(source)
    except ExpressionError:
        return
    hostile = _HOSTILE[hostile_kind]
    event = {**EVENT, "detail": {**EVENT["detail"], "key": hostile, "items": [hostile] * 20}}

    def outcome() -> str:
        try:
            return f"value {expression.evaluate(event, {'object': {'key': hostile}, 'v': 1})!r}"
        except Rejected as rejected:
            return f"rejected {rejected}"

    first = outcome()
    if " object at 0x" not in first and "Symbol" not in first:  # a function as a value; parameters refuse those
        assert outcome() == first
