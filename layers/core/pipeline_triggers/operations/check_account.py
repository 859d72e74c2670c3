"""What only the account knows about the documents: do the things that they name exist, and fit the triggers?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import home, references
from pipeline_triggers.account.home import Home
from pipeline_triggers.documents import schedules
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import Problem, Rejected
from pipeline_triggers.language import sources
from pipeline_triggers.language.stages import MANIFEST_BUCKET, resolve, resolve_trigger
from pipeline_triggers.language.values import literal
from pipeline_triggers.models import ALL, Start, Trigger, all_views
from pipeline_triggers.operations import check_notify
from pipeline_triggers.starts import definition

# A trigger's id, a place in it, and what is wrong there.
Finding = tuple[str, tuple[str | int, ...], str]


def triggers_of(documents: Documents, stage: str, values: Mapping[str, str]) -> list[Trigger]:
    """Return the triggers as a stage sees them, with the pseudo parameters' values."""
    return [resolve_trigger(trigger, {**documents.stages[stage], **values}) for trigger in documents.triggers]


def problems(documents: Documents, stage: str, past: frozenset[str] = frozenset()) -> list[Problem]:
    """Return what keeps the documents from working in the account, Region and stage, each with its remedy.

    ``past`` says which times of schedules have passed: a trigger that never fires again is not checked.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: no account answers at all.

    """
    here = home.current()
    values = here.pseudo_parameters()
    of_stage = triggers_of(documents, stage, values)
    triggers = [trigger for trigger in of_stage if trigger.enabled and not schedules.is_over(trigger, past)]
    views, rules = all_views(triggers), all_views(of_stage)  # a disabled trigger has a rule, too
    findings = [
        *_pipeline_findings(triggers, {trigger.id: trigger for trigger in documents.triggers}),
        *_bucket_findings(views, here.account, here.region),
        *_manifest_findings(triggers, documents.stages[stage].get(MANIFEST_BUCKET), here.account),
        *_pattern_findings(rules, values),
        *_topic_findings(views, here),
        *_bus_findings(rules, here),
    ]
    of_topics = check_notify.problems(documents, {**documents.stages[stage], **values}, here)
    return [*(documents.problem(*finding) for finding in findings), *of_topics]


def _pipeline_findings(triggers: list[Trigger], written: Mapping[str, Trigger]) -> Iterator[Finding]:
    describe = cache(definition.describe)
    for trigger in triggers:
        for position, start in enumerate(trigger.start):
            where = place(trigger, written[trigger.id], position)
            try:
                declared = describe(start.pipeline, trigger.options.version)
            except Rejected as error:
                yield trigger.id, where, str(error)
            except ClientError as error:
                yield trigger.id, where, f"pipeline {start.pipeline} can't be read: {_words(error)}"
            else:
                for name, problem in _parameter_problems(trigger, start, declared):
                    path = parameter_place(trigger, where, name)
                    yield trigger.id, path, f"parameter {name} of {start.pipeline} {problem}"


def place(trigger: Trigger, written: Trigger, position: int) -> tuple[str | int, ...]:
    """Return where the document names a pipeline that a trigger starts."""
    if trigger.one_of:
        return ("start_one_of", position)
    return ("start", written.start[position].pipeline) if len(trigger.start) > 1 else ("start",)


def parameter_place(trigger: Trigger, where: tuple[str | int, ...], name: str) -> tuple[str | int, ...]:
    """Return where the document gives a pipeline named at ``where`` a parameter."""
    if len(trigger.start) > 1 and not trigger.one_of:
        return (*where, name)
    return ("accept" if name in trigger.accept else "parameters", name)


def _parameter_problems(trigger: Trigger, start: Start, declared: definition.Definition) -> Iterator[tuple[str, str]]:
    """Yield the literals, and the values that a publisher may set, that do not fit the pipeline's definition."""
    values = {name: literal(source) for name, source in start.parameters.items()}
    yield from definition.problems(declared, {**dict.fromkeys(trigger.accept), **values})
    for name, accepted in trigger.accept.items():
        if name in declared and not isinstance(accepted, str):
            for value in accepted:
                yield from definition.problems({name: declared[name]}, {name: value})


def _in_when(view: Trigger, *path: str) -> tuple[str, ...]:
    """Return where the document has a field of a source."""
    return ("when", ALL, view.part, *path) if view.part else ("when", *path)


def _bucket_findings(views: list[Trigger], account: str, region: str) -> Iterator[Finding]:
    """Report each bucket once, at the first trigger that it fires."""
    users: dict[str, list[Trigger]] = {}
    for view in views:
        if view.when.source == "s3":
            users.setdefault(view.when.fields["bucket"], []).append(view)
    for bucket, (first, *more) in users.items():
        others = f" (also used by {', '.join(view.id for view in more)})" if more else ""
        for problem in _bucket_problems(bucket, f"bucket {bucket}{others}", account, region):
            yield first.id, _in_when(first, "s3", "bucket"), problem


