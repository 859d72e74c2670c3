"""Why something ran, or did not: the way from an event to its run, link by link, each with its proof. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import home
from pipeline_triggers.history.record import Record
from pipeline_triggers.language import globs, sources
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Outcome, Trigger, Verdict
from pipeline_triggers.operations import describe
from pipeline_triggers.operations.check_account import switch_on_command
from pipeline_triggers.operations.examples import asked
from pipeline_triggers.operations.history import ENDED, chain, last, of_stack, origins
from pipeline_triggers.operations.nearest import nearest, upload
from pipeline_triggers.operations.stacks import NotDeployed, Stack
from pipeline_triggers.operations.verdict_log import HANDLERS_LOGS, LoggedVerdict, verdicts
from pipeline_triggers.text import span

SHOWN_LAST = 10  # of a trigger's records


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the way: what was looked at, what was seen, and whether the way goes on behind it.

    ``fix`` is the command that fixes it, or what to do, "" where nothing is wrong.
    """

    name: str
    seen: str
    goes_on: bool = True
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the deployed stack, the triggers as its stage sees them, and how far back to look."""

    stack: Stack
    triggers: Sequence[Trigger]
    since: datetime


def of_object(question: Question, bucket: str, key: str) -> Iterator[Link]:
    """Follow an upload from the object to the end of its run; the first link that does not go on is the cause.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    yield _object(bucket, key)
    yield _notifications(bucket)
    matching, rules = _rules(question.triggers, bucket, key)
    yield rules
    for trigger in matching:
        yield _rule(question.stack, trigger)
    yield from _verdicts(question, matching, subject=f"s3://{bucket}/{key}")


def of_event(question: Question, event_id: str) -> Iterator[Link]:
    """Follow an event of which only the id is known: from its verdict on."""
    yield from _verdicts(question, (), event_id=event_id)


def of_execution(question: Question, execution: str) -> Iterator[Link]:
    """Go back from a run to the event that started it, and on to how it ended."""
    yield from _verdicts(question, (), execution_arn=execution)


def of_trigger(question: Question, trigger: Trigger) -> Iterator[Link]:
    """Look at a trigger: whether it is enabled and deployed, and what became of its last events."""
    if not trigger.enabled:
        yield Link("document", f"{trigger.id} is disabled", goes_on=False, fix="remove enabled: false, and deploy")
    for view in trigger.views():
        if view.when.source == "s3":
            yield _notifications(view.when.fields["bucket"])
    yield _rule(question.stack, trigger)
    yield from _verdicts(question, [trigger], trigger=trigger.id)


def _object(bucket: str, key: str) -> Link:
    try:
        found = aws.s3().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("404", "NoSuchKey", "NotFound"):
            folder = key.rpartition("/")[0]
            fix = f"aws s3 ls {shlex.quote(f's3://{bucket}/{folder}/')}"
            return Link("object", f"s3://{bucket}/{key} is not there now", fix=fix)
        return Link("object", f"not readable: {code}")
    return Link("object", f"{found['ContentLength']} bytes, of {found['LastModified']:%Y-%m-%d %H:%M:%S %Z}")


def _notifications(bucket: str) -> Link:
    name = f"bucket {bucket}"
    try:
        notifications = aws.s3().get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return Link(name, f"not readable: {code}", goes_on=code != "NoSuchBucket")
    if "EventBridgeConfiguration" in notifications:
        return Link(name, "sends its events to EventBridge")
    return Link(name, "does not send its events to EventBridge", goes_on=False, fix=switch_on_command(bucket))


def _rules(triggers: Sequence[Trigger], bucket: str, key: str) -> tuple[list[Trigger], Link]:
    """Return the triggers whose rule and glob match an upload, as EventBridge says, and what that shows."""
    views = [view for trigger in triggers for view in trigger.views() if view.when.source == "s3"]
    matching = [view for view in views if _matches(view, bucket, key)]
    if matching:
        return matching, Link("rules", f"matched by {', '.join(view.id for view in matching)}")
    near = nearest(views, upload(bucket, key))
    seen = "; ".join(f"{one.trigger.id}: {one.why_not}" for one in near)
    words = f"no trigger matches; nearest {seen}" if near else "no trigger fires on uploads"
    return [], Link("rules", words, goes_on=False, fix="change the key or the trigger's when, and deploy")


def _matches(view: Trigger, bucket: str, key: str) -> bool:
    fields = view.when.fields
    if not view.enabled or fields["bucket"] != bucket or not globs.matches(fields.get("key", "**"), key):
        return False
    pattern = sources.pattern(view.when, lambda text: resolve(text, home.current().pseudo_parameters()))
    return pattern is not None and asked(pattern, upload(bucket, key))


def _rule(stack: Stack, trigger: Trigger) -> Link:
    name = f"rule of {trigger.id}"
    try:
        deployed = describe.deployed(stack, trigger)
    except NotDeployed as error:
        return Link(name, str(error), goes_on=False, fix="make deploy")
    if deployed.state != "ENABLED":
        fix = "make deploy"
        if deployed.kind == "rule":
            bus = deployed.fires["bus"].rpartition("/")[2]
            fix = f"aws events enable-rule --name {deployed.arn.rpartition('/')[2]} --event-bus-name {bus}"
        return Link(name, f"{deployed.kind} is {deployed.state}", goes_on=False, fix=fix)
    return Link(name, f"{deployed.kind} is enabled")


