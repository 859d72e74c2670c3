"""What ``make run`` lets happen for each trigger: an event that it wants, and one that it refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline_triggers.documents import schedules
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import topic, topic_filter
from pipeline_triggers.language.sources.drift import SAMPLE_RUN
from pipeline_triggers.models import Trigger

from tests.localaws import ACCOUNT, REGION, STACK
from tests.localaws.local_aws import LocalAws

# What stands for a glob's stars.
STAND_INS = ("2026-10", "März + 100 %")


# What CloudWatch publishes to a topic.
ALARM = {
    "AlarmName": "churn-drift",
    "AlarmDescription": "Baseline drift of the churn endpoint",
    "AWSAccountId": ACCOUNT,
    "NewStateValue": "ALARM",
    "OldStateValue": "OK",
    "NewStateReason": "Threshold crossed: 0.31 > 0.1",
    "StateChangeTime": "2026-11-01T04:12:09.120+0000",
    "Region": "EU (Frankfurt)",
    "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:churn-drift",
    "Trigger": {
        "MetricName": "feature_baseline_drift_tenure",
        "Namespace": "aws/sagemaker/Endpoints/data-metrics",
        "Statistic": "MAXIMUM",
        "Dimensions": [
            {"value": "churn-prod", "name": "Endpoint"},
            {"value": "churn-prod", "name": "MonitoringSchedule"},
        ],
        "Period": 3600,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.1,
    },
}


@dataclass(frozen=True)
class Happening:
    """Something to do to AWS, how it is told, and how it must end; ``subject`` is what the verdicts call it by."""

    told: str
    do: Callable[[LocalAws], object]
    outcomes: frozenset[str]
    verdicts: int
    subject: str | None = None


def of_trigger(trigger: Trigger, requests_topic: str) -> Iterator[Happening]:
    """Give what happens for a trigger: nothing where its pattern says too little of its events."""
    if trigger.direct:
        return  # no handler tells what became of it
    match trigger.when.source:
        case "s3":
            yield from _uploads(trigger)
        case "sns":
            yield from _topic_message(trigger) if topic(trigger.when) else _requests(trigger, requests_topic)
        case "event":
            if (event := _matching(trigger.when.fields["pattern"])) is not None:
                yield _event(trigger, event)
        case "schedule":
            if not schedules.is_over(trigger, schedules.past([trigger], datetime.now(UTC))):
                told = f"fires      the schedule of {trigger.id}, now"
                yield Happening(told, lambda aws: aws.fire(STACK, trigger.id), wanted(trigger), len(trigger.start))
        case _:
            yield _event(trigger, _state_change(trigger))


def wanted(trigger: Trigger) -> frozenset[str]:
    """Return how an event ends that the trigger asks for; its ``if`` may say no to a sample."""
    started = "DRY_RUN" if trigger.dry_run else "STARTED"
    return frozenset({started, "FILTERED"} if trigger.condition else {started})


def _uploads(trigger: Trigger) -> Iterator[Happening]:
    bucket, glob = trigger.when.fields["bucket"], trigger.when.fields.get("key", "*.csv")
    keys = [glob.replace("**", "*").replace("*", text) for text in STAND_INS] if "*" in glob else [glob]
    if "*" in glob and (prefix := globs.literal_prefix(glob)):
        keys.append(f"{prefix}elsewhere/notes.txt")
    for key in dict.fromkeys(keys):
        matches = globs.matches(glob, key)
        yield Happening(
            f"upload     s3://{bucket}/{key}",
            _upload(bucket, key),
            wanted(trigger) if matches else frozenset({"FILTERED"}),
            len(trigger.start) if matches else 1,
            f"s3://{bucket}/{key}",
        )


def _upload(bucket: str, key: str) -> Callable[[LocalAws], object]:
    return lambda aws: aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"customer,churned\n1,0\n2,1\n")


def _state_change(trigger: Trigger) -> dict[str, Any]:
    """Return the source's sample with the name and the status that the trigger asks for."""
    found = sample(trigger.when)
    assert found is not None
    text, fields = json.dumps(found.event), trigger.when.fields
    name, former = fields.get("name") or fields.get("group") or "", _former_name(trigger.when.source)
    if name and former:
        text = text.replace(former, name.replace("*", STAND_INS[0]))
    event: dict[str, Any] = json.loads(text)
    detail = event["detail"]
    match trigger.when.source:
        case "endpoint" if "deployment" in fields:
            (variant,) = detail["PendingDeploymentSummary"]["ProductionVariants"]
            variant["VariantStatus"][0]["Status"] = fields["deployment"][0]
        case "endpoint":
            detail["EndpointStatus"] = fields["status"][0]
        case "training_job":
            detail["TrainingJobStatus"] = fields["status"][0]
        case "model_package":
            detail["ModelApprovalStatus"] = fields["approval"][0]
        case "pipeline":
            detail["currentPipelineExecutionStatus"] = fields["status"][0]
        case "alarm":
            detail["state"]["value"] = fields["state"][0]
    return event


