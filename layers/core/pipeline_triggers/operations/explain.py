"""What an event would do: which triggers match it, and what each would start with which values."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.delivery.admission import admitted
from pipeline_triggers.delivery.requests import targets
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.events.envelope import Arrival
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import sources
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Occurrence, Trigger, all_views
from pipeline_triggers.operations.batches import Batches
from pipeline_triggers.operations.examples import asked
from pipeline_triggers.operations.joining import joins
from pipeline_triggers.operations.nearest import nearest
from pipeline_triggers.starts import definition
from pipeline_triggers.starts.plan import plan

# What to give instead of what a service sends to a Lambda function, by its name there.
_INSTEAD = {
    "aws:s3": "give the event that S3 sends to EventBridge, like events/s3.json",
    "aws:sns": "give its Records[0].Sns, like events/sns.json",
    "aws:sqs": "give the body of one of its Records",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an event would come to for one pipeline of a trigger whose rule matches it.

    ``outcome`` is the verdict's, short of the start itself, or UNKNOWN where AWS refuses to say what it depends on, or
    NO MATCH of a trigger that came near; ``parameters`` are the values that would be sent.
    """

    trigger: str
    outcome: str
    pipeline: str | None = None
    reason: str | None = None
    parameters: Mapping[str, str] | None = None


def check_shape(event: Mapping[str, Any]) -> None:
    """Refuse what neither EventBridge nor SNS delivers.

    Raises:
        Rejected: the event has another shape; the message says what to give instead.

    """
    match event:
        case {"Type": "Notification"}:
            return
        case {"Records": [dict(record), *_]}:
            service = record.get("eventSource") or record.get("EventSource")
            instead = _INSTEAD.get(str(service), "give the event itself, like those in events/")
            raise Rejected(f"this is what {service or 'a service'} sends to a Lambda function; {instead}")
    if missing := [name for name in ("source", "detail-type", "detail") if name not in event]:
        raise Rejected(f"neither EventBridge's event nor SNS's notification: it lacks {', '.join(missing)}")


def explain(
    triggers: Iterable[Trigger],
    event: Mapping[str, Any],
    pseudo_parameters: Mapping[str, str],
    batches: Batches | None = None,
) -> Iterator[Explanation]:
    """Explain an event, trigger by trigger; those whose rule does not match are left out, unless none does.

    ``batches`` are those of the deployed stack, if there is one: what the event would join, what it would wait for.

    EventBridge itself says what matches (TestEventPattern). A notification of SNS goes to the triggers that subscribe
    to its topic; that of any other topic is read as a publisher's request.

    Raises:
        Rejected: neither EventBridge nor SNS delivers such an event.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    check_shape(event)
    by_id = {trigger.id: trigger for trigger in triggers}
    if event.get("Type") == "Notification":
        for arrival in from_topic(None, json.dumps(event), by_id):
            trigger = by_id.get(arrival.trigger)
            views = trigger.views() if trigger else ()
            yield from judge(next((view for view in views if view.when.source == "sns"), None), arrival, batches)
        return
    sources_of_all, is_matched = all_views(by_id.values()), False
    for view in sources_of_all:
        for explanation in _of_rule(view, event, pseudo_parameters, batches):
            is_matched = True
            yield explanation
    if not is_matched:
        yield from (
            Explanation(near.trigger.id, "NO MATCH", reason=near.why_not) for near in nearest(sources_of_all, event)
        )


def _of_rule(
    view: Trigger, event: Mapping[str, Any], pseudo_parameters: Mapping[str, str], batches: Batches | None
) -> Iterator[Explanation]:
    """Explain an event to a trigger as one of its sources sees it; nothing where its rule does not match."""
    try:
        matches = _matches(view, event, pseudo_parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidEventPatternException":
            raise
        reason = f"EventBridge does not accept the pattern: {error.response['Error']['Message']}"
        yield Explanation(view.id, "WRONG PATTERN", reason=reason)
        return
    if matches and not view.enabled:
        yield Explanation(view.id, "DISABLED")
    elif matches:
        yield from judge(view, Arrival(view.id, str(event.get("id")), _read(view, event)), batches)


def judge(view: Trigger | None, arrival: Arrival, batches: Batches | None = None) -> Iterator[Explanation]:
    """Say what a handler would decide on an arrival, pipeline by pipeline; None is a trigger that does not exist.

    ``view`` is the trigger as the arrival's source sees it.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    try:
        occurrence = arrival.occurrence()
        if view is None:
            raise Rejected("trigger removed: no deployed document defines it any more")
        positions = targets(view, occurrence)
        occurrence = admitted(view, occurrence)
        if view.collect:
            reason = "; ".join(joins(view, occurrence, batches, time.time()))
            yield Explanation(view.id, "WOULD COLLECT", reason=reason)
            return
    except Filtered as error:
        yield Explanation(arrival.trigger, "FILTERED", reason=str(error))
    except Rejected as error:
        yield Explanation(arrival.trigger, "REJECTED", reason=str(error))
    except ClientError as error:
        yield _unknown(error, arrival.trigger)
    else:
        for position in positions:
            yield _start(view, position, occurrence, batches)


def _start(trigger: Trigger, position: int, occurrence: Occurrence, batches: Batches | None) -> Explanation:
    """Say whether and how one pipeline of a trigger would be started."""
    pipeline, values = trigger.start[position].pipeline, None
    try:
        values = plan(trigger, position, occurrence, stack="explain").parameters
        values = definition.fit(pipeline, values, trigger.options.version)
    except Rejected as error:
        return Explanation(trigger.id, "REJECTED", pipeline, str(error), values)
    except ClientError as error:
        return _unknown(error, trigger.id, pipeline, values)
    bus = trigger.when.fields.get("bus")
    notes = [f"if it comes on the bus {bus}"] if bus else []
    notes += ["by AWS itself, unchecked"] if trigger.direct else []
    outcome = "DRY_RUN" if trigger.dry_run else "WOULD START"
    if batches and not trigger.direct and (held := batches.held(trigger.first_id, pipeline, time.time())):
        state, reason = held
        outcome = "WOULD SKIP" if trigger.when_busy == "skip" and state == "waiting" else "WOULD WAIT"
        notes.append(reason)
    return Explanation(trigger.id, outcome, pipeline, ", ".join(notes) or None, values)


def _unknown(
    error: ClientError, trigger: str, pipeline: str | None = None, values: Mapping[str, str] | None = None
) -> Explanation:
    """Return an explanation with the outcome UNKNOWN and AWS's words; raise what may work later."""
    if aws.is_transient(error):
        raise error
    return Explanation(trigger, "UNKNOWN", pipeline, aws.refusal(error), values)


def _read(trigger: Trigger, event: Mapping[str, Any]) -> Occurrence | Rejected:
    try:
        return eventbridge.read(event, trigger.when.source)
    except Rejected as error:
        return error


def _matches(trigger: Trigger, event: Mapping[str, Any], pseudo_parameters: Mapping[str, str]) -> bool:
    # A schedule sends straight to the queue, and no rule sees it.
    is_scheduled = event.get("source") == "aws.scheduler"
    if is_scheduled or trigger.when.source == "schedule":
        detail = event.get("detail")
        is_its_own = isinstance(detail, dict) and detail.get("trigger") == trigger.id
        return is_scheduled and is_its_own and trigger.when.source == "schedule"
    pattern = sources.pattern(trigger.when, lambda text: resolve(text, pseudo_parameters))
    if pattern is None:
        return False
    return asked(pattern, event)
