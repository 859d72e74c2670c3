"""The sources of events: for each ``when``, who handles it, and the event pattern that its rule matches.

``sns`` has no rule: its messages come by subscription. ``schedule`` has none either: EventBridge Scheduler sends.

A pattern holds as much as a rule can match without ``wildcard``, of which a bus allows 30 rules: an exact name, its
beginning or its end. The handler matches what is left of a glob.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_triggers.language import globs
from pipeline_triggers.models import Occurrence, Trigger, When

Fields = Mapping[str, Any]
Pattern = dict[str, Any]

# How a text of a document is written: as it is, or for CloudFormation.
Write = Callable[[str], Any]

# The handlers' stems, by which the template names functions, queues and roles.
HANDLERS = ("OnS3Upload", "OnEndpointStatus", "OnSnsMessage", "OnEvent")

# Who starts pipelines, by the stems of their roles: the handlers, and EventBridge and Scheduler themselves.
DIRECT_RULES, DIRECT_SCHEDULES = "DirectRules", "DirectSchedules"
STARTERS = (*HANDLERS, DIRECT_RULES, DIRECT_SCHEDULES)

ENDPOINT_STATUSES = (
    *("OutOfService", "Creating", "Updating", "SystemUpdating", "RollingBack", "InService", "Deleting", "Failed"),
    "UpdateRollbackFailed",
)
DEPLOYMENT_STAGES = ("Creating", "Updating", "Deleting", "ActivatingTraffic", "Baking")
TRAINING_JOB_STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting")
APPROVAL_STATUSES = ("Approved", "Rejected", "PendingManualApproval")
PIPELINE_STATUSES = ("Executing", "Stopping", "Stopped", "Failed", "Succeeded", "CompletedWithFailures")
ALARM_STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of ``when``.

    ``pattern`` writes the event pattern, where a rule matches. ``choices`` are fields that take one or several of
    fixed words. ``name`` is the field that holds a glob, with the way to what it must match in an occurrence.
    ``exact`` has the ways to what must be the field's text, or one of the field's words.
    """

    handler: str
    pattern: Callable[[Fields, Write], Pattern] | None
    choices: Mapping[str, tuple[str, ...]]
    name: tuple[str, Callable[[Occurrence], str], Callable[[str, str], bool]] | None = None
    exact: Mapping[str, Callable[[Occurrence], Any]] = field(default_factory=dict)


def _state_change(kind: str, detail: Pattern) -> Pattern:
    return {"source": ["aws.sagemaker"], "detail-type": [f"SageMaker {kind} State Change"], "detail": detail}


def _name(glob: str | None, write: Write) -> list[Any]:
    """Match a name, its beginning or its end; nothing for every name."""
    if glob is None:
        return []
    if "*" not in glob:
        return [write(glob)]
    if prefix := globs.literal_prefix(glob):
        return [{"prefix": write(prefix)}]
    # "**/data.csv" matches "data.csv" too, so the slash is not asked for.
    suffix = glob.rpartition("*")[2].lstrip("/")
    return [{"suffix": write(suffix)}] if suffix else []


def _given(**matchers: list[Any]) -> Pattern:
    return {name: matcher for name, matcher in matchers.items() if matcher}


def _s3(fields: Fields, write: Write) -> Pattern:
    key = _name(fields.get("key"), write)
    detail: Pattern = {"bucket": {"name": [write(fields["bucket"])]}}
    if key:
        detail["object"] = {"key": key}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def _endpoint(fields: Fields, write: Write) -> Pattern:
    if "deployment" in fields:
        stages = [{"equals-ignore-case": spelling} for stage in fields["deployment"] for spelling in _spellings(stage)]
        variants = {"ProductionVariants": {"VariantStatus": {"Status": stages}}}
        # Of a new configuration, or of a variant that is scaled.
        either = {"$or": [{"PendingDeploymentSummary": variants}, variants]}
        detail = {**_given(EndpointName=_name(fields.get("name"), write)), **either}
        return _state_change("Endpoint Deployment", detail)
    # Events spell a status IN_SERVICE, the API InService; which of both the service sends is not promised.
    spellings = [spelling for status in fields["status"] for spelling in _spellings(status)]
    return _state_change(
        "Endpoint",
        _given(
            EndpointName=_name(fields.get("name"), write),
            EndpointStatus=[{"equals-ignore-case": spelling} for spelling in spellings],
        ),
    )


def _drift(_fields: Fields, _write: Write) -> Pattern:
    # The event says neither which schedule ran nor what it found; the handler asks SageMaker.
    return _state_change("Processing Job", {"ProcessingJobStatus": ["Completed"]})


def _training_job(fields: Fields, write: Write) -> Pattern:
    detail = _given(TrainingJobName=_name(fields.get("name"), write), TrainingJobStatus=list(fields["status"]))
    return _state_change("Training Job", detail)


def _model_package(fields: Fields, write: Write) -> Pattern:
    detail = _given(
        ModelPackageGroupName=_name(fields.get("group"), write), ModelApprovalStatus=list(fields["approval"])
    )
    # An update of something else repeats the approval; it says which fields it changed.
    changed = [
        {"UpdatedModelPackageFields": ["ModelApprovalStatus"]},
        {"UpdatedModelPackageFields": [{"exists": False}]},
    ]
    return _state_change("Model Package", {**detail, "$or": changed})


