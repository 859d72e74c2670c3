"""Whatever the check accepts, the compiled stack holds no CloudFormation but the compiler's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pipeline_triggers.compile.stack import compile_documents

from tests.unit.compile.test_properties import _examples, _loaded, _substituted

# What dynamic references and CloudFormation's functions are made of, the pieces that are refused alone being rare.
PIECES = ["{", "{{", "resolve", "Resolve", ":", "ssm:", "a", "}}", "${Brace}", "${Rest}", "${Whole}"] * 4 + [
    "$",
    "${A.B}",
]
NAMES = ["kind", "state", "team"] * 8 + ["Ref", "Fn::Sub", "Fn::GetAtt", "Fn::Transform", "{{resolve:ssm:a}}"]
TOPIC = "arn:aws:sns:eu-central-1:123456789012:t"
REFERENCE = "{{resolve:ssm:a}}"

texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
names = st.sampled_from(NAMES)
operators = st.sampled_from(["prefix", "suffix", "anything-but", "equals-ignore-case", "Ref"])
matchers = texts | st.dictionaries(operators, texts | st.dictionaries(names, texts, max_size=1), min_size=1, max_size=1)
patterns = st.recursive(
    st.lists(matchers, min_size=1, max_size=2),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=2),
    max_leaves=3,
)
objects = st.dictionaries(names, patterns, min_size=1, max_size=2)
whens = st.one_of(
    st.builds(lambda key: {"s3": {"bucket": "raw", "key": key}}, texts),
    st.builds(lambda name: {"alarm": {"name": name, "state": "alarm"}}, texts),
    st.builds(lambda detail, source: {"event": {"pattern": {"source": [source], "detail": detail}}}, objects, texts),
    st.builds(lambda body: {"sns": {"topic": TOPIC, "body": body}}, objects),
    st.builds(lambda attributes: {"sns": {"topic": TOPIC, "attributes": attributes}}, objects),
)
options = st.one_of(
    st.builds(lambda value: {"parameters": {"A": value}}, texts),
    st.builds(lambda value: {"parameters": {"A": value}, "delivery": "direct"}, texts),
    st.builds(lambda value: {"tags": {"team": value}}, texts),
    st.builds(lambda value: {"description": value}, texts),
    st.just({}),
)
triggers = st.builds(lambda when, more: {"when": when, "start": "p", **more}, whens, options)
values = st.fixed_dictionaries(
    {name: texts.filter(lambda text: "$" not in text) for name in ("Brace", "Rest", "Whole")}
)


def s3(key: str) -> dict[str, Any]:
    """Return a trigger for uploads."""
    return {"when": {"s3": {"bucket": "raw", "key": key}}, "start": "p"}


def event(detail: Any) -> dict[str, Any]:
    """Return a trigger for events of one's own."""
    return {"when": {"event": {"pattern": {"detail": detail}}}, "start": "p"}


@_examples(1)
@given(triggers, st.fixed_dictionaries({"dev": values, "prod": values}))
@example(s3("{${Brace}resolve:ssm:a}}"), {"dev": {"Brace": "{"}, "prod": {"Brace": "a"}})
@example(s3("${Whole}"), {"dev": {"Whole": "a"}, "prod": {"Whole": REFERENCE}})
@example(event({"Ref": ["Stage"]}), {"dev": {}})
@example(event({"kind": [{"anything-but": {"Ref": "Stage"}}]}), {"dev": {}})
@example(event({"kind": ["{% ${A.B} ${Rest}"]}), {"dev": {"Rest": "a"}})
@example({**s3("a"), "description": REFERENCE}, {"dev": {}})
def test_the_stack_holds_no_cloudformation_of_a_document_s(trigger: dict[str, Any], stages: dict[str, Any]) -> None:
    """Neither as it is compiled, nor once a stage's values are in it."""
    team = {"version": 1, "owner": "o", "pipelines": ["*"], "triggers": {"t": trigger}}
    loaded = _loaded({"team": team}, stages)
    if loaded is None:
        return
    stack = yaml.safe_load(compile_documents(loaded)["stack.yaml"])
    for stage in stages:
        deployed = _substituted({**stack["Resources"], **stack["Mappings"]} if stages[stage] else stack["Resources"],
                                stack, stage)  # fmt: skip
        assert not [text for text in texts_of(deployed) if re.search(r"\{\{\s*resolve\s*:", text, re.IGNORECASE)]
    ((source, fields),) = trigger["when"].items()
    for resource in stack["Resources"].values():
        properties = resource["Properties"]
        assert isinstance(properties.get("Description", ""), str)
        if source == "event" and "EventPattern" in properties:
            assert says_the_same(fields["pattern"], properties["EventPattern"])
        if source == "sns" and "FilterPolicy" in properties:
            assert says_the_same(fields.get("body") or fields["attributes"], properties["FilterPolicy"])


def says_the_same(written: Any, compiled: Any) -> bool:
    """Whether CloudFormation is in a pattern only where a text of the document refers to the stage's values."""
    match written:
        case dict():
            names_alike = isinstance(compiled, dict) and written.keys() == compiled.keys()
            literal = not any(name == "Ref" or name.startswith("Fn::") for name in written)
            return names_alike and literal and all(says_the_same(written[name], compiled[name]) for name in written)
        case list():
            return len(written) == len(compiled) and all(map(says_the_same, written, compiled))
        case str() if isinstance(compiled, dict):
            return set(compiled) <= {"Fn::Sub", "Fn::FindInMap"} and "${" in written
        case _:
            return bool(written == compiled)


def texts_of(value: Any) -> Iterator[str]:
    """Give all names and texts of a template."""
    match value:
        case dict():
            for name, item in value.items():
                yield name
                yield from texts_of(item)
        case list():
            for item in value:
                yield from texts_of(item)
        case str():
            yield value
