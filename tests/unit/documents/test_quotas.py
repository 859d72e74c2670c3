"""Quotas: the limit itself is fine, and one beyond it is refused with the quota's name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_triggers.compile import size
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader, quotas
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Start, Trigger, When

STAGES: dict[str, dict[str, str]] = {"dev": {}}


def trigger(number: int = 0, pipeline: str = "p", **fields: object) -> Trigger:
    """Return a trigger for an event of one's own."""
    return Trigger(f"t/t{number}", When("event", {"pattern": {"source": ["x"]}, **fields}), (Start(pipeline, {}),))


def exceeded(*triggers: Trigger) -> list[str]:
    """Return what exceeds a quota."""
    return [message for _, message in quotas.exceeded(triggers)]


def test_a_pattern_may_have_2048_characters() -> None:
    """EventBridge counts the pattern's JSON."""
    bare = len(json.dumps({"source": [""]}, separators=(",", ":")))
    assert exceeded(trigger(pattern={"source": ["x" * (2048 - bare)]})) == []
    (problem,) = exceeded(trigger(pattern={"source": ["x" * (2049 - bare)]}))
    quota = "EventBridge's quota 'event pattern size' is 2048, so match fewer values"
    assert problem == f"has an event pattern of 2049 characters; {quota}"


def test_a_policy_fits_into_iam_s_quota_in_every_stage() -> None:
    """However many pipelines there are, and however long their names get: as many policies as they need."""
    stages = {"dev": {"Team": "a"}, "prod": {"Team": "a-team-with-a-long-name" * 5}}
    many = tuple(trigger(number, f"Train-${{Team}}-{number:015d}") for number in range(100))
    resources = compiler.template(Documents(many, stages))["Resources"]
    policies = [found["Properties"] for found in resources.values() if found["Type"] == "AWS::IAM::ManagedPolicy"]
    assert len(policies) > 1
    longest = 0
    for policy in policies:
        text = json.dumps([sub_longest(arn, stages["prod"]) for arn in arns(policy)], separators=(",", ":"))
        rest = json.dumps({**policy["PolicyDocument"]["Statement"][0], "Resource": []}, separators=(",", ":"))
        longest = max(longest, len(text) + len(rest) + len('{"Version":"2012-10-17","Statement":[]}'))
    assert 0.9 * quotas.POLICY_LENGTH < longest <= quotas.POLICY_LENGTH
    assert len({json.dumps(arn) for policy in policies for arn in arns(policy)}) == 200
    rule = next(found for found in resources.values() if found["Type"] == "AWS::Events::Rule")
    # The handler's and on_batch's role each have them.
    assert 2 * len(rule["DependsOn"]) == len(policies)


def arns(policy: dict[str, Any]) -> list[Any]:
    """Return what a policy names."""
    (statement,) = policy["PolicyDocument"]["Statement"]
    return list(statement["Resource"])


def sub_longest(arn: dict[str, Any], values: dict[str, str]) -> str:
    """Write an ARN as CloudFormation does where it gets longest."""
    return resolve(arn["Fn::Sub"][0], {**quotas.LONGEST, **values})


def test_more_policies_than_a_role_takes_need_a_raised_quota() -> None:
    """It can be had, so it is a warning; it is at the last trigger."""
    many = [trigger(number, f"{number:03d}" + "x" * 253) for number in range(91)]
    assert list(quotas.to_raise(many[:90], STAGES)) == []
    quota = "IAM's quota 'managed policies attached to a role' (10)"
    assert list(quotas.to_raise(many, STAGES)) == [
        ("t/t90", f"91 pipelines need 11 policies on the role of {role}; have {quota} raised")
        for role in ("OnEvent", "OnBatch")
    ]


def test_direct_starters_have_their_own_policies() -> None:
    """They count at EventBridge's role, and no more at the handler's."""
    many = [trigger(number, f"{number:03d}" + "x" * 253) for number in range(91)]
    directly = [replace(one, direct=True) for one in many]
    ((_, note),) = quotas.to_raise(directly, STAGES)
    assert "policies on the role of DirectRules" in note
    assert list(quotas.to_raise([*directly[:45], *many[45:]], STAGES)) == []


def test_a_template_may_have_500_resources() -> None:
    """Beyond that, no quota can be raised."""
    most = tuple(trigger(number) for number in range(495))
    compiler.compile_documents(Documents(most, STAGES))
    with pytest.raises(DocumentsError) as error:
        compiler.compile_documents(Documents((*most, trigger(495), trigger(496)), STAGES))
    assert [str(problem) for problem in error.value.problems] == [
        "t/t495:1: triggers.t495: is where the stack gets too large: all triggers need 502 resources, and "
        "CloudFormation takes 500; move it and the triggers after it to a second stack (docs/operations.md)"
    ]