def _former_name(source: str) -> str | None:
    names = {"endpoint": "churn-prod", "training_job": "churn-2026-10", "pipeline": "churn-training"}
    return {**names, "alarm": "churn-drift", "model_package": "churn"}.get(source)


def _event(trigger: Trigger, event: Mapping[str, Any]) -> Happening:
    def do(aws: LocalAws) -> None:
        if trigger.when.source == "drift":
            schedule = trigger.when.fields["monitoring_schedule"].replace("*", STAND_INS[0])
            output = SAMPLE_RUN["violations_uri"].rpartition("/")[0]
            aws.run_monitor(event["detail"]["ProcessingJobName"], schedule, SAMPLE_RUN["message"], output)
        aws.put_event(event, trigger.when.fields.get("bus", "default"))

    subject = next(iter(event.get("resources", [])), event["detail-type"])
    return Happening(f"happens    {event['detail-type']} {subject}", do, wanted(trigger), len(trigger.start), subject)


def request(trigger: Trigger) -> dict[str, Any]:
    """Return a request that the document allows."""
    parameters = {
        name: value.replace("**", "a/b").replace("*", STAND_INS[0]) if isinstance(value, str) else value[0]
        for name, value in trigger.accept.items()
    }
    pipeline = {"pipeline": trigger.start[0].pipeline} if trigger.one_of else {}
    return {"trigger": trigger.id, **pipeline, "parameters": parameters}


def _requests(trigger: Trigger, arn: str) -> Iterator[Happening]:
    """Ask for what the document lets a publisher start, and for a parameter that it does not let them set."""

    def publish(asked: Mapping[str, Any], outcomes: frozenset[str], verdicts: int) -> Happening:
        text = json.dumps(asked, ensure_ascii=False)
        return Happening(
            f"publish    {text}",
            lambda aws: aws.client("sns").publish(TopicArn=arn, Message=text),
            outcomes,
            verdicts,
        )

    yield publish(request(trigger), wanted(trigger), 1 if trigger.one_of else len(trigger.start))
    yield publish({**request(trigger), "parameters": {"RoleArn": "admin"}}, frozenset({"REJECTED"}), 1)


def _topic_message(trigger: Trigger) -> Iterator[Happening]:
    arn = topic(trigger.when) or ""
    if not arn.startswith(f"arn:aws:sns:{REGION}:{ACCOUNT}:") or topic_filter(trigger.when):
        return  # what lies elsewhere, or what a filter wants, can't be played here
    found = sample(trigger.when)
    assert found is not None
    uses_objects = "$object" in str(trigger)
    text = found.bindings["message"]["text"] if uses_objects else json.dumps(ALARM)
    yield Happening(
        f"publish    {'a notification of S3' if uses_objects else 'an alarm of CloudWatch'} on {arn}",
        lambda aws: aws.client("sns").publish(TopicArn=arn, Message=text),
        wanted(trigger),
        len(trigger.start),
        found.subject if uses_objects else arn,
    )


def _matching(pattern: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make an event of a pattern that says its values outright; None where it only says what they are like."""
    try:
        event = {name: _value(matchers) for name, matchers in pattern.items()}
    except KeyError:
        return None
    base = {"source": "example", "detail-type": "Example", "detail": {}, "id": str(uuid.uuid4())}
    return {**base, **event}


def _value(matchers: Any) -> Any:
    match matchers:
        case dict():
            return {name: _value(inner) for name, inner in matchers.items()}
        case [dict(operator), *_]:
            ((name, operand),) = operator.items()
            return _OPERANDS[name](operand)
        case [value, *_]:
            return value
        case _:
            raise KeyError(str(matchers))


_OPERANDS: Mapping[str, Callable[[Any], Any]] = {
    "prefix": lambda operand: operand,
    "suffix": lambda operand: operand,
    "equals-ignore-case": lambda operand: operand,
    "numeric": lambda operand: operand[1] + {">": 1, "<": -1}.get(operand[0], 0),
}
