"""``breaker``: after so many failed runs in a row a trigger is paused, until somebody resumes it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice

from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.pauses import pause
from pipeline_triggers.batches.services import Services
from pipeline_triggers.history import notices
from pipeline_triggers.history.ends import ENDED
from pipeline_triggers.history.record import Record, timestamp
from pipeline_triggers.history.table import History
from pipeline_triggers.models import Outcome, Trigger, Verdict, named
from pipeline_triggers.telemetry import report

WHO = "breaker"
MOST_READ = 1000  # records of a trigger in which its last ends are looked for

_OUTCOMES = frozenset(ENDED.values())


def after(end: Verdict, triggers: Mapping[str, Trigger], history: History, services: Services) -> None:
    """Pause the trigger of a run that ended, if that was one failure too many. Done twice, it is the same."""
    trigger = named(triggers, end.trigger)
    if trigger is None or trigger.breaker is None or end.outcome is not Outcome.FAILED:
        return
    in_a_row = list(islice(_failures(end, history), trigger.breaker))
    if len(in_a_row) < trigger.breaker or _is_paused(trigger.first_id, services):
        return
    reason = f"paused by its breaker after {trigger.breaker} failed runs in a row"
    now = services.now()
    paused = Pause("trigger", trigger.first_id, None, who=WHO, reason=reason, since=int(now))
    pause(paused, services.store, services.records)
    verdict = Verdict(
        Outcome.PAUSED, trigger.id, end.event_id, end.subject, end.pipeline, reason, execution_arn=end.execution_arn
    )
    # The record is also where the count begins anew.
    history.write([Record(verdict, timestamp(time.time()), f"{WHO}#{end.execution_arn}")])
    report(verdict, deployed=True)
    notices.announce([verdict])


def _failures(end: Verdict, history: History) -> Iterator[str]:
    """Yield the executions that failed in a row, the last one first, since the trigger was paused for that before."""
    yield end.execution_arn or ""  # an index may not have it yet
    for record in islice(history.of_trigger(end.trigger), MOST_READ):
        verdict = record.verdict
        is_this = verdict.execution_arn == end.execution_arn
        if verdict.outcome is Outcome.PAUSED or (verdict.outcome in _OUTCOMES - {Outcome.FAILED} and not is_this):
            return
        if verdict.outcome is Outcome.FAILED and not is_this:
            yield verdict.execution_arn or ""


def _is_paused(trigger: str, services: Services) -> bool:
    now = services.now()
    found = services.records.pauses()
    return any((one.kind, one.name) == ("trigger", trigger) and one.holds(now) for one in found)