def test_the_trigger_that_does_not_fit_is_named_in_the_documents_order(tmp_path: Path) -> None:
    """Whatever handles it: the triggers after it are those to move."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    whens = ("{event: {pattern: {source: [a]}}}", "{s3: {bucket: raw}}", "{schedule: {rate: 1 day}}")
    triggers = "".join(f"  t{number}: {{start: p, when: {whens[number % 3]}}}\n" for number in range(520))
    (tmp_path / "t.yaml").write_text(f"version: 1\nowner: t\npipelines: [p]\ntriggers:\n{triggers}")
    loaded = loader.load(tmp_path)
    with pytest.raises(DocumentsError) as error:
        compiler.compile_documents(loaded)
    (problem,) = error.value.problems
    left = replace(loaded, triggers=loaded.triggers[: problem.line - 5])
    assert problem.field == f"triggers.t{problem.line - 5}"
    assert len(compiler.template(left)["Resources"]) == 500


def test_a_template_may_have_a_million_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted as UTF-8; the trigger is the first whose resource does not fit any more."""
    triggers = tuple(trigger(number, pattern={"source": ["é" * 50]}) for number in range(9))
    length = len(compiler.compile_documents(Documents(triggers, STAGES))["stack.yaml"].encode())
    monkeypatch.setattr(size, "TEMPLATE_BYTES", length)
    compiler.compile_documents(Documents(triggers, STAGES))
    monkeypatch.setattr(size, "TEMPLATE_BYTES", length - 1)
    with pytest.raises(DocumentsError, match=f"t/t8:1: .* all triggers need {length} bytes, and CloudFormation takes"):
        compiler.compile_documents(Documents(triggers, STAGES))
    monkeypatch.setattr(size, "TEMPLATE_BYTES", length * 4 // 5)
    with pytest.raises(DocumentsError, match=r"t/t[1-7]:1: triggers\.t[1-7]: is where the stack gets too large"):
        compiler.compile_documents(Documents(triggers, STAGES))


def test_many_rules_on_a_bus_may_need_a_raised_quota() -> None:
    """That is a warning, not an error: it can be had, and only the account knows what else is on the bus."""
    assert list(quotas.to_raise([trigger(number) for number in range(100)], STAGES)) == []
    quota = "have EventBridge's quota 'rules per event bus' (300, in some Regions 100) raised"
    (note,) = quotas.to_raise([trigger(number) for number in range(101)], STAGES)
    where = "if they do not fit beside the account's other rules"
    assert note == ("t/t100", f"101 rules are on the bus default; {quota} {where}")
    (note,) = quotas.to_raise([trigger(number) for number in range(310)], STAGES)
    assert note == ("t/t300", f"310 rules are on the bus default; {quota}")
    apart = [trigger(number, bus="mine") for number in range(100)]
    assert list(quotas.to_raise([*apart, trigger()], STAGES)) == []


def test_a_bus_takes_30_rules_with_wildcard() -> None:
    """That quota can't be raised; the rules are counted bus by bus."""
    wild = {"source": ["x"], "detail": {"name": [{"wildcard": "a*b"}]}}
    assert exceeded(*(trigger(number, pattern=wild) for number in range(30)), trigger(30)) == []
    assert exceeded(*(trigger(number, pattern=wild) for number in range(31))) == [
        "is rule 31 with wildcard on the bus default; EventBridge allows 30, so use prefix or suffix, and an if"
    ]


def test_a_mapping_takes_200_names(tmp_path: Path) -> None:
    """The stages' values are handed to CloudFormation as a mapping."""
    names = ", ".join(f"N{number}: a" for number in range(201))
    (tmp_path / "stages.yaml").write_text(f"dev: {{{names}}}\n")
    with pytest.raises(DocumentsError, match=r"stages\.yaml:1: has 201 names; CloudFormation's quota 'mapping attr"):
        loader.load(tmp_path)


def test_a_trigger_beyond_a_quota_is_reported_on_its_line(tmp_path: Path) -> None:
    """With file, line and field, like every other problem."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "t.yaml").write_text(
        "version: 1\nowner: t\npipelines: [p]\ntriggers:\n  one:\n    start: p\n"
        f"    when: {{event: {{pattern: {{source: [{'x' * 2048}]}}}}}}\n"
    )
    with pytest.raises(
        DocumentsError, match=r"t\.yaml:7: triggers\.one\.when: has an event pattern of 2063 characters"
    ):
        loader.load(tmp_path)