def _verdicts(question: Question, matching: Sequence[Trigger], **conditions: str) -> Iterator[Link]:
    """Give what the records have, and of FILTERED and WAITING the log, from the event to the end of its run."""
    seen = _seen(question, **conditions)
    if not seen:
        yield _no_trace(question, matching)
        return
    # Of several triggers that an event reaches, one may filter it and another one start.
    is_on_its_way = any(one.verdict.outcome in _GOES_ON for one in seen)
    for one in seen:
        verdict = one.verdict
        words = [f"{one.at:%Y-%m-%d %H:%M:%S}", verdict.outcome, verdict.trigger, verdict.pipeline, verdict.reason]
        words += [f"in batch {verdict.batch}"] if verdict.batch else []
        words += [f"after {span(verdict.seconds)}"] if verdict.seconds is not None else []
        passed_over = verdict.outcome is Outcome.FILTERED and is_on_its_way
        fix = "" if passed_over else _fix_of(verdict.outcome, verdict.trigger)
        yield Link("verdict", " ".join(filter(None, words)), verdict.outcome in _GOES_ON or passed_over, fix)
    ended = {one.verdict.execution_arn for one in seen if one.verdict.outcome in ENDED}
    for execution in dict.fromkeys(one.verdict.execution_arn for one in seen):
        if execution and execution not in ended:
            yield _run(execution)


_GOES_ON = frozenset(
    {
        *(Outcome.STARTED, Outcome.DUPLICATE, Outcome.COLLECTED, Outcome.WAITING),
        *(Outcome.DRY_RUN, Outcome.SUCCEEDED, Outcome.PROBED),
    }
)


def _seen(question: Question, **conditions: str) -> list[LoggedVerdict]:
    """Return what became of an event, a run or a trigger's events, oldest first."""
    recorded = [LoggedVerdict(datetime.fromisoformat(one.at), one.verdict) for one in _records(question, **conditions)]
    if recorded and "execution_arn" in conditions:
        return recorded  # what was filtered led to no run
    groups = [question.stack.resources[name] for name in HANDLERS_LOGS if name in question.stack.resources]
    logged = [one for group in groups for one in verdicts(group, question.since, **conditions)]
    # The log repeats what a redelivery came to, and is where a record is still to come.
    known = {_about(one.verdict) for one in recorded}
    return sorted([*recorded, *(one for one in logged if _about(one.verdict) not in known)], key=lambda one: one.at)


def _about(verdict: Verdict) -> tuple[str | None, ...]:
    return verdict.outcome, verdict.trigger, verdict.event_id, verdict.pipeline


def _records(question: Question, **conditions: str) -> list[Record]:
    history = of_stack(question.stack)
    match conditions:
        case {"subject": subject}:
            return chain(history, history.of_subject(subject))
        case {"event_id": event}:
            return chain(history, history.of_event(event))
        case {"execution_arn": execution}:
            return origins(history, execution)
        case {"trigger": trigger}:
            return last(history, [trigger], SHOWN_LAST)
    raise ValueError(f"nothing to look for: {conditions}")


def _fix_of(outcome: Outcome, trigger: str) -> str:
    match outcome:
        case Outcome.REJECTED:
            return f"fix what the reason says, then: triggers redrive --trigger {trigger}"
        case Outcome.PAUSED:
            return f"fix what made its runs fail, then: triggers resume {trigger}"
        case Outcome.FAILED:
            return "look at the run's steps: aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn ARN"
        case Outcome.FILTERED:
            return "nothing, if that is meant; else change the trigger's when or if"
        case _:
            return ""


def _no_trace(question: Question, matching: Sequence[Trigger]) -> Link:
    """Say where an event without a verdict may be: on its way, in a dead-letter queue, or before the log's time."""
    places = []
    for handler in dict.fromkeys(SOURCES[trigger.views()[0].when.source].handler for trigger in matching):
        for kind in ("Queue", "DeadLetterQueue"):
            name = f"{handler}{kind}"
            names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            answer = aws.sqs().get_queue_attributes(QueueUrl=question.stack.resources[name], AttributeNames=names)
            if count := sum(int(number) for number in answer["Attributes"].values()):
                places.append(f"{count} in {name}")
    since = f"no verdict since {question.since:%Y-%m-%d %H:%M}"
    seen = ", ".join([since, *places])
    fix = "look again in a minute, or further back with --since; triggers redrive --dry-run lists dead letters"
    return Link("verdict", seen, goes_on=False, fix=fix)


def _run(execution: str) -> Link:
    try:
        answer = aws.sagemaker().describe_pipeline_execution(PipelineExecutionArn=execution)
    except ClientError as error:
        return Link("run", f"{execution}: {error.response['Error']['Code']}", goes_on=False)
    status = answer["PipelineExecutionStatus"]
    reason = answer.get("FailureReason", "")
    seen = " ".join(filter(None, (execution, status, reason)))
    return Link("run", seen, goes_on=status in ("Executing", "Succeeded"))
