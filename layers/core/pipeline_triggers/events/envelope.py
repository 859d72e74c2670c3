"""Raw payloads → Occurrences. Raw JSON stops here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language.sources import DEPLOYMENT_STAGES, ENDPOINT_STATUSES, TRAINING_JOB_STATUSES, topic
from pipeline_triggers.language.values import MAX_VALUE_LENGTH, spell
from pipeline_triggers.models import Occurrence, Request, Trigger
from pipeline_triggers.text import spelling

MAX_DIGITS = 100  # of a number in a message
MAX_DEPTH = 50  # of a message
MAX_BYTES = 262_144  # of a message: what SNS takes

Event = Mapping[str, Any]
Triggers = Mapping[str, Trigger]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a queue message brings to one trigger: an occurrence, or the error that reading it ended with."""

    trigger: str
    event_id: str
    read: Occurrence | Filtered | Rejected

    def occurrence(self) -> Occurrence:
        """Return the occurrence, or raise the error."""
        if isinstance(self.read, Occurrence):
            return self.read
        raise self.read


def from_rule(parse: Callable[[Event], Occurrence], body: str, _triggers: Triggers) -> list[Arrival]:
    """Read what a rule puts into a handler's queue: the trigger's id and the event as EventBridge delivered it.

    ``triggers run`` sends the same, and beside them what makes it another occurrence (``again``). No publisher can:
    what they send is inside the event.

    Raises:
        Rejected: the body is not what the compiled rules send.

    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is no JSON: {error}") from error
    match raw:
        case {"trigger": str(trigger), "event": dict(event)}:
            try:
                occurrence = replace(parse(event), again=str(raw.get("again", "")))
                return [Arrival(trigger, str(event.get("id", "")), occurrence)]
            except Rejected as error:
                return [Arrival(trigger, str(event.get("id", "")), error)]
    raise Rejected('the message is not {"trigger": "<team>/<name>", "event": {…}}, as the compiled rules send it')


def s3_upload(event: Mapping[str, Any]) -> Occurrence:
    """Read S3's "Object Created" event and bind ``$object``.

    The key is used as it stands: EventBridge delivers it raw, unlike S3's notifications to SNS, SQS and
    Lambda, which are url-encoded. That is why Powertools' S3EventBridgeNotificationEvent does not serve
    here: it decodes, and so would damage every key that holds ``+`` or ``%``.

    Raises:
        Rejected: the event is no "Object Created".

    """
    if event.get("detail-type", "Object Created") != "Object Created":
        raise Rejected(f"the event is no S3 Object Created but {event['detail-type']}")
    match event:
        case {
            "id": str(event_id),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as s3_object} as detail,
        }:
            bound = _s3_object(
                bucket,
                key,
                size=s3_object.get("size"),
                etag=s3_object.get("etag"),
                version_id=s3_object.get("version-id"),
                sequencer=s3_object.get("sequencer"),
                reason=detail.get("reason"),
            )
            return Occurrence(event_id, bound["uri"], _s3_identity(bound), event, {"object": bound})
    raise Rejected("the event is no S3 Object Created: it lacks id, detail.bucket.name or detail.object.key")


def _s3_object(bucket: str, key: str, **known: Any) -> dict[str, Any]:
    """Return ``$object``, without what is not known."""
    bound = {"bucket": bucket, "key": key, "name": key.rpartition("/")[2], "uri": f"s3://{bucket}/{key}", **known}
    return {name: value for name, value in bound.items() if value is not None}


def _s3_identity(bound: Mapping[str, Any]) -> tuple[str, ...]:
    version = bound.get("version_id") or bound.get("etag") or ""
    return ("s3", bound["bucket"], bound["key"], str(version), str(bound.get("sequencer", "")))


_STATUSES = {spelling(status): status for status in (*ENDPOINT_STATUSES, *TRAINING_JOB_STATUSES, *DEPLOYMENT_STAGES)}

# How ``start`` ends the description of an execution.
_DEPTH = re.compile(r"(?:, depth ([0-9]{1,4}))?, identity [0-9a-f]{64}$")

# The state changes of SageMaker: how their detail names the resource, and the variable that is bound to it.
_STATE_CHANGES = {
    "SageMaker Endpoint State Change": ("Endpoint", "endpoint"),
    "SageMaker Endpoint Deployment State Change": ("Endpoint", "endpoint"),
    "SageMaker Training Job State Change": ("TrainingJob", "job"),
    "SageMaker Processing Job State Change": ("ProcessingJob", "job"),
    "SageMaker Transform Job State Change": ("TransformJob", "job"),
    "SageMaker HyperParameter Tuning Job State Change": ("HyperParameterTuningJob", "job"),
}


def eventbridge(event: Mapping[str, Any]) -> Occurrence:
    """Read any other event of EventBridge, and bind ``$endpoint`` or ``$job`` to what changed its state.

    SageMaker may send several events for one change; the resource, its status and the time of the change say that
    they are one. What EventBridge Scheduler sends for a schedule of ours looks like an event, and binds ``$scheduled``.

    Raises:
        Rejected: the event has no id or no detail.

    """
    match event:
        case {"source": "aws.scheduler", "id": str(event_id), "detail": {"trigger": str(), "timezone": str(zone)}}:
            bound = _scheduled(event, zone)
            return Occurrence(event_id, bound["arn"], ("schedule", bound["time"]), event, {"scheduled": bound})
        case {"id": str(event_id), "detail-type": str(kind), "detail": dict(detail)}:
            try:
                event = {**event, **({"time": _iso(event["time"])} if "time" in event else {})}
                subject = next(iter(event.get("resources") or []), kind)
                identity = _identity(event_id, kind, event, detail)
                return Occurrence(
                    event_id, str(subject), identity, event, _bindings(kind, detail), depth=_depth(detail)
                )
            except (AttributeError, KeyError, TypeError) as error:
                raise Rejected(f"the event is no {kind} as AWS sends it: {error}") from error
    raise Rejected("the event is none of EventBridge: it lacks id, detail-type or detail")


def _scheduled(event: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """Return ``$scheduled``: the time that was asked for, however much later it was sent."""
    match event:
        case {"time": str(time), "resources": [str(arn)]}:
            try:
                moment = datetime.fromisoformat(time)
                here = moment.astimezone(ZoneInfo(zone))
            except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError) as error:
                raise Rejected(f"the event is none of a schedule as compiled: {error}") from error
            if moment.tzinfo is not None:
                return {
                    "time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "local": here.isoformat(timespec="seconds"),
                    "date": here.date().isoformat(),
                    "timezone": zone,
                    "arn": arn,
                }
    raise Rejected("the event is none of a schedule as compiled: it lacks resources, or a time with its offset")


def _identity(event_id: str, kind: str, event: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, ...]:
    changed: tuple[Any, ...]
    match kind:
        case "SageMaker Model Building Pipeline Execution Status Change":
            # An execution may be retried, and so end twice.
            ended = detail.get("executionEndTime", "")
            changed = (detail.get("pipelineExecutionArn"), detail.get("currentPipelineExecutionStatus"), ended)
        case "SageMaker Model Package State Change":
            package, approval = detail.get("ModelPackageArn"), detail.get("ModelApprovalStatus")
            changed = (package, approval, _iso(detail.get("LastModifiedTime")))
        case "CloudWatch Alarm State Change":
            state = detail.get("state") or {}
            changed = (*(event.get("resources") or [])[:1], state.get("value"), state.get("timestamp"))
        case "SageMaker Endpoint Deployment State Change":
            stages = [(_status(stage.get("Status")), _iso(stage.get("StartTime"))) for stage in _stages(detail)]
            changed = (detail.get("EndpointArn"), _iso(detail.get("LastModifiedTime")), stages or None)
        case _ if kind in _STATE_CHANGES:
            stem, _ = _STATE_CHANGES[kind]
            status = _status(detail.get(f"{stem}Status"))
            changed = (detail.get(f"{stem}Arn"), status, _iso(detail.get("LastModifiedTime")))
        case _:
            changed = ()
    if changed and None not in changed:
        return (kind, *map(str, changed))
    return ("event", event_id)


def _bindings(kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    if kind not in _STATE_CHANGES:
        return {}
    stem, variable = _STATE_CHANGES[kind]
    bound = {
        "name": detail.get(f"{stem}Name"),
        "arn": detail.get(f"{stem}Arn"),
        "status": _status(detail.get(f"{stem}Status")),
        "failure_reason": detail.get("FailureReason"),
        "tags": _tags(detail.get("Tags")),
    }
    if variable == "endpoint":
        bound["config"] = detail.get("EndpointConfigName")
        variants = [variant.get("VariantName") for variant in detail.get("ProductionVariants") or []]
        bound["variants"] = [variant for variant in variants if variant is not None]
        if stages := list(dict.fromkeys(_status(stage.get("Status")) for stage in _stages(detail))):
            bound["deployment"] = stages
            bound["next_config"] = (detail.get("PendingDeploymentSummary") or {}).get("EndpointConfigName")
    return {variable: {name: value for name, value in bound.items() if value is not None}}


def _depth(detail: Mapping[str, Any]) -> int:
    """Read from the description of an execution of ours, which ended, how many led to it; it is one more."""
    found = _DEPTH.search(str(detail.get("pipelineExecutionDescription", "")))
    return int(found[1] or 0) + 1 if found else 0


def _stages(detail: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the stages of an endpoint's deployment, variant by variant."""
    # Of a new configuration, or of a variant that is scaled.
    pending = (detail.get("PendingDeploymentSummary") or {}).get("ProductionVariants") or []
    variants = [*pending, *(detail.get("ProductionVariants") or [])]
    return [stage for variant in variants for stage in variant.get("VariantStatus") or []]


