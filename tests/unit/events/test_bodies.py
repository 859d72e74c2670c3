"""Ten thousand queue messages that nobody should send, and ten thousand odd keys that anybody may upload."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Any
from urllib.parse import quote_plus

import pytest
from pipeline_triggers import aws
from pipeline_triggers.events.envelope import from_rule
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.starts import start
from pipeline_triggers.starts.plan import plan

from functions import on_endpoint_status, on_event, on_s3_upload, on_sns_message
from tests import PROJECT
from tests.effort import cases
from tests.simulation.invocation import ENVIRONMENT, AcceptAll, accepting_all, record, verdicts_of
from tests.simulation.sagemaker_model import violations

BODIES, KEYS = cases(10_000), cases(10_000)
OTHER_TOPIC = f"{ENVIRONMENT['REQUESTS_TOPIC_ARN']}-other"

# Each handler, what it is for, and a trigger of that.
HANDLERS: dict[Any, tuple[list[str], Trigger]] = {
    on_s3_upload: (
        ["s3"],
        Trigger("team/upload", When("s3", {"bucket": "acme-raw-dev"}), (Start("train", {"Key": "{% $object.uri %}"}),)),
    ),
    on_endpoint_status: (
        ["endpoint", "endpoint_deployment"],
        Trigger("team/endpoint", When("endpoint", {}), (Start("train", {"Name": "{% $endpoint.name %}"}),)),
    ),
    on_event: (
        ["pipeline", "training_job", "model_package", "alarm", "schedule"],
        Trigger("team/event", When("event", {}), (Start("train", {"Id": "$.id"}), Start("report", {}))),
    ),
    on_sns_message: (
        ["sns_topic"],
        Trigger("team/topic", When("sns", {"topic": OTHER_TOPIC}), (Start("train", {"Text": "{% $message.id %}"}),)),
    ),
}
TRIGGERS = {trigger.id: trigger for _, trigger in HANDLERS.values()}

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**50, 10**400, [], {}, [[]], {"a": 1}, [None], "", " ", "x" * 2000),
    *(
        "\ud800",
        "\x00",
        "\n",
        "\u2028",
        '","pipeline":"secret',
        "{% 1 %}",
        "$.id",
        "${AWS::Region}",
        "../x",
        "team/gone",
    ),
    *TRIGGERS,
]
ODD_NUMBERS = ["NaN,", "1e999,", "-Infinity,", "[" * 3000]
ODD_TEXTS = ["", "hello", "[]", "null", "5", '"text"', "{}", "1" * 5000, "\ufeff{}", "\x00", "[" * 100_000]
TWICE = '{"trigger": "team/upload", "trigger": "team/event", '


@pytest.fixture
def fake() -> Iterator[AcceptAll]:
    """A handler in an AWS that accepts everything."""
    with accepting_all(TRIGGERS) as world:
        yield world


def body(chance: random.Random, event: dict[str, Any], trigger: Trigger) -> str:
    """Make a message: a right one with some of it changed, and sometimes its text broken."""
    right = (
        {**event, "TopicArn": OTHER_TOPIC} if trigger.id == "team/topic" else {"trigger": trigger.id, "event": event}
    )
    changed = deepcopy(right)
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        node: Any = changed
        while True:
            at = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if not (isinstance(node[at], dict | list) and node[at] and chance.random() < 0.8):
                break
            node = node[at]
        if chance.random() < 0.3 and isinstance(node, dict) and len(node) > 1:
            del node[at]
        else:
            node[at] = deepcopy(chance.choice(ODD))
    text = json.dumps(changed)
    match chance.randrange(40):
        case 0:
            return text[: chance.randrange(len(text))]
        case 1:
            return text.replace(":", f": {chance.choice(ODD_NUMBERS)}", 1)
        case 2:
            return text.replace("{", TWICE, 1)
        case 3:
            return text.replace('"', chance.choice(["", "'", '\\"', "\ufeff"]), 1 + chance.randrange(5))
        case 4:
            return chance.choice([json.dumps(text), text + text, f'{text[:-1]}, "more": "{"x" * 300_000}"}}'])
        case 5 | 6:
            return chance.choice(ODD_TEXTS)
    return text


@pytest.mark.parametrize("function", HANDLERS, ids=lambda function: function.__name__)
def test_whatever_is_in_a_queue_ends_in_a_verdict(fake: AcceptAll, function: Any) -> None:
    """None is an error of ours, none starts what its trigger does not, and none is dropped without a reason."""
    chance = random.Random(7)  # noqa: S311 - the same bodies every time
    sources, trigger = HANDLERS[function]
    events = [json.loads((PROJECT / "events" / f"{name}.json").read_text(encoding="utf-8")) for name in sources]
    count = BODIES // len(HANDLERS)
    bodies = [body(chance, chance.choice(events), trigger) for _ in range(count)]
    # The second time that each of them comes: the first time, a removed trigger is looked for once more.
    verdicts = verdicts_of(function, [record(f"m{at}", text, receives=2) for at, text in enumerate(bodies)])
    assert {verdict["message_id"] for verdict in verdicts} == {f"m{at}" for at in range(count)}
    outcomes = [verdict["outcome"] for verdict in verdicts]
    assert outcomes.count("STARTED") == len(fake.started) > count / 10
    assert len({one["message_id"] for one in verdicts if one["outcome"] == "REJECTED"}) == len(fake.quarantined)
    assert len(fake.quarantined) > count / 10
    for call in fake.started:
        assert violations(call) == []
        named = TRIGGERS[call["PipelineExecutionDescription"].removeprefix("trigger ").partition(",")[0]]
        assert call["PipelineName"] in [one.pipeline for one in named.start]
    for sent in fake.quarantined:
        attributes = {name: attribute["StringValue"] for name, attribute in sent["MessageAttributes"].items()}
        assert attributes["reason"]
        assert attributes["event_id"]
        assert "".join(attributes.values()).isprintable()


PIECES = [
    *(" ", "+", "%", "%20", "%2B", "%zz", "/", "//", "..", "../", "\n", "\r", "\t", "\x7f", "\\", '"', "'", "&", "<"),
    *('","pipeline":"evil', '"}', "${AWS::Region}", "{% $object.etag %}", "$.detail", "<aws.events.event>", "#", "?"),
    *("é", "e\u0301", "日本", "😀", "\u202e", "\u2028", "\u00a0", "\ufeff", "ẞ", "ß", "a", "Z", "0", "=", "key.csv"),
]


def test_any_key_reaches_its_parameter_as_it_was_uploaded(fake: AcceptAll) -> None:
    """EventBridge sends it raw; S3's own notifications encode it, once."""
    chance = random.Random(11)  # noqa: S311 - the same keys every time
    raw = Trigger("team/upload", HANDLERS[on_s3_upload][1].when, (Start("train", {"Key": "$.detail.object.key"}),))
    notified = Trigger("team/topic", HANDLERS[on_sns_message][1].when, (Start("train", {"Key": "{% $object.key %}"}),))
    keys = ["".join(chance.choices(PIECES, k=chance.randrange(1, 12))) for _ in range(KEYS)]
    for key in keys:
        event = {"id": "e", "detail": {"bucket": {"name": "raw"}, "object": {"key": key, "etag": "e"}}}
        rule = json.dumps({"trigger": raw.id, "event": event}, ensure_ascii=chance.random() < 0.5)
        s3 = {"bucket": {"name": "raw"}, "object": {"key": quote_plus(key, safe="/"), "eTag": "e"}}
        message = json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]})
        envelope = {"Type": "Notification", "MessageId": "m", "TopicArn": OTHER_TOPIC, "Message": message}
        for trigger, read, text in (
            (raw, partial(from_rule, "OnS3Upload"), rule),
            (notified, partial(from_topic, "own"), json.dumps(envelope)),
        ):
            (arrival,) = read(text, {trigger.id: trigger})
            start.execute(plan(trigger, 0, arrival.occurrence(), "stack"), lambda: aws.LONGEST_START)
    assert [call["PipelineParameters"][0]["Value"] for call in fake.started] == [key for key in keys for _ in range(2)]
    assert len({call["ClientRequestToken"] for call in fake.started}) == 2 * len(set(keys))
