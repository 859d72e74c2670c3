"""What ``make run`` plays for each trigger: an event that it asks for, and one that it refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pipeline_triggers.documents import schedules
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.language import globs
from pipeline_triggers.language.lookups import LOOKUPS, needed
from pipeline_triggers.language.sources import topic, topic_filter
from pipeline_triggers.language.sources.drift import SAMPLE_RUN
from pipeline_triggers.models import Trigger

from tests.localaws import ACCOUNT, REGION, STACK, made_up
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


class NotPlayed(Exception):
    """Nothing can be played for a trigger; the message says why."""


@dataclass(frozen=True)
class Scenario:
    """Something to play against AWS, its title, and how it must end; ``subject`` is what the verdicts call it."""

    title: str
    play: Callable[[LocalAws], object]
    outcomes: frozenset[str]
    verdicts: int
    subject: str | None = None


def of_trigger(trigger: Trigger, requests_topic: str) -> Iterator[Scenario]:
    """Give the scenarios of a trigger.

    Raises:
        NotPlayed: there are none.

    """
    if trigger.direct:
        raise NotPlayed("AWS starts it without a handler, so there is no verdict")
    match trigger.when.source:
        case "s3":
            yield from _uploads(trigger)
        case "sns":
            yield from _topic_message(trigger) if topic(trigger.when) else _requests(trigger, requests_topic)
        case "schedule":
            if schedules.is_over(trigger, schedules.past([trigger], datetime.now(UTC))):
                raise NotPlayed("its schedule is over")
            title = f"fires      the schedule of {trigger.id}, now"
            yield Scenario(title, lambda aws: aws.fire(STACK, trigger.id), expected(trigger), verdicts(trigger))
        case _:
            yield _event(trigger)


def expected(trigger: Trigger) -> frozenset[str]:
    """Return how an event may end that the trigger asks for.

    Its ``if`` may refuse a sample, and two samples may have the same business key, or be too many in an hour.
    """
    outcomes = {"COLLECTED" if trigger.collect else "DRY_RUN" if trigger.dry_run else "STARTED"}
    if trigger.condition:
        outcomes.add("FILTERED")
    if trigger.dedupe:
        outcomes.add("DUPLICATE")
    if trigger.max_starts <= len(STAND_INS):
        outcomes.add("WAITING")
    return frozenset(outcomes)


def verdicts(trigger: Trigger) -> int:
    """Return how many verdicts an event gets: one for each pipeline, and a single one if it is collected."""
    return 1 if trigger.collect else len(trigger.start)


def _uploads(trigger: Trigger) -> Iterator[Scenario]:
    bucket, glob = trigger.when.fields["bucket"], trigger.when.fields.get("key", "*.csv")
    keys = [glob.replace("**", "*").replace("*", text) for text in STAND_INS] if "*" in glob else [glob]
    if "*" in glob and (prefix := globs.literal_prefix(glob)):
        keys.append(f"{prefix}elsewhere/notes.txt")
    for key in dict.fromkeys(keys):
        matches = globs.matches(glob, key)
        yield Scenario(
            f"upload     s3://{bucket}/{key}",
            _upload(trigger, bucket, key),
            # What has started under the same business key counts first.
            expected(trigger) if matches else frozenset({"FILTERED", *({"DUPLICATE"} if trigger.dedupe else ())}),
            verdicts(trigger) if matches else 1,
            f"s3://{bucket}/{key}",
        )


def _upload(trigger: Trigger, bucket: str, key: str) -> Callable[[LocalAws], object]:
    """Return what uploads a file, with the tags and metadata that the trigger's expressions name."""
    tags, metadata = (dict.fromkeys(made_up.used_keys(trigger, field), STAND_INS[0]) for field in ("tags", "metadata"))
    body = b"customer,churned\n1,0\n2,1\n"
    return lambda aws: aws.client("s3").put_object(
        Bucket=bucket, Key=key, Body=body, Metadata=metadata, Tagging=urlencode(tags)
    )


