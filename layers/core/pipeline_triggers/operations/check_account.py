"""What only the account knows of the documents: are pipelines, buckets and topics there, and do the buckets speak?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account.references import Home, Pipeline
from pipeline_triggers.documents import schedules
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import Problem, Rejected
from pipeline_triggers.language import sources, triggers_json
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.language.values import literal
from pipeline_triggers.models import Start, Trigger
from pipeline_triggers.operations import inventory
from pipeline_triggers.starts import definition

# A trigger's id, where in it, and what is wrong there.
Found = tuple[str, tuple[str | int, ...], str]


def pseudo_parameters() -> dict[str, str]:
    """Return what CloudFormation would know in the account and Region that the credentials and the settings name.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    identity = aws.sts().get_caller_identity()
    return {
        "AWS::AccountId": identity["Account"],
        "AWS::Partition": identity["Arn"].split(":")[1],
        "AWS::Region": aws.sagemaker().meta.region_name,
    }


def triggers_of(documents: Documents, stage: str, values: Mapping[str, str]) -> list[Trigger]:
    """Return the triggers as a stage sees them, with the pseudo parameters' values."""
    compiled = triggers_json.dump(documents.triggers, documents.stages)
    return list(triggers_json.load(compiled, stage, values).values())


def problems(documents: Documents, stage: str, past: frozenset[str] = frozenset()) -> list[Problem]:
    """Return what keeps the documents from working in the account, Region and stage, each with its remedy.

    ``past`` says which times of schedules have passed: what never fires again needs nothing of the account.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked at all.

    """
    values = pseudo_parameters()
    triggers = [
        trigger
        for trigger in triggers_of(documents, stage, values)
        if trigger.enabled and not schedules.is_over(trigger, past)
    ]
    account = values["AWS::AccountId"]
    found = [
        *_pipeline_problems(triggers, {trigger.id: trigger for trigger in documents.triggers}),
        *_bucket_problems(triggers, account),
        *_pattern_problems(triggers, values),
        *_topic_problems(triggers, account),
    ]
    return [documents.problem(trigger_id, path, message) for trigger_id, path, message in found]


