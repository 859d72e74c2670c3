"""Raw payloads → Occurrences. Raw JSON stops here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Occurrence


@dataclass(frozen=True, slots=True)
class Message:
    """What a rule puts into a handler's queue: the trigger's id and the event as EventBridge delivered it."""

    trigger: str
    event: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """The id that EventBridge gave the event, the same for every delivery; "" when it has none."""
        return str(self.event.get("id", ""))


def message(body: str) -> Message:
    """Parse the body of a queue message.

    Raises:
        Rejected: the body is not what the compiled rules send.

    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is no JSON: {error}") from error
    match raw:
        case {"trigger": str(trigger), "event": dict(event)}:
            return Message(trigger, event)
    raise Rejected('the message is not {"trigger": "<team>/<name>", "event": {…}}, as the compiled rules send it')


def s3_upload(event: Mapping[str, Any]) -> Occurrence:
    """Read S3's "Object Created" event and bind ``$object``.

    The key is used as it stands: EventBridge delivers it raw, unlike S3's notifications to SNS, SQS and
    Lambda, which are url-encoded. That is why Powertools' S3EventBridgeNotificationEvent does not serve
    here: it decodes, and so would damage every key that holds ``+`` or ``%``.

    Raises:
        Rejected: the event is no "Object Created".

    """
    match event:
        case {
            "id": str(event_id),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as s3_object} as detail,
        }:
            bound = {
                "bucket": bucket,
                "key": key,
                "name": key.rpartition("/")[2],
                "uri": f"s3://{bucket}/{key}",
                "size": s3_object.get("size"),
                "etag": s3_object.get("etag"),
                "version_id": s3_object.get("version-id"),
                "sequencer": s3_object.get("sequencer"),
                "reason": detail.get("reason"),
            }
            version = str(bound["version_id"] or bound["etag"] or "")
            return Occurrence(
                event_id=event_id,
                subject=str(bound["uri"]),
                identity=("s3", bucket, key, version, str(bound["sequencer"] or "")),
                event=event,
                bindings={"object": {name: value for name, value in bound.items() if value is not None}},
            )
    raise Rejected("the event is no S3 Object Created: it lacks id, detail.bucket.name or detail.object.key")


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
    they are one.

    Raises:
        Rejected: the event has no id or no detail.

    """
    match event:
        case {"id": str(event_id), "detail-type": str(kind), "detail": dict(detail)}:
            subject = next(iter(event.get("resources") or []), kind)
            identity = _identity(event_id, kind, event, detail)
            return Occurrence(event_id, str(subject), identity, event, _bindings(kind, detail))
    raise Rejected("the event is none of EventBridge: it lacks id, detail-type or detail")


def _identity(event_id: str, kind: str, event: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, ...]:
    changed: tuple[Any, ...]
    match kind:
        case "SageMaker Model Building Pipeline Execution Status Change":
            changed = (detail.get("pipelineExecutionArn"), detail.get("currentPipelineExecutionStatus"))
        case "SageMaker Model Package State Change":
            package, approval = detail.get("ModelPackageArn"), detail.get("ModelApprovalStatus")
            changed = (package, approval, detail.get("LastModifiedTime"))
        case "CloudWatch Alarm State Change":
            state = detail.get("state") or {}
            changed = (*event.get("resources", [])[:1], state.get("value"), state.get("timestamp"))
        case _ if kind in _STATE_CHANGES:
            stem, _ = _STATE_CHANGES[kind]
            changed = (detail.get(f"{stem}Arn"), detail.get(f"{stem}Status"), detail.get("LastModifiedTime"))
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
    }
    return {variable: {name: value for name, value in bound.items() if value is not None}}


def _status(status: Any) -> Any:
    """Spell a status as the API does: events of endpoints say IN_SERVICE for InService."""
    if isinstance(status, str) and status.isupper():
        return "".join(word.capitalize() for word in status.split("_"))
    return status
