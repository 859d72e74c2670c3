"""Quotas: at the limit all is well, one beyond it is told with the quota's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pipeline_triggers import compile as compiler
from pipeline_triggers import documents, quotas
from pipeline_triggers.documents import Documents
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.sources import HANDLERS


def trigger(number: int = 0, pipeline: str = "p", **fields: object) -> Trigger:
    """Return a trigger for an event of one's own."""
    return Trigger(f"t/t{number}", When("event", {"pattern": {"source": ["x"]}, **fields}), (Start(pipeline, {}),))


def told(*triggers: Trigger) -> list[str]:
    """Return what exceeds a quota."""
    return [message for _, message in quotas.exceeded(triggers)]


def test_a_pattern_may_have_2048_characters() -> None:
    """EventBridge counts the pattern's JSON."""
    bare = len(json.dumps({"source": [""]}, separators=(",", ":")))
    assert told(trigger(pattern={"source": ["x" * (2048 - bare)]})) == []
    (problem,) = told(trigger(pattern={"source": ["x" * (2049 - bare)]}))
    assert problem.startswith("its event pattern has 2049 characters; EventBridge's quota 'event pattern size' is 2048")


def test_a_role_may_start_as_many_pipelines_as_its_policies_hold() -> None:
    """What passes fits into IAM's quota as it is compiled; what is refused would not by much."""
    many = [trigger(number, f"Pipeline-{number:015d}") for number in range(100)]
    fitting = next(count for count in range(100, 0, -1) if not told(*many[:count]))
    assert fitting > 40
    stack = compiler._stack(Documents(tuple(many[:fitting]), {"dev": {}}))
    policy = json.dumps(stack["Resources"]["OnEventStarts"]["Properties"]["PolicyDocument"], separators=(",", ":"))
    resolved = policy.replace("${AWS::Partition}", "aws-us-gov").replace("${AWS::Region}", "ap-southeast-1")
    assert (
        len(resolved.replace("${AWS::AccountId}", "1" * 12))
        <= quotas.INLINE_POLICIES + len('{"Fn::Sub":}') * 2 * fitting
    )
    (problem,) = told(*many[: fitting + 1])
    assert "IAM's quota 'inline policies of a role' is 10240" in problem


def test_a_template_may_have_500_resources() -> None:
    """Beyond that, no quota can be raised."""
    most = 500 - len(HANDLERS)
    assert told(*(trigger(number) for number in range(most))) == []
    (problem,) = told(*(trigger(number) for number in range(most + 1)))
    assert "CloudFormation's quota 'resources per template' is 500" in problem


def test_more_than_300_rules_on_a_bus_need_a_raised_quota() -> None:
    """That is a note, not an error: it can be had."""
    assert list(quotas.to_raise([trigger(number) for number in range(300)])) == []
    (note,) = quotas.to_raise([trigger(number) for number in range(301)])
    assert note == "301 rules on the bus default: have EventBridge's quota 'rules per event bus' (300) raised"
    apart = [trigger(number, bus="mine") for number in range(300)]
    assert list(quotas.to_raise([*apart, trigger()])) == []


def test_a_document_beyond_a_quota_is_told_where_it_stands(tmp_path: Path) -> None:
    """With file, line and field, like every other problem."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "t.yaml").write_text(
        "version: 1\nowner: t\npipelines: [p]\ntriggers:\n  one:\n    start: p\n"
        f"    when: {{event: {{pattern: {{source: [{'x' * 2048}]}}}}}}\n"
    )
    with pytest.raises(DocumentsError, match=r"t\.yaml:7: triggers\.one\.when: its event pattern has 2063 characters"):
        documents.load(tmp_path)
