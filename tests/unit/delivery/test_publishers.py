"""Ten thousand messages of publishers, right and wrong: nothing starts that the document does not allow."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from pipeline_triggers.models import Start, Trigger, When

from functions import on_sns_message
from tests.effort import cases
from tests.simulation.invocation import ENVIRONMENT, AcceptAll, accepting_all, record, verdicts_of

MESSAGES = cases(10_000)
OWN = ENVIRONMENT["REQUESTS_TOPIC_ARN"]
ACCEPT: dict[str, Any] = {"Url": "s3://raw/**", "Size": ["small", "large"]}
WHEN = When("sns", {})
TRIGGERS = [
    Trigger("team/one-of", WHEN, (Start("train", {"Size": "small"}), Start("report", {})), one_of=True, accept=ACCEPT),
    Trigger("team/fixed", WHEN, (Start("train", {"Url": "s3://raw/fixed"}),)),
    Trigger("team/off", WHEN, (Start("train", {}),), enabled=False),
    Trigger("team/upload", When("s3", {"bucket": "raw"}), (Start("secret", {}),)),
]
ODD: list[Any] = [
    *("", " ", "*", "**", "s3://raw/", "s3://raw/a/b", "s3://rawer/a", "S3://raw/a", "s3://raw", "small", "Small "),
    *("{% $message %}", "$.Message", "${AWS::AccountId}", "\ud800", "\x00", "\n", '","pipeline":"secret', "x" * 1025),
    *("secret", "train", "report", "Train", "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/secret"),
    *("team/one-of", "team/fixed", "team/off", "team/upload", "team/gone", "../team/one-of"),
    *(None, True, False, 0, -1, 1.5, 10**50, [], {}, ["small"], {"a": 1}, [[[[]]]]),
]
NAMES = ["Url", "Size", "url", "RoleArn", "Size ", "", "__proto__", "PipelineName", "x" * 300, "ö"]
KEYS = ["trigger", "pipeline", "parameters", "dedupe", "RoleArn", "ClientRequestToken", "start", "Trigger", ""]


@pytest.fixture
def world() -> Iterator[AcceptAll]:
    """A handler in an AWS that accepts everything."""
    with accepting_all({trigger.id: trigger for trigger in TRIGGERS}) as world:
        yield world


def message(chance: random.Random) -> str:
    """Make a message: a right request with some of it changed, and sometimes its text broken."""
    request: dict[str, Any] = {
        "trigger": "team/one-of",
        "pipeline": chance.choice(["train", "report"]),
        "parameters": {"Url": f"s3://raw/{chance.random()}", "Size": "large"},
    }
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        where = chance.choice(
            [request, request["parameters"] if isinstance(request.get("parameters"), dict) else request]
        )
        key = chance.choice(NAMES if where is not request else KEYS)
        if chance.random() < 0.25:
            where.pop(key, None)
        else:
            where[key] = deepcopy(chance.choice(ODD))
    text = json.dumps(request)
    match chance.randrange(20):
        case 0:
            return text[: chance.randrange(len(text))]
        case 1:
            return text.replace('"trigger"', f'"pipeline": "{chance.choice(["train", "secret"])}", "trigger"', 1)
        case 2:
            return text.replace('"large"', chance.choice(["NaN", "1e999", "-Infinity", "1" * 5000, "[" * 3000, "tru"]))
        case 3:
            return chance.choice(["", "hello", "[]", "null", '"text"', "{}", "\ufeff{}", "[" * 50_000, text + text])
    return text


def test_nothing_starts_that_is_not_allowed_and_nothing_goes_without_a_verdict(world: AcceptAll) -> None:
    """Every message ends in one verdict, and every rejected one in the dead-letter queue with its reason."""
    chance = random.Random(5)  # noqa: S311 - the same messages every time
    verdicts = verdicts_of(on_sns_message, [published(f"m{at}", message(chance)) for at in range(MESSAGES)])
    assert sorted(verdict["event_id"] for verdict in verdicts) == sorted(f"m{at}" for at in range(MESSAGES))
    outcomes = [verdict["outcome"] for verdict in verdicts]
    assert outcomes.count("STARTED") == len(world.started) > MESSAGES / 10
    assert outcomes.count("REJECTED") == len(world.quarantined) == MESSAGES - len(world.started)
    assert all(sent["MessageAttributes"]["reason"]["StringValue"] for sent in world.quarantined)
    for call in world.started:
        values = {parameter["Name"]: parameter["Value"] for parameter in call["PipelineParameters"]}
        assert call["PipelineName"] in ("train", "report")
        if values == {"Url": "s3://raw/fixed"} and "team/fixed" in call["PipelineExecutionDescription"]:
            continue
        assert "team/one-of" in call["PipelineExecutionDescription"]
        assert values.keys() <= ACCEPT.keys()
        assert values.get("Url", "s3://raw/").startswith("s3://raw/")
        assert values.get("Size", "small") in ACCEPT["Size"]


def published(message_id: str, text: str) -> dict[str, Any]:
    """Return an SQS record with what SNS puts around a message."""
    envelope = {"Type": "Notification", "MessageId": message_id, "TopicArn": OWN, "Message": text}
    return record(message_id, json.dumps(envelope))
