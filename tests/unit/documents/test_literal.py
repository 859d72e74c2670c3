"""What a document says reaches the stack literally, and never as CloudFormation's own language."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.documents.checking import GOOD, HEAD, problems

START = "    start: churn-training\n"
REFERENCE = "{{resolve:secretsmanager:db:SecretString:password}}"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:t"

REFUSED = "holds a dynamic reference ({{resolve:…}}), which CloudFormation would replace; write the value itself"


@pytest.mark.parametrize(
    ("trigger", "field"),
    [
        (GOOD + f"    description: See {REFERENCE}\n", "description"),
        (f"    when: {{s3: {{bucket: raw, key: '{REFERENCE}/*'}}}}\n{START}", "when.s3.key"),
        (f"    when: {{alarm: {{name: '{REFERENCE}', state: alarm}}}}\n{START}", "when.alarm.name"),
        (
            f"    when: {{event: {{pattern: {{source: ['{REFERENCE}']}}}}}}\n{START}",
            "when.event.pattern.source.0",
        ),
        (
            f"    when: {{event: {{pattern: {{detail: {{'{REFERENCE}': [a]}}}}}}}}\n{START}",
            f"when.event.pattern.detail.{REFERENCE}",
        ),
        (
            f"    when: {{event: {{pattern: {{detail: {{a: [{{prefix: '{REFERENCE}'}}]}}}}}}}}\n{START}",
            "when.event.pattern.detail.a.0.prefix",
        ),
        (
            f"    when: {{sns: {{topic: '{TOPIC}', attributes: {{team: ['{REFERENCE}']}}}}}}\n{START}",
            "when.sns.attributes.team.0",
        ),
        (GOOD + f"    delivery: direct\n    parameters: {{A: '{REFERENCE}'}}\n", "parameters.A"),
        (GOOD + f"    parameters: {{A: '{REFERENCE}'}}\n", "parameters.A"),
        (GOOD + "    description: '{{ Resolve:ssm:name}}'\n", "description"),
        (GOOD + "    dedupe: \"{% '{{resolve:ssm:name}}' & id %}\"\n", "dedupe"),
    ],
)
def test_a_dynamic_reference_is_refused_wherever_it_is(tmp_path: Path, trigger: str, field: str) -> None:
    """CloudFormation would write a secret into a rule, a description, a parameter."""
    messages = problems(tmp_path, HEAD + trigger)
    assert len(messages) == 1
    assert messages[0].endswith(f": triggers.retrain.{field}: {REFUSED}")


@pytest.mark.parametrize("text", ["{${Brace}resolve:ssm:name}}", "{{resolve${Colon}ssm:name}}"])
def test_a_dynamic_reference_is_refused_when_a_stage_completes_it(tmp_path: Path, text: str) -> None:
    """CloudFormation replaces dynamic references after its own functions."""
    stages = "dev: {Brace: '{', Colon: ':'}\nprod: {Brace: a, Colon: b}\n"
    key = f"    when: {{s3: {{bucket: raw, key: '{text}'}}}}\n{START}"
    assert problems(tmp_path, HEAD + key, stages=stages) == [f"churn.yaml:6: triggers.retrain.when.s3.key: {REFUSED}"]


def test_a_stage_holds_no_dynamic_reference(tmp_path: Path) -> None:
    """The stages' values are the stack's mappings."""
    stages = f"dev: {{RawBucket: '{REFERENCE}'}}\n"
    assert problems(tmp_path, HEAD + GOOD, stages=stages) == [f"stages.yaml:1: dev.RawBucket: {REFUSED}"]


@pytest.mark.parametrize(
    ("when", "field"),
    [
        ("event: {pattern: {detail: {Ref: [Stage]}}}", "event.pattern.detail.Ref"),
        ("event: {pattern: {detail: {'Fn::GetAtt': [a, b]}}}", "event.pattern.detail.Fn::GetAtt"),
        ("event: {pattern: {detail: {a: {'Fn::Sub': [b]}, c: [d]}}}", "event.pattern.detail.a.Fn::Sub"),
        (
            "event: {pattern: {detail: {a: [{anything-but: {Ref: Stage}}]}}}",
            "event.pattern.detail.a.0.anything-but.Ref",
        ),
        (
            "event: {pattern: {$or: [{detail: {Ref: [a]}}, {source: [b]}]}}",
            "event.pattern.$or.0.detail.Ref",
        ),
        (f"sns: {{topic: '{TOPIC}', body: {{Ref: [Stage]}}}}", "sns.body.Ref"),
        (f"sns: {{topic: '{TOPIC}', attributes: {{'Fn::Transform': [a]}}}}", "sns.attributes.Fn::Transform"),
    ],
)
def test_a_function_of_cloudformation_is_not_a_field_of_a_pattern(tmp_path: Path, when: str, field: str) -> None:
    """It would be replaced by the stack's own values instead of being matched."""
    name = field.rpartition(".")[2]
    assert problems(tmp_path, HEAD + f"    when: {{{when}}}\n{START}") == [
        f"churn.yaml:6: triggers.retrain.when.{field}: is the name of a CloudFormation function; "
        f"match another field, and test {name} in an if"
    ]


@pytest.mark.parametrize("stages", ["Ref: {RawBucket: raw}\n", "dev: {RawBucket: raw, Ref: raw}\n"])
def test_a_stage_and_a_value_are_not_called_like_a_function(tmp_path: Path, stages: str) -> None:
    """They are names in the stack's mappings."""
    (message,) = problems(tmp_path, HEAD + GOOD, stages=stages)
    assert message.endswith("and not Ref")


def test_a_reference_to_a_resource_is_refused_outside_of_expressions(tmp_path: Path) -> None:
    """Behind {% it was taken for JSONata, but a pattern has none, and CloudFormation would replace it."""
    pattern = "{source: ['{% ${OnEventRole.Arn} ${RawBucket} %}']}"
    assert problems(tmp_path, HEAD + f"    when: {{event: {{pattern: {pattern}}}}}\n{START}") == [
        "churn.yaml:6: triggers.retrain.when.event.pattern.source.0: has a ${ that does not begin a reference; "
        "write ${Name}, with the closing brace"
    ]
