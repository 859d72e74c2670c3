"""Publishers' requests: what a document does not allow is refused, with what it does allow."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.delivery.requests import targets
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Occurrence, Request, Start, Trigger, When
from pipeline_triggers.starts.plan import plan

from tests import PROJECT

README = PROJECT / "README.md"

ONE_OF = Trigger(
    "team/requests",
    When("sns", {}),
    (Start("train", {"Size": "small"}), Start("report", {"Size": "small"})),
    one_of=True,
    accept={"Url": "s3://raw/**", "Size": ["small", "large"]},
)
ALL = replace(ONE_OF, one_of=False, accept={})


def requested(**request: Any) -> Occurrence:
    """Return the occurrence of a request."""
    return Occurrence("m", "topic", ("sns", "m"), {}, {}, Request("team/requests", **request))


def test_the_publisher_names_one() -> None:
    """And its values stand in place of the document's."""
    occurrence = requested(pipeline="report", parameters={"Size": "large"})
    (target,) = targets(ONE_OF, occurrence)
    run = plan(ONE_OF, target, occurrence, "stack")
    assert (run.pipeline, run.parameters) == ("report", {"Size": "large"})


def test_without_a_choice_all_are_started() -> None:
    """So it is with every event that is not a request."""
    assert list(targets(ALL, requested())) == [0, 1]
    of_event = replace(ALL, when=When("event", {"pattern": {}}))
    assert list(targets(of_event, replace(requested(), request=None))) == [0, 1]


@pytest.mark.parametrize("trigger", [ONE_OF, ALL])
def test_a_trigger_of_publishers_starts_nothing_without_a_request(trigger: Trigger) -> None:
    """An event that a rule of somebody sends chooses nothing, and so would start all."""
    with pytest.raises(Rejected, match="team/requests starts only what a publisher requests"):
        targets(trigger, replace(requested(), request=None))


def test_a_disabled_trigger_starts_nothing() -> None:
    """Whatever reaches it: a rule that is being disabled, or a forged message."""
    disabled = Trigger("team/one", When("s3", {"bucket": "raw"}), (Start("train", {}),), enabled=False)
    with pytest.raises(Rejected, match="team/one is disabled"):
        targets(disabled, replace(requested(), request=None))


def test_a_value_is_not_an_expression() -> None:
    """A publisher computes nothing in the document's name."""
    value = "s3://raw/{% $message.id %}"
    run = plan(ONE_OF, 0, requested(pipeline="train", parameters={"Url": value}), "stack")
    assert run.parameters["Url"] == value


def test_a_business_key_of_the_publisher_takes_the_message_s_place() -> None:
    """The document's own comes before it."""
    first, second = requested(dedupe="k"), replace(requested(dedupe="k"), identity=("sns", "another"))
    assert plan(ALL, 0, first, "stack").token == plan(ALL, 0, second, "stack").token
    of_document = replace(ALL, dedupe="{% 'd' %}")
    tokens = {plan(of_document, 0, requested(dedupe=key), "stack").token for key in "ab"}
    assert len(tokens) == 1


@pytest.mark.parametrize(
    ("trigger", "request_", "reason"),
    [
        (ONE_OF, {}, "the request names no pipeline; team/requests starts one of train, report"),
        (ONE_OF, {"pipeline": "Train"}, "the request's pipeline 'Train' is not one of train, report"),
        (ALL, {"pipeline": "train"}, "the request names a pipeline, but team/requests does not offer a choice"),
        (ALL, {"parameters": {"Url": "x"}}, "parameter Url may not be set; team/requests accepts none"),
        (
            ONE_OF,
            {"pipeline": "train", "parameters": {"Other": "x"}},
            "may not be set; team/requests accepts Url, Size",
        ),
        (ONE_OF, {"pipeline": "train", "parameters": {"Url": "s3://rawx/a"}}, "Url does not match s3://raw/**"),
        (ONE_OF, {"pipeline": "train", "parameters": {"Size": "*"}}, "Size is not one of small, large"),
        (replace(ONE_OF, enabled=False), {"pipeline": "train"}, "team/requests is disabled"),
        (replace(ONE_OF, when=When("sns", {"topic": "arn"})), {"pipeline": "train"}, "does not accept requests"),
        (replace(ONE_OF, when=When("s3", {"bucket": "raw"})), {"pipeline": "train"}, "does not accept requests"),
    ],
)
def test_disallowed_requests_are_refused(trigger: Trigger, request_: dict[str, Any], reason: str) -> None:
    """With what is allowed."""
    with pytest.raises(Rejected) as rejected:
        targets(trigger, requested(**request_))
    assert reason in str(rejected.value)


def test_the_readme_s_line_starts_a_run() -> None:
    """What it publishes is allowed by the document that is here, on the stage that ``make run`` deploys."""
    (message,) = re.findall(r"aws sns publish .*?--message '(.*?)'", README.read_text(encoding="utf-8"), re.DOTALL)
    loaded = loader.load(PROJECT / "layers" / "triggers")
    values = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
    triggers = triggers_json.load(triggers_json.dump(loaded.triggers, loaded.stages), "dev", values)
    envelope = {"Type": "Notification", "MessageId": "m", "TopicArn": "own", "Message": message}
    (arrival,) = from_topic("own", json.dumps(envelope), triggers)
    trigger, occurrence = triggers[arrival.trigger], arrival.occurrence()
    (target,) = targets(trigger, occurrence)
    run = plan(trigger, target, occurrence, "stack")
    assert run.pipeline == "churn-training"
    assert run.parameters.keys() == {"InputDataUrl", "Month", "Bucket"}
