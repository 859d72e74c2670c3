"""What an event would do, where EventBridge's and SageMaker's answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from pipeline_triggers.account import home
from pipeline_triggers.account.home import Home
from pipeline_triggers.cli import main
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.operations import explain as explaining
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.explain import Explanation, check_shape, explain
from pipeline_triggers.operations.stacks import NotDeployed
from pipeline_triggers.starts import definition

from tests import PROJECT

S3 = json.loads((PROJECT / "events" / "s3.json").read_text(encoding="utf-8"))
SNS = json.loads((PROJECT / "events" / "sns.json").read_text(encoding="utf-8"))
LAMBDA_S3 = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}
LAMBDA_SNS = {"Records": [{"EventSource": "aws:sns", "Sns": SNS}]}
UPLOADS = Trigger(
    "team/uploads", When("s3", {"bucket": "acme-raw-dev"}), (Start("train", {"Uri": "{% $object.uri %}"}),)
)


def client_error(code: str, call: str, status: int = 400) -> ClientError:
    """Return what boto3 raises."""
    response: Any = {"Error": {"Code": code, "Message": "not you"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, call)


@pytest.fixture
def _fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every value fit."""
    monkeypatch.setattr(definition, "fit", lambda _pipeline, values, _version: dict(values))


@pytest.fixture
def _matching(monkeypatch: pytest.MonkeyPatch, _fitting: None) -> None:
    """Let every rule match, and every value fit."""
    monkeypatch.setattr(explaining, "_matches", lambda *_: True)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (LAMBDA_S3, "this is what aws:s3 sends to a Lambda function; give the event that S3 sends to EventBridge"),
        (LAMBDA_SNS, "this is what aws:sns sends to a Lambda function; give its Records[0].Sns"),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "give the body of one of its Records"),
        ({"Records": [{"eventSource": "aws:kinesis"}]}, "give the event itself"),
        ({"Records": [{}]}, "this is what a service sends to a Lambda function"),
        ({"Records": []}, "it lacks source, detail-type, detail"),
        ({}, "it lacks source, detail-type, detail"),
        ({"source": "aws.s3", "detail": {}}, "it lacks detail-type"),
    ],
)
def test_events_of_no_rule_or_topic_are_refused(event: dict[str, Any], message: str) -> None:
    """With what it is, and what to give instead."""
    with pytest.raises(Rejected) as refused:
        check_shape(event)
    assert message in str(refused.value)


@pytest.mark.parametrize("event", [S3, SNS])
def test_events_of_rules_and_topics_are_accepted(event: dict[str, Any]) -> None:
    """As events/ has it."""
    check_shape(event)


def run(directory: Path, event: object) -> Result:
    """Run ``triggers explain``."""
    (directory / "stages.yaml").write_text("dev:\n")
    (directory / "event.json").write_text(json.dumps(event))
    arguments = ["explain", str(directory / "event.json"), "--documents", str(directory)]
    return CliRunner(mix_stderr=False).invoke(main, arguments)


@pytest.mark.parametrize("event", [LAMBDA_S3, LAMBDA_SNS])
def test_an_event_as_lambda_gets_it_is_an_error(tmp_path: Path, event: object) -> None:
    """No rule would ever match it; no call to AWS is made."""
    explained = run(tmp_path, event)
    assert (explained.exit_code, explained.stdout) == (1, "")
    assert "sends to a Lambda function" in explained.stderr


@pytest.mark.usefixtures("_matching")
def test_one_pipeline_that_may_not_be_described_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it depends on is not known, with AWS's words; all others are explained."""

    def fit(pipeline: str, values: dict[str, str], _version: str | None) -> dict[str, str]:
        if pipeline == "secret":
            raise client_error("AccessDeniedException", "DescribePipeline")
        return values

    monkeypatch.setattr(definition, "fit", fit)
    both = replace(UPLOADS, start=(Start("secret", {}), *UPLOADS.start))
    values = {"Uri": "s3://acme-raw-dev/churn/2026-10/data.csv"}
    secret, train = explain([both], S3, {})
    assert (secret.outcome, secret.pipeline) == ("UNKNOWN", "secret")
    assert "not you" in (secret.reason or "")
    assert train == Explanation("team/uploads", "WOULD START", "train", None, values)