def _bucket_problems(bucket: str, named: str, account: str, region: str) -> Iterator[str]:
    try:
        answer: Mapping[str, Any] = aws.s3().get_bucket_location(Bucket=bucket, ExpectedBucketOwner=account)
        notifications = aws.s3().get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            yield f"{named} does not exist; create it, or fix the trigger"
        else:
            yield f"{named} can't be read, or belongs to another account: {_words(error)}"
        return
    # us-east-1 has no name here; eu-west-1 once had another.
    location = answer.get("LocationConstraint") or "us-east-1"
    bucket_region = "eu-west-1" if location == "EU" else location
    if bucket_region != region:
        remedy = f"deploy there as well, or let a rule there send them to the default bus in {region}"
        yield f"{named} is in {bucket_region}, where its events stay; {remedy}"
    if "EventBridgeConfiguration" not in notifications:
        remedy = "this command switches it on, and keeps the notifications that the bucket has:"
        yield f"{named} does not send its events to EventBridge; {remedy} {switch_on_command(bucket)}"


def _manifest_findings(triggers: list[Trigger], bucket: str | None, account: str) -> Iterator[Finding]:
    """Report the bucket of manifests at the first trigger that collects."""
    first = next((trigger for trigger in triggers if trigger.collect), None)
    if first is None or bucket is None:
        return
    try:
        aws.s3().get_bucket_location(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        remedy = f"create it, or fix {MANIFEST_BUCKET} in stages.yaml"
        yield first.id, ("collect",), f"bucket {bucket} of the manifests can't be read: {_words(error)}; {remedy}"


def _pattern_findings(views: list[Trigger], values: Mapping[str, str]) -> Iterator[Finding]:
    """Let EventBridge itself read the patterns that people wrote."""
    fields = {"id": "", "detail-type": "", "source": "", "account": "", "time": "2026-01-01T00:00:00Z", "region": ""}
    event = json.dumps({**fields, "resources": [], "detail": {}})
    for view in views:
        if view.when.source == "event":
            pattern = sources.pattern(view.when, lambda text: resolve(text, values))
            try:
                aws.events().test_event_pattern(EventPattern=json.dumps(pattern), Event=event)
            except ClientError as error:
                path = _in_when(view, "event", "pattern")
                yield view.id, path, f"EventBridge does not accept the pattern: {_words(error)}"


def _topic_findings(views: list[Trigger], here: Home) -> Iterator[Finding]:
    """Look at the Region of topics, and at this account's; another account's can't be read from here."""
    topics = {topic: view for view in views if (topic := sources.topic(view.when))}
    for topic, view in topics.items():
        path = _in_when(view, "sns", "topic")
        region, account = topic.split(":")[3:5]
        if region != here.region:
            # A subscription's dead-letter queue has to be in the topic's Region.
            remedy = f"use a topic in {here.region}, or deploy a stack in {region}"
            yield view.id, path, f"topic {topic} is in {region}, and the stack's queues are not; {remedy}"
            continue
        if account != here.account:
            continue
        try:
            aws.sns(region).get_topic_attributes(TopicArn=topic)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFound":
                yield view.id, path, f"topic {topic} does not exist; create it, or fix the trigger"
            else:
                yield view.id, path, f"topic {topic} can't be read: {_words(error)}"


def _bus_findings(views: list[Trigger], here: Home) -> Iterator[Finding]:
    """Look for the buses that triggers name: a rule is always in the account and Region of its bus."""
    named = [view for view in views if "bus" in view.when.fields]
    try:
        existing = references.buses() if named else []
    except ClientError as error:
        yield named[0].id, _in_when(named[0], "event", "bus"), f"event buses can't be listed: {_words(error)}"
        return
    for view in named:
        path, bus = _in_when(view, "event", "bus"), str(view.when.fields["bus"])
        region, account = bus.split(":")[3:5] if bus.startswith("arn:") else (here.region, here.account)
        if (region, account) != (here.region, here.account):
            remedy = "forward its events to a bus here (docs/operations.md), and name that one"
            yield view.id, path, f"event bus {bus} is in account {account}, Region {region}; {remedy}"
        elif bus.partition("event-bus/")[2] not in existing and bus not in existing:
            yield view.id, path, f"event bus {bus} does not exist in {region}; create it, or fix the trigger"


def switch_on_command(bucket: str) -> str:
    """Write the command that lets a bucket send its events to EventBridge.

    PutBucketNotificationConfiguration replaces everything, so the command reads the current configuration first.
    """
    merged = f"merge(@, `{json.dumps({'EventBridgeConfiguration': {}})}`)"
    name = shlex.quote(bucket)
    read = f"aws s3api get-bucket-notification-configuration --bucket {name} --query {shlex.quote(merged)}"
    return (
        f"aws s3api put-bucket-notification-configuration --bucket {name}"
        f' --notification-configuration "$({read} --output json)"'
    )


def _words(error: ClientError) -> str:
    return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