def _event(trigger: Trigger) -> Scenario:
    """Return an event of EventBridge, with what the handler then looks up in AWS."""
    try:
        event = made_up.event_for(trigger)
    except made_up.NothingFits as reason:
        raise NotPlayed(f"no event could be made up for it: {reason}") from reason

    if trigger.when.source == "drift":
        # Each trigger's own run of a monitor, of which the event of no other trigger reports.
        run = f"{SAMPLE_RUN['job']}-{uuid.uuid4().hex[:6]}"
        event = json.loads(json.dumps(event).replace(SAMPLE_RUN["job"], run))

    def play(aws: LocalAws) -> None:
        fields = {field for variable, field in needed(trigger) if variable == "endpoint"}
        if fields:
            aws.create_endpoint(event["detail"]["EndpointName"], event["detail"]["EndpointConfigName"])
        if trigger.when.source == "drift":
            _run_monitor(aws, trigger, event)
        aws.put_event(event, trigger.when.fields.get("bus", "default"))

    subject = next(iter(event.get("resources", [])), event["detail-type"])
    about = event["detail-type"] if subject == event["detail-type"] else f"{event['detail-type']} {subject}"
    return Scenario(f"event      {about}", play, expected(trigger), verdicts(trigger), subject)


def _run_monitor(aws: LocalAws, trigger: Trigger, event: Mapping[str, Any]) -> None:
    """Let the monitor run of which an event reports that it has ended, and write the violations that it found."""
    schedule = trigger.when.fields["monitoring_schedule"].replace("*", STAND_INS[0])
    output, _, file = SAMPLE_RUN["violations_uri"].rpartition("/")
    endpoint = LOOKUPS["monitor", "endpoint"].sample
    aws.run_monitor(event["detail"]["ProcessingJobName"], schedule, SAMPLE_RUN["message"], output, endpoint)
    violations = {"violations": LOOKUPS["monitor", "violations"].sample}
    bucket, _, prefix = output.removeprefix("s3://").partition("/")
    aws.create_bucket(bucket)
    aws.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{file}", Body=json.dumps(violations).encode())


def request(trigger: Trigger) -> dict[str, Any]:
    """Return a request that the document allows."""
    parameters = {
        name: value.replace("**", "a/b").replace("*", STAND_INS[0]) if isinstance(value, str) else value[0]
        for name, value in trigger.accept.items()
    }
    pipeline = {"pipeline": trigger.start[0].pipeline} if trigger.one_of else {}
    return {"trigger": trigger.id, **pipeline, "parameters": parameters}


def _requests(trigger: Trigger, arn: str) -> Iterator[Scenario]:
    """Ask for what the document lets a publisher start, and for a parameter that it does not let them set."""

    def publish(body: Mapping[str, Any], outcomes: frozenset[str], verdicts: int) -> Scenario:
        text = json.dumps(body, ensure_ascii=False)
        return Scenario(
            f"publish    {text}",
            lambda aws: aws.client("sns").publish(TopicArn=arn, Message=text),
            outcomes,
            verdicts,
        )

    yield publish(request(trigger), expected(trigger), 1 if trigger.one_of else verdicts(trigger))
    yield publish({**request(trigger), "parameters": {"RoleArn": "admin"}}, frozenset({"REJECTED"}), 1)


def _topic_message(trigger: Trigger) -> Iterator[Scenario]:
    arn = topic(trigger.when) or ""
    if not arn.startswith(f"arn:aws:sns:{REGION}:{ACCOUNT}:"):
        raise NotPlayed(f"its topic {arn} is in another account or Region")
    if topic_filter(trigger.when):
        raise NotPlayed("its subscription has a filter policy; publish a message of your own")
    occurrence = sample(trigger.when)
    assert occurrence is not None
    uses_objects = "$object" in str(trigger)
    text = occurrence.bindings["message"]["text"] if uses_objects else json.dumps(ALARM)
    yield Scenario(
        f"publish    {'a notification of S3' if uses_objects else 'an alarm of CloudWatch'} on {arn}",
        lambda aws: aws.client("sns").publish(TopicArn=arn, Message=text),
        expected(trigger),
        verdicts(trigger),
        occurrence.subject if uses_objects else arn,
    )
