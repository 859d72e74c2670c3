"""``notify`` of a document: what it compiles to, what is wrong with it, and the texts that arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pipeline_triggers.account.home import Home
from pipeline_triggers.compile.stack import template
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.history.notices import text
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.operations import check_notify

from tests.clients import forget_clients

TOPIC = "arn:aws:sns:eu-central-1:123456789012:churn-news"
DOCUMENT = """
version: 1
owner: churn
notify: {topic}
pipelines: ["*"]
triggers:
  one:
    when: {{s3: {{bucket: raw}}}}
    start: {{train: {{Key: a}}, report: {{Key: b}}}}
"""


def loaded(folder: Path, topic: str) -> loader.Documents:
    """Return a document with a topic."""
    (folder / "stages.yaml").write_text("dev: {News: churn-news}\nprod: {News: prod-news}\n", encoding="utf-8")
    (folder / "churn.yaml").write_text(DOCUMENT.format(topic=topic), encoding="utf-8")
    return loader.load(folder)


def rules(documents: loader.Documents) -> list[dict[str, Any]]:
    """Return the rules on the stack's bus."""
    properties = [one["Properties"] for one in template(documents)["Resources"].values()]
    return [one for one in properties if one.get("EventBusName") == {"Ref": "EventBusName"}]


def test_a_topic_hears_of_its_team_s_triggers_and_pipelines(tmp_path: Path) -> None:
    """Two rules on the stack's bus, which send a text and nothing else."""
    verdicts, clean_ups = rules(loaded(tmp_path, TOPIC))
    assert verdicts["EventPattern"] == {
        "source": ["pipeline-triggers"],
        "detail-type": ["Trigger Verdict"],
        "detail": {"outcome": ["REJECTED", "MISSED", "FAILED", "PAUSED"], "trigger": [{"prefix": "churn/"}]},
    }
    names = [{"equals-ignore-case": "train"}, {"equals-ignore-case": "report"}]
    assert clean_ups["EventPattern"]["detail"] == {"pipelines": names}
    for rule in (verdicts, clean_ups):
        assert rule["Targets"] == [{"Id": "topic", "Arn": TOPIC, "InputPath": "$.detail.text"}]


def test_a_topic_may_differ_per_stage(tmp_path: Path) -> None:
    """Its ARN is written as any other text of a document."""
    verdicts, _ = rules(loaded(tmp_path, '"arn:aws:sns:${AWS::Region}:${AWS::AccountId}:${News}"'))
    assert "Fn::Sub" in verdicts["Targets"][0]["Arn"]


def test_what_is_not_a_topic_is_refused(tmp_path: Path) -> None:
    """With the file, the line and the fix."""
    with pytest.raises(DocumentsError) as caught:
        loaded(tmp_path, "churn-news")
    (problem,) = caught.value.problems
    assert str(problem).endswith(
        "churn.yaml:4: notify: 'churn-news' is not a standard topic; write its ARN, as in"
        " arn:aws:sns:eu-central-1:123456789012:alarms"
    )


STATEMENT = (
    '{"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}]}'
)


@pytest.mark.parametrize(
    ("topic", "policy", "problem"),
    [
        (TOPIC, STATEMENT, None),
        (TOPIC, STATEMENT.replace("[", "").replace("]", ""), None),
        (TOPIC, STATEMENT.replace("sns:Publish", "SNS:Pub*"), None),
        (TOPIC, STATEMENT.replace('{"Service": "events.amazonaws.com"}', '"*"'), None),
        (TOPIC, STATEMENT.replace("Allow", "Deny"), "does not let EventBridge publish"),
        (TOPIC, STATEMENT.replace("events", "lambda"), "does not let EventBridge publish"),
        (TOPIC, STATEMENT.replace("sns:Publish", "sns:Subscribe"), "does not let EventBridge publish"),
        (TOPIC, '{"Statement": []}', "does not let EventBridge publish"),
        (TOPIC + "s", STATEMENT, "does not exist"),
        (TOPIC.replace("central", "west"), STATEMENT, "is not in eu-central-1 of 123456789012"),
        (TOPIC.replace("123456789012", "210987654321"), STATEMENT, "is not in eu-central-1 of 123456789012"),
    ],
)
def test_a_topic_that_eventbridge_can_t_publish_to_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, topic: str, policy: str, problem: str | None
) -> None:
    """By check --aws, at the document's line."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    forget_clients()
    with mock_aws():
        sns = boto3.client("sns", region_name="eu-central-1")
        sns.create_topic(Name="churn-news", Attributes={"Policy": policy})
        home = Home("aws", "123456789012", "eu-central-1")
        found = list(check_notify.problems(loaded(tmp_path, topic), {}, home))
    forget_clients()
    assert [(problem or "-") in str(one) for one in found] == ([True] if problem else [])


ABOUT = ("churn/one", "e-1", "s3://raw/a")
ARN = "arn:aws:sagemaker:eu-central-1:1:pipeline/train/execution/1"


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (
            Verdict(Outcome.REJECTED, *ABOUT, reason="parameter Key is missing"),
            "churn/one REJECTED: nothing was started for s3://raw/a: parameter Key is missing; fix it, then:"
            " triggers redrive --trigger churn/one --stack prod",
        ),
        (
            Verdict(Outcome.MISSED, "churn/one", "b", "2026-11-02", reason="missing at the deadline: emea"),
            "churn/one MISSED: 2026-11-02 is incomplete: missing at the deadline: emea;"
            " triggers batches --trigger churn/one --stack prod",
        ),
        (
            Verdict(Outcome.FAILED, *ABOUT, "train", "out of memory", ARN, seconds=7200),
            "churn/one FAILED: the run of train for s3://raw/a ended after 2 h: out of memory;"
            f" triggers why {ARN} --stack prod",
        ),
    ],
)
def test_a_text_says_what_happened_and_what_to_do(verdict: Verdict, expected: str) -> None:
    """In one line, with the command to go on with."""
    assert text(verdict, "prod") == expected