@pytest.mark.usefixtures("_matching")
def test_a_denied_lookup_gives_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A throttled call is not: it may work the next time."""

    def admitted(*_: object) -> None:
        raise client_error(code, "HeadObject")

    monkeypatch.setattr(explaining, "admitted", admitted)
    code = "403"
    (explanation,) = explain([UPLOADS], S3, {})
    assert explanation.outcome == "UNKNOWN"
    code = "ThrottlingException"
    with pytest.raises(ClientError):
        list(explain([UPLOADS], S3, {}))


@pytest.mark.usefixtures("_matching")
def test_an_unmet_condition_names_what_is_missing() -> None:
    """A mistyped path is found before the deployed trigger filters everything."""
    (explanation,) = explain([replace(UPLOADS, condition="{% detial.x = 'a' %}")], S3, {})
    reason = "condition not met: {% detial.x = 'a' %}; detial.x is missing on this event"
    assert (explanation.outcome, explanation.reason) == ("FILTERED", reason)


@pytest.mark.usefixtures("_matching")
def test_values_are_checked_as_the_handler_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that lacks a parameter would not start."""

    def fit(_: str, __: object, _version: str | None) -> dict[str, str]:
        raise Rejected("parameter Month is missing")

    monkeypatch.setattr(definition, "fit", fit)
    requests = Trigger("churn/requests", When("sns", {}), (Start("churn-training", {}),), one_of=True,
                       accept=dict.fromkeys(json.loads(SNS["Message"])["parameters"], "**"))  # fmt: skip
    (explanation,) = explain([requests], SNS, {})
    assert (explanation.outcome, explanation.reason) == ("REJECTED", "parameter Month is missing")


def test_a_disabled_trigger_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its rule matches, and sends nothing."""
    monkeypatch.setattr(explaining, "_matches", lambda *_: True)
    monkeypatch.setattr(home, "current", lambda: Home("aws", "123456789012", "eu-central-1"))

    def none(_: str) -> NoReturn:
        raise NotDeployed("the stack does not exist")

    monkeypatch.setattr(stacks, "stack", none)
    document = "version: 1\nowner: t\npipelines: [train]\ntriggers:\n  one:\n    enabled: false\n"
    (tmp_path / "team.yaml").write_text(document + "    when: {s3: {bucket: raw}}\n    start: train\n")
    explained = run(tmp_path, S3)
    assert explained.stdout.splitlines()[1].split() == ["team/one", "DISABLED"]
    assert explained.stderr == "Note: open batches and what waits are not known: the stack does not exist\n"


@pytest.mark.usefixtures("_fitting")
def test_a_schedule_s_event_is_known_by_its_trigger() -> None:
    """Not by a rule: a schedule sends straight to the queue."""
    event = json.loads((PROJECT / "events" / "schedule.json").read_text(encoding="utf-8"))
    when = When("schedule", {"rate": "1 day"})
    nightly = Trigger("churn/nightly", when, (Start("train", {"A": "{% $scheduled.time %}"}),))
    other = Trigger("churn/other", when, (Start("train", {}),))
    rule = Trigger("team/rule", When("event", {"pattern": {"source": ["aws.scheduler"]}}), (Start("train", {}),))
    values = {"A": "2026-11-01T01:00:00Z"}
    for changes, expected in (
        ({}, Explanation("churn/nightly", "WOULD START", "train", None, values)),
        ({"direct": True}, Explanation("churn/nightly", "WOULD START", "train", "by AWS itself, unchecked", values)),
        ({"enabled": False}, Explanation("churn/nightly", "DISABLED")),
    ):
        changed: Any = changes
        assert list(explain([replace(nightly, **changed), other, rule], event, {})) == [expected]
