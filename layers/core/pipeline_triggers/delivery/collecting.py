"""Events of triggers with ``collect`` → their batches: one operation per batch for all messages of an SQS batch."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_triggers.batches import join
from pipeline_triggers.batches.join import Joined, Joining
from pipeline_triggers.batches.models import Event, Late, Rules
from pipeline_triggers.batches.services import Services
from pipeline_triggers.delivery.decision import Decision, Target, collected_before
from pipeline_triggers.errors import Rejected, Waiting
from pipeline_triggers.language import batch_values
from pipeline_triggers.models import Collect, Occurrence, Outcome, Trigger, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import ledger
from pipeline_triggers.starts.plan import mark_of

MAX_EVENT_BYTES = 256 * 1024  # of what a batch keeps of an event


@dataclass(frozen=True, slots=True)
class _Arrived:
    """An event on its way into a batch: the decision that it belongs to, and what its trigger would start for it."""

    decision: Decision
    targets: Sequence[Target]
    event: Event

    def add(self, joined: Joined) -> None:
        """Add to the decision what became of the event."""
        known = self.targets[0].known
        if joined.joining is Joining.RETRY:
            self.decision.settle(joined.error or Waiting(joined.reason), known)
            return
        reason = "another delivery brought it before" if joined.joining is Joining.DUPLICATE else joined.reason or None
        batch = joined.batch or None
        self.decision.verdicts.append(Verdict(Outcome(joined.joining), reason=reason, batch=batch, **known))


def collect(decisions: Sequence[Decision], services: Services) -> None:
    """Join to their batches what the deliveries bring, but for what was started before its trigger collected it."""
    arrived = [one for decision in decisions for targets in decision.collecting for one in _arrived(decision, targets)]
    if not arrived:
        return
    try:
        known = ledger.known([target.token for one in arrived for target in one.targets])
    except Exception as error:  # each decision says what that means for its message
        for one in arrived:
            one.add(Joined(Joining.RETRY, error=error))
        return
    new = [one for one in arrived if not _was_started(one, known)]
    for one, joined in zip(new, join.collect([one.event for one in new], services), strict=True):
        one.add(joined)


def _arrived(decision: Decision, targets: Sequence[Target]) -> list[_Arrived]:
    """Return the event of an occurrence, unless that can't be computed; what was collected before stays so."""
    target = targets[0]
    try:
        return [_Arrived(decision, targets, event_of(target.trigger, target.occurrence, decision.delivery.message))]
    except Exception as error:
        if isinstance(error, Rejected) and (batch := collected_before(target)):
            decision.verdicts.append(Verdict(Outcome.COLLECTED, batch=batch, **target.known))
        else:
            decision.settle(error, target.known)
        return []


def _was_started(one: _Arrived, known: Collection[str]) -> bool:
    """Decide an event that was started before its trigger collected events, and so joins no batch."""
    if not any(target.token in known for target in one.targets):
        return False
    try:
        verdicts = [target.earlier_start() for target in one.targets]
    except Exception as error:
        one.decision.settle(error, one.targets[0].known)
        return True
    if not any(verdicts):
        return False
    for target, verdict in zip(one.targets, verdicts, strict=True):
        missing = "another pipeline was started for this event before the trigger collected events; run it by hand"
        one.decision.verdicts.append(verdict or Verdict(Outcome.REJECTED, reason=missing, **target.about))
    return True


def event_of(trigger: Trigger, occurrence: Occurrence, message: str) -> Event:
    """Return an admitted occurrence as its batch takes it; ``message`` is the SQS message that brings it.

    Raises:
        Rejected: a value of ``collect`` can't be computed, or the event is too large.

    """
    by = batch_values.by(trigger, occurrence)
    data = kept(trigger, occurrence)
    size = len(json.dumps(data))
    if size > MAX_EVENT_BYTES:
        raise Rejected(f"the event has {size} bytes; a batch keeps {MAX_EVENT_BYTES} of an event")
    return Event(
        mark=mark_of(trigger, occurrence, settings().stack),
        message=message,
        trigger=trigger.first_id,
        by=by,
        rules=rules_of(trigger, by),
        data=data,
        part=batch_values.part(trigger, occurrence),
        at=occurrence.happened_at,
        depth=occurrence.depth,
        size=size,
    )


def rules_of(trigger: Trigger, by: str) -> Rules:
    """Return when a batch closes that opens now.

    Raises:
        Rejected: the trigger's ``expect`` can't be computed.

    """
    collect = trigger.collect or Collect()
    expect = batch_values.expect(trigger, by)
    return Rules(
        quiet=collect.quiet,
        max_open=collect.max_open if expect is None else None,
        max_events=collect.max_events,
        expect=expect,
        late=Late(collect.late),
        deadline_after=collect.deadline.after if collect.deadline else None,
        start_incomplete=bool(collect.deadline and collect.deadline.start_incomplete),
        dry_run=trigger.dry_run,
    )


def kept(trigger: Trigger, occurrence: Occurrence) -> Mapping[str, Any]:
    """Return what a batch keeps of an event: ``$object`` of an upload, else all variables and the event itself."""
    if trigger.when.source == "s3":
        bound: Mapping[str, Any] = occurrence.bindings["object"]
        return bound
    return {**occurrence.bindings, "event": occurrence.event}
