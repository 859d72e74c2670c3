"""What an event would do: which triggers match it, and what each would start with which values."""

from __future__ import annotations

import json
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
from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.starts import definition, start


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an event would come to for one pipeline of a trigger whose rule matches it.

    ``outcome`` is the verdict's, short of the start itself; ``parameters`` are the values that would be sent.
    """

    trigger: str
    outcome: str
    pipeline: str | None = None
    reason: str | None = None
    parameters: Mapping[str, str] | None = None


def explain(
    triggers: Iterable[Trigger], event: Mapping[str, Any], pseudo_parameters: Mapping[str, str], *, ask_pipelines: bool
) -> Iterator[Explanation]:
    """Explain an event, trigger by trigger; those whose rule does not match are left out.

    EventBridge itself says what matches (TestEventPattern). A notification of SNS goes to the triggers that subscribe
    to its topic; that of any other topic is read as a publisher's request. With ``ask_pipelines``, the values are held
    against the pipelines' definitions as well.

    Raises:
        Rejected: the event is none that EventBridge delivers.
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked.

    """
    by_id = {trigger.id: trigger for trigger in triggers}
    if event.get("Type") == "Notification":
        arrivals = from_topic(None, json.dumps(event), by_id)
    else:
        arrivals = []
        for trigger in by_id.values():
            try:
                matches = _matches(trigger, event, pseudo_parameters)
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidEventPatternException":
                    raise
                reason = f"EventBridge does not take the pattern: {error.response['Error']['Message']}"
                yield Explanation(trigger.id, "WRONG PATTERN", reason=reason)
                continue
            if matches and not trigger.enabled:
                yield Explanation(trigger.id, "SWITCHED OFF")
            elif matches:
                arrivals.append(Arrival(trigger.id, str(event.get("id")), _read(trigger, event)))
    for arrival in arrivals:
        yield from _explained(by_id.get(arrival.trigger), arrival, ask_pipelines=ask_pipelines)


def _read(trigger: Trigger, event: Mapping[str, Any]) -> Occurrence | Rejected:
    try:
        return eventbridge.read(event, trigger.when.source)
    except Rejected as error:
        return error


def _matches(trigger: Trigger, event: Mapping[str, Any], pseudo_parameters: Mapping[str, str]) -> bool:
    # What Scheduler sends goes straight to the queue, and no rule sees it.
    is_scheduled = event.get("source") == "aws.scheduler"
    if is_scheduled or trigger.when.source == "schedule":
        detail = event.get("detail")
        asked_for = isinstance(detail, dict) and detail.get("trigger") == trigger.id
        return is_scheduled and asked_for and trigger.when.source == "schedule"
    pattern = sources.pattern(trigger.when, lambda text: resolve(text, pseudo_parameters))
    if pattern is None:
        return False
    return aws.events().test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"]


def _explained(trigger: Trigger | None, arrival: Arrival, *, ask_pipelines: bool) -> Iterator[Explanation]:
    try:
        occurrence = arrival.occurrence()
        if trigger is None:
            raise Rejected("trigger removed: no deployed document holds it any more")
        positions = targets(trigger, occurrence)
        occurrence = admitted(trigger, occurrence)
    except Filtered as error:
        yield Explanation(arrival.trigger, "FILTERED", reason=str(error))
        return
    except Rejected as error:
        yield Explanation(arrival.trigger, "REJECTED", reason=str(error))
        return
    for target in positions:
        pipeline = trigger.start[target].pipeline
        values = None
        try:
            values = start.plan(trigger, target, occurrence, stack="explain").parameters
            if ask_pipelines:
                values = definition.fit(pipeline, values)
        except Rejected as error:
            yield Explanation(trigger.id, "REJECTED", pipeline, reason=str(error), parameters=values)
        else:
            outcome = "DRY_RUN" if trigger.dry_run else "WOULD START"
            bus = trigger.when.fields.get("bus")
            told = [f"if it comes on the bus {bus}"] if bus else []
            told += ["by AWS itself, unchecked"] if trigger.direct else []
            yield Explanation(trigger.id, outcome, pipeline, ", ".join(told) or None, values)
