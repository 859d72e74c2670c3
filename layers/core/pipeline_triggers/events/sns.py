"""Messages of SNS topics → Occurrences: publishers' requests on the stack's own topic, anything on the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.events import s3, strict_json
from pipeline_triggers.events.envelope import Arrival, Triggers, parse, probed
from pipeline_triggers.language.sources import takes_requests, topic
from pipeline_triggers.language.values import MAX_VALUE_LENGTH, spell
from pipeline_triggers.models import Occurrence, Request, named
from pipeline_triggers.text import brief, did_you_mean

Envelope = Mapping[str, Any]
Read = Occurrence | Filtered | Rejected


def from_topic(own: str | None, body: str, triggers: Triggers) -> list[Arrival]:
    """Read what SNS puts into the queue: an envelope around what was published.

    ``own`` is the stack's topic for publishers, whose messages name their trigger; None takes each topic that no
    trigger subscribes to for it. A message of another topic goes to every trigger that subscribes to it. ``triggers
    run`` sends an envelope for one of them, as ``from_rule`` reads it.

    Raises:
        Rejected: the body is not an envelope of SNS, or no trigger subscribes to its topic.

    """
    match raw := parse(body):
        case {"trigger": str(trigger), "event": dict(envelope)}:
            again, part = str(raw.get("again", "")), raw.get("part")
            current = named(triggers, trigger)
            name = current.id if current else trigger
            arrivals = [
                arrival
                for arrival in _arrivals(own, envelope, triggers)
                if arrival.trigger == name and part in (None, arrival.part)
            ]
            if not arrivals:
                raise Rejected(f"the message is not for {trigger}")
            return [replace(arrival, read=_again(arrival.read, again)) for arrival in arrivals]
        case {"trigger": str(trigger), "probe": str(probe)}:
            return [probed("OnSnsMessage", trigger, probe, triggers)]
    return _arrivals(own, raw, triggers)


def _again(read: Read, again: str) -> Read:
    return replace(read, again=again) if isinstance(read, Occurrence) else read


def _arrivals(own: str | None, envelope: Any, triggers: Triggers) -> list[Arrival]:
    match envelope:
        case {"Type": "Notification", "MessageId": str(message_id), "TopicArn": str(arn), "Message": str(text)}:
            views = [view for trigger in triggers.values() if trigger.enabled for view in trigger.views()]
            subscribed = [(view.id, view.part) for view in views if topic(view.when) == arn]
        case _:
            raise Rejected("the message is not a notification of SNS: it lacks Type, MessageId, TopicArn or Message")
    if arn == own or (own is None and not subscribed):
        return [_requested(envelope, triggers)]
    if not subscribed:
        raise Rejected(f"no trigger subscribes to {arn} any more")
    return [
        Arrival(trigger, message_id, read, part) for read in _published(envelope, text) for trigger, part in subscribed
    ]


def _requested(envelope: Envelope, triggers: Triggers) -> Arrival:
    """Read a publisher's message on the stack's own topic."""
    trigger = "unknown"
    read: Read
    try:
        body = strict_json.read(envelope["Message"])
        if isinstance(body, dict) and isinstance(body.get("trigger"), str):
            current = named(triggers, body["trigger"])
            trigger = current.id if current else body["trigger"]
        read = replace(_message(envelope, body), request=_request(body))
        if trigger not in triggers:
            known = [other.id for other in triggers.values() if takes_requests(other.when)]
            remedy = did_you_mean(trigger, known) if known else "no trigger takes requests"
            raise Rejected(f"trigger {brief(trigger)} does not exist; {remedy}")
    except Rejected as error:
        read = error
    return Arrival(trigger, envelope["MessageId"], read)


_REQUEST = ("trigger", "pipeline", "parameters", "dedupe")


def _request(body: object) -> Request:
    if not isinstance(body, dict) or not isinstance(body.get("trigger"), str):
        raise Rejected('the request is not {"trigger": "<team>/<name>", "parameters": {…}}')
    if unknown := [name for name in body if name not in _REQUEST]:
        raise Rejected(f"the request sets {', '.join(unknown)}; it may set {', '.join(_REQUEST)}")
    for name in ("pipeline", "dedupe"):
        if name in body and not (isinstance(body[name], str) and 0 < len(body[name]) <= MAX_VALUE_LENGTH):
            raise Rejected(f"the request's {name} is not a text of 1 to {MAX_VALUE_LENGTH} characters")
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Rejected('the request\'s parameters are not {"Name": "value"}')
    values = {name: _value(name, value) for name, value in parameters.items()}
    return Request(body["trigger"], body.get("pipeline"), values, body.get("dedupe"))


def _value(name: str, value: object) -> str:
    try:
        return spell(f"the request's parameter {name}", value)
    except Rejected as error:
        # The remedies are for a document's author.
        raise Rejected(f"{str(error).partition('; ')[0]}; send a text, a number or a boolean") from error


def _published(envelope: Envelope, text: str) -> list[Read]:
    """Read a message of a topic: one occurrence, or one for each record where S3 sends its notifications there."""
    try:
        body = strict_json.read(text)
        records = s3.records(body)
        message = _message(envelope, body)
    except (Filtered, Rejected) as error:
        return [error]
    return [_uploaded(message, record) for record in records] or [message]


def _uploaded(message: Occurrence, record: Any) -> Read:
    try:
        return s3.upload(message, record)
    except (Filtered, Rejected) as error:
        return error


def _message(envelope: Envelope, body: object) -> Occurrence:
    """Return the occurrence of a message, and bind ``$message``."""
    bound = {
        "id": envelope["MessageId"],
        "topic": envelope["TopicArn"],
        "time": envelope.get("Timestamp"),
        "subject": envelope.get("Subject"),
        "text": envelope["Message"],
        "body": body,
        "attributes": _attributes(envelope.get("MessageAttributes")),
    }
    return Occurrence(
        event_id=envelope["MessageId"],
        subject=envelope["TopicArn"],
        identity=("sns", envelope["MessageId"]),
        event={**envelope, "Message": body},
        bindings={"message": {name: value for name, value in bound.items() if value is not None}},
    )


def _attributes(raw: object) -> dict[str, Any]:
    attributes = {}
    for name, attribute in raw.items() if isinstance(raw, dict) else ():
        match attribute:
            case {"Type": "Number" | "String.Array", "Value": str(value)}:
                attributes[name] = strict_json.read(value)
            case {"Value": value}:
                attributes[name] = value
    return attributes