def _pipeline(fields: Fields, write: Write) -> Pattern:
    # The event holds the ARN, which may be lower-cased; a name with a star is matched up to it.
    arn = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/"
    name = fields["name"]
    matcher = {"equals-ignore-case": write(arn + globs.literal_prefix(name))}
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
        "detail": {
            "pipelineArn": [{"prefix": matcher} if "*" in name else matcher],
            "currentPipelineExecutionStatus": list(fields["status"]),
        },
    }


def _alarm(fields: Fields, write: Write) -> Pattern:
    detail = _given(alarmName=_name(fields.get("name"), write))
    return {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {**detail, "state": {"value": list(fields["state"])}},
    }


def _event(fields: Fields, write: Write) -> Pattern:
    return dict(written(fields["pattern"], write))


def _spellings(status: str) -> list[str]:
    """Return a status as the API spells it and as endpoints' events do, letter case aside."""
    joined = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status)
    return [status] if joined == status else [status, joined.upper()]


def pattern(when: When, write: Write) -> Pattern | None:
    """Write the event pattern of a trigger's rule; None where messages come without one."""
    of_source = SOURCES[when.source].pattern
    return of_source(when.fields, write) if of_source else None


def starter(trigger: Trigger) -> str:
    """Return who starts a trigger's pipelines."""
    if trigger.direct:
        return DIRECT_SCHEDULES if trigger.when.source == "schedule" else DIRECT_RULES
    return SOURCES[trigger.when.source].handler


def topic(when: When) -> str | None:
    """Return the ARN of the topic that a trigger subscribes to, if any; the stack's own has none."""
    return when.fields.get("topic") if when.source == "sns" else None


def topic_filter(when: When) -> tuple[str, Pattern] | None:
    """Return the scope and the filter policy of a trigger's subscription, if it has one."""
    for scope, name in (("MessageAttributes", "attributes"), ("MessageBody", "body")):
        if when.source == "sns" and name in when.fields:
            return scope, when.fields[name]
    return None


def written(value: Any, write: Write) -> Any:
    """Write all texts of a pattern, names excepted."""
    match value:
        case str():
            return write(value)
        case dict():
            return {key: written(item, write) for key, item in value.items()}
        case list():
            return [written(item, write) for item in value]
        case _:
            return value


def _same_name(glob: str, name: str) -> bool:
    return globs.matches_name(glob.lower(), name.lower())


def _detail(*way: str) -> Callable[[Occurrence], Any]:
    """Return the way to a text of an event's detail."""

    def follow(occurrence: Occurrence) -> Any:
        found = occurrence.event["detail"]
        for name in way:
            found = found[name]
        return found

    return follow


def _one(value_of: Callable[[Occurrence], Any]) -> Callable[[Occurrence], list[Any]]:
    return lambda occurrence: [value_of(occurrence)]


SOURCES: Mapping[str, Source] = {
    "s3": Source(
        "OnS3Upload", _s3, {}, ("key", _detail("object", "key"), globs.matches), {"bucket": _detail("bucket", "name")}
    ),
    "endpoint": Source(
        "OnEndpointStatus",
        _endpoint,
        {"status": ENDPOINT_STATUSES, "deployment": DEPLOYMENT_STAGES},
        ("name", _detail("EndpointName"), globs.matches_name),
        {
            "status": lambda what: [what.bindings["endpoint"]["status"]],
            "deployment": lambda what: what.bindings["endpoint"]["deployment"],
        },
    ),
    "drift": Source(
        "OnEndpointStatus",
        _drift,
        {},
        ("monitoring_schedule", lambda what: what.bindings["monitor"]["schedule"], _same_name),
    ),
    "training_job": Source(
        "OnEvent",
        _training_job,
        {"status": TRAINING_JOB_STATUSES},
        ("name", _detail("TrainingJobName"), globs.matches_name),
        {"status": _one(_detail("TrainingJobStatus"))},
    ),
    "model_package": Source(
        "OnEvent",
        _model_package,
        {"approval": APPROVAL_STATUSES},
        ("group", lambda what: what.event["detail"].get("ModelPackageGroupName", ""), globs.matches_name),
        {"approval": _one(_detail("ModelApprovalStatus"))},
    ),
    "pipeline": Source(
        "OnEvent",
        _pipeline,
        {"status": PIPELINE_STATUSES},
        ("name", lambda what: what.event["detail"]["pipelineArn"].rpartition("/")[2], _same_name),
        {"status": _one(_detail("currentPipelineExecutionStatus"))},
    ),
    "alarm": Source(
        "OnEvent",
        _alarm,
        {"state": ALARM_STATES},
        ("name", _detail("alarmName"), globs.matches_name),
        {"state": _one(_detail("state", "value"))},
    ),
    "sns": Source("OnSnsMessage", None, {}),
    "schedule": Source("OnEvent", None, {}),
    "event": Source("OnEvent", _event, {}),
}