def _iso(value: Any) -> Any:
    """Write a time as ISO 8601: SageMaker's events have milliseconds since 1970 as well, as number or text."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,15}(\.0*)?", value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        moment = datetime.fromtimestamp(float(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return value
    return moment.isoformat(timespec="seconds" if moment.microsecond == 0 else "milliseconds").replace("+00:00", "Z")


def _tags(tags: Any) -> Any:
    """Return tags by key: SageMaker's events have them as a mapping, or as a list."""
    return {tag["Key"]: tag["Value"] for tag in tags} if isinstance(tags, list) else tags


def _status(status: Any) -> Any:
    """Spell a status as the API does: events of endpoints say IN_SERVICE for InService."""
    return _STATUSES.get(spelling(status), status) if isinstance(status, str) else status


# ---- SNS


def from_topic(own: str | None, body: str, triggers: Triggers) -> list[Arrival]:
    """Read what SNS puts into the queue: an envelope around what was published.

    ``own`` is the stack's topic for publishers, whose messages name their trigger; None takes each topic that no
    trigger subscribes to for it. A message of another topic goes to every trigger that subscribes to it. ``triggers
    run`` sends an envelope for one of them, as ``from_rule`` reads it.

    Raises:
        Rejected: the body is no envelope of SNS, or no trigger subscribes to its topic.

    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is no JSON: {error}") from error
    match raw:
        case {"trigger": str(trigger), "event": dict(envelope)}:
            again = str(raw.get("again", ""))
            arrivals = [found for found in _notified(own, envelope, triggers) if found.trigger == trigger]
            if not arrivals:
                raise Rejected(f"the message is none for {trigger}")
            return [replace(arrival, read=_once_more(arrival.read, again)) for arrival in arrivals]
    return _notified(own, raw, triggers)


def _once_more(read: Occurrence | Filtered | Rejected, again: str) -> Occurrence | Filtered | Rejected:
    return replace(read, again=again) if isinstance(read, Occurrence) else read


def _notified(own: str | None, raw: Any, triggers: Triggers) -> list[Arrival]:
    match raw:
        case {"Type": "Notification", "MessageId": str(), "TopicArn": str(arn), "Message": str()}:
            subscribed = [trigger.id for trigger in triggers.values() if trigger.enabled and topic(trigger.when) == arn]
        case _:
            raise Rejected("the message is no notification of SNS: it lacks Type, MessageId, TopicArn or Message")
    if arn == own or (own is None and not subscribed):
        return [_requested(raw)]
    if not subscribed:
        raise Rejected(f"no trigger subscribes to {arn} any more")
    read: list[Any]
    try:
        read = _published(raw, _body(raw["Message"]))
    except (Filtered, Rejected) as error:
        read = [error]
    return [Arrival(trigger, raw["MessageId"], one) for one in read for trigger in subscribed]


def _requested(envelope: Event) -> Arrival:
    """Read a publisher's message on the stack's own topic."""
    message_id = envelope["MessageId"]
    trigger = "unknown"
    try:
        asked = _body(envelope["Message"])
        if isinstance(asked, dict) and isinstance(asked.get("trigger"), str):
            trigger = asked["trigger"]
        request = _request(asked)
        (published,) = _published(envelope, asked)
        if isinstance(published, Occurrence):
            return Arrival(trigger, message_id, replace(published, request=request))
        return Arrival(trigger, message_id, published)
    except Rejected as error:
        return Arrival(trigger, message_id, error)


_REQUEST = ("trigger", "pipeline", "parameters", "dedupe")


def _request(asked: object) -> Request:
    if not isinstance(asked, dict) or not isinstance(asked.get("trigger"), str):
        raise Rejected('the request is not {"trigger": "<team>/<name>", "parameters": {…}}')
    if unknown := [name for name in asked if name not in _REQUEST]:
        raise Rejected(f"the request sets {', '.join(unknown)}; it may set {', '.join(_REQUEST)}")
    for name in ("pipeline", "dedupe"):
        if name in asked and not (isinstance(asked[name], str) and 0 < len(asked[name]) <= MAX_VALUE_LENGTH):
            raise Rejected(
                f"the request's {name} is no text of {MAX_VALUE_LENGTH} characters; leave it out, or write one"
            )
    parameters = asked.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Rejected('the request\'s parameters are not {"Name": "value"}')
    spelt = {name: _spelt(name, value) for name, value in parameters.items()}
    return Request(asked["trigger"], asked.get("pipeline"), spelt, asked.get("dedupe"))


def _spelt(name: str, value: object) -> str:
    try:
        return spell(f"the request's parameter {name}", value)
    except Rejected as error:
        # The remedies are for a document's author.
        raise Rejected(f"{str(error).partition('; ')[0]}; send a text, a number or a boolean") from error


def _published(envelope: Event, body: object) -> list[Occurrence | Filtered | Rejected]:
    """Read a message of a topic: one occurrence, or one for each object where S3 speaks through the topic."""
    bound = {
        "id": envelope["MessageId"],
        "topic": envelope["TopicArn"],
        "time": envelope.get("Timestamp"),
        "subject": envelope.get("Subject"),
        "text": envelope["Message"],
        "body": body,
        "attributes": _attributes(envelope.get("MessageAttributes")),
    }
    message = Occurrence(
        event_id=envelope["MessageId"],
        subject=envelope["TopicArn"],
        identity=("sns", envelope["MessageId"]),
        event={**envelope, "Message": body},
        bindings={"message": {name: value for name, value in bound.items() if value is not None}},
    )
    match body:
        case {"Service": "Amazon S3", "Event": "s3:TestEvent"}:
            raise Filtered("S3 tests whether it may publish to this topic")
        case {"Records": list(records)} if any(_is_of_s3(record) for record in records):
            return [_uploaded(message, record) for record in records]
    return [message]


def _is_of_s3(record: object) -> bool:
    return isinstance(record, dict) and record.get("eventSource") == "aws:s3"


def _uploaded(message: Occurrence, record: Any) -> Occurrence | Filtered | Rejected:
    """Read S3's own notification, in which keys are url-encoded, unlike in its events."""
    match record:
        case {"eventName": str(name)} if not name.startswith("ObjectCreated:"):
            return Filtered(f"S3 tells of {name}, which is no upload")
        case {"eventName": str(), "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as s3_object}}:
            bound = _s3_object(
                bucket,
                unquote_plus(key),
                size=s3_object.get("size"),
                etag=s3_object.get("eTag"),
                version_id=s3_object.get("versionId"),
                sequencer=s3_object.get("sequencer"),
                reason=record.get("eventName"),
            )
            bindings = {**message.bindings, "object": bound}
            return replace(message, subject=bound["uri"], identity=_s3_identity(bound), bindings=bindings)
    return Rejected("the record is no notification of S3: it lacks s3.bucket.name or s3.object.key")


def _attributes(raw: object) -> dict[str, Any]:
    attributes = {}
    for name, attribute in raw.items() if isinstance(raw, dict) else ():
        match attribute:
            case {"Type": "Number" | "String.Array", "Value": str(value)}:
                attributes[name] = _body(value)
            case {"Value": value}:
                attributes[name] = value
    return attributes


def _body(text: str) -> Any:
    """Return what a message holds: JSON where it is JSON, else the text itself.

    Raises:
        Rejected: it is too large or too deep, or JSON of which two readers could make two things.

    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Rejected(f"the message has more than {MAX_BYTES} bytes")
    reader = _Strict()
    try:
        body = json.loads(
            text,
            object_pairs_hook=reader.object,
            parse_constant=reader.constant,
            parse_int=reader.number,
            parse_float=reader.number,
        )
    except ValueError:
        return text
    except RecursionError as error:
        raise Rejected(f"the message is nested deeper than {MAX_DEPTH}") from error
    # Only now it is certain that it is JSON, and no text that begins like it.
    if reader.complaints:
        raise Rejected(reader.complaints[0])
    if _depth_of(body) > MAX_DEPTH:
        raise Rejected(f"the message is nested deeper than {MAX_DEPTH}")
    return body


def _depth_of(value: object) -> int:
    depth, level = 0, [value]
    while level := [
        child
        for parent in level
        if isinstance(parent, dict | list)
        for child in (parent.values() if isinstance(parent, dict) else parent)
    ]:
        depth += 1
    return depth


class _Strict:
    """Notes what two readers of a JSON text could read in two ways."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def object(self, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """Note a name that is set twice."""
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                self.complaints.append(f"the message sets {name!r} twice; set it once")
            found[name] = value
        return found

    def constant(self, name: str) -> None:
        """Note what is no JSON, though Python reads it."""
        self.complaints.append(f"the message holds {name}, which is no JSON")

    def number(self, text: str) -> float:
        """Note a number that not every reader can hold."""
        number = float(text)
        if len(text) > MAX_DIGITS or not math.isfinite(number):
            told = f"{MAX_DIGITS} are the most, up to 1e308"
            self.complaints.append(f"the message holds a number of {len(text)} digits; {told}")
            return 0
        return number if any(letter in text for letter in ".eE") else int(text)