def others(documents: Documents, stage: str) -> Iterator[str]:
    """Say what else in the account starts a pipeline that a trigger starts: both would run.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    values = pseudo_parameters()
    here = home(values)
    users: dict[tuple[str, str, str], list[str]] = {}
    for trigger in triggers_of(documents, stage, values):
        for start in trigger.start if trigger.enabled else ():
            users.setdefault(Pipeline(here.account, here.region, start.pipeline).key, []).append(trigger.id)
    compiled = {trigger.id for trigger in documents.triggers}
    for found in sorted(inventory.existing(here, compiled, lambda pipeline: pipeline.key in users), key=str):
        for pipeline in found.pipelines if found.enabled else ():
            told = "both run; remove one (triggers import writes a trigger like it)"
            yield f"{found} starts {pipeline.name}, as {', '.join(users[pipeline.key])} does: {told}"


def home(values: Mapping[str, str]) -> Home:
    """Return the account and Region that pseudo parameters speak of."""
    return Home(values["AWS::Partition"], values["AWS::AccountId"], values["AWS::Region"])


def _pipeline_problems(triggers: list[Trigger], written: Mapping[str, Trigger]) -> Iterator[Found]:
    described = cache(definition.describe)
    for trigger in triggers:
        for at, start in enumerate(trigger.start):
            several = len(trigger.start) > 1 and not trigger.one_of
            place: tuple[str | int, ...] = ("start_one_of", at) if trigger.one_of else ("start",)
            if several:
                place = ("start", written[trigger.id].start[at].pipeline)
            try:
                declared = described(start.pipeline)
            except Rejected as error:
                yield trigger.id, place, str(error)
            except ClientError as error:
                yield trigger.id, place, f"pipeline {start.pipeline} can't be looked at: {_brief(error)}"
            else:
                for name, wrong in _misfits(trigger, start, declared):
                    shared = ("accept" if name in trigger.accept else "parameters", name)
                    yield (
                        trigger.id,
                        (*place, name) if several else shared,
                        f"parameter {name} of {start.pipeline} {wrong}",
                    )


def _misfits(trigger: Trigger, start: Start, declared: definition.Definition) -> Iterator[tuple[str, str]]:
    """Give what does not fit of the literals, and of the values that a publisher may set."""
    values = {name: literal(source) for name, source in start.parameters.items()}
    yield from definition.misfits(declared, {**dict.fromkeys(trigger.accept), **values})
    for name, accepted in trigger.accept.items():
        if name in declared and not isinstance(accepted, str):
            for value in accepted:
                yield from definition.misfits({name: declared[name]}, {name: value})


def _bucket_problems(triggers: list[Trigger], account: str) -> Iterator[Found]:
    region = aws.sagemaker().meta.region_name
    used = {trigger.when.fields["bucket"]: trigger.id for trigger in triggers if trigger.when.source == "s3"}
    at = ("when", "s3", "bucket")
    for bucket, trigger_id in used.items():
        try:
            # us-east-1 has no name here; eu-west-1 once had another.
            answer: Mapping[str, Any] = aws.s3().get_bucket_location(Bucket=bucket, ExpectedBucketOwner=account)
            location = answer.get("LocationConstraint") or "us-east-1"
            lies_in = "eu-west-1" if location == "EU" else location
            notifications = aws.s3().get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucket":
                yield trigger_id, at, f"bucket {bucket} does not exist; create it, or mend the trigger"
            else:
                told = f"bucket {bucket} can't be looked at, or is another account's: {_brief(error)}"
                yield trigger_id, at, told
            continue
        if lies_in != region:
            told = "deploy there as well, or let a rule there send them to the default bus in"
            yield trigger_id, at, f"bucket {bucket} lies in {lies_in}, where its events stay; {told} {region}"
        if "EventBridgeConfiguration" not in notifications:
            told = "this switches it on, and keeps the notifications that the bucket has:"
            command = switch_on_command(bucket)
            yield trigger_id, at, f"bucket {bucket} does not send its events to EventBridge; {told} {command}"


def _pattern_problems(triggers: list[Trigger], values: Mapping[str, str]) -> Iterator[Found]:
    """Let EventBridge itself read the patterns that people wrote."""
    event = {"id": "", "detail-type": "", "source": "", "account": "", "time": "2026-01-01T00:00:00Z", "region": ""}
    nothing = json.dumps({**event, "resources": [], "detail": {}})
    for trigger in triggers:
        if trigger.when.source == "event":
            pattern = sources.pattern(trigger.when, lambda text: resolve(text, values))
            try:
                aws.events().test_event_pattern(EventPattern=json.dumps(pattern), Event=nothing)
            except ClientError as error:
                path = ("when", "event", "pattern")
                yield trigger.id, path, f"EventBridge does not take the pattern; {_brief(error)}"


def _topic_problems(triggers: list[Trigger], account: str) -> Iterator[Found]:
    """Look at this account's topics; those of others can't be seen from here."""
    topics = {topic: trigger.id for trigger in triggers if (topic := sources.topic(trigger.when))}
    at = ("when", "sns", "topic")
    for topic, trigger_id in topics.items():
        if topic.split(":")[4] != account:
            continue
        try:
            aws.sns(topic.split(":")[3]).get_topic_attributes(TopicArn=topic)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFound":
                yield trigger_id, at, f"topic {topic} does not exist; create it, or mend the trigger"
            else:
                yield trigger_id, at, f"topic {topic} can't be looked at: {_brief(error)}"


def switch_on_command(bucket: str) -> str:
    """Write the command that lets a bucket send its events to EventBridge.

    PutBucketNotificationConfiguration replaces everything, so the command reads what is there first.
    """
    merged = f"merge(@, `{json.dumps({'EventBridgeConfiguration': {}})}`)"
    name = shlex.quote(bucket)
    read = f"aws s3api get-bucket-notification-configuration --bucket {name} --query {shlex.quote(merged)}"
    return (
        f"aws s3api put-bucket-notification-configuration --bucket {name}"
        f' --notification-configuration "$({read} --output json)"'
    )


def _brief(error: ClientError) -> str:
    details = error.response["Error"]
    return f"{details['Code']}: {details['Message']}"
