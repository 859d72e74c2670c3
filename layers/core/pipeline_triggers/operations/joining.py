"""What would become of an event that is collected, or meets a limit: its batch, what is missing, what it waits for."""

from __future__ import annotations

from pipeline_triggers.batches import rules
from pipeline_triggers.batches.models import Last, Slot
from pipeline_triggers.language import batch_values
from pipeline_triggers.models import Collect, Occurrence, Trigger
from pipeline_triggers.operations.batches import SHOWN_ID, Batches, closes, missing_text
from pipeline_triggers.text import duration


def joins(view: Trigger, occurrence: Occurrence, batches: Batches | None, now: float) -> list[str]:
    """Say which batch an event would join, what would be missing then, when it closes, what it waits for; line by line.

    ``view`` is the trigger as the event's source sees it. Without ``batches`` nothing is known of those that are open.

    Raises:
        Rejected: its batch can't be computed.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    by = batch_values.by(view, occurrence)
    part = batch_values.part(view, occurrence)
    expect = batch_values.expect(view, by)
    about = ", ".join(filter(None, [f"by {by}" if by else "", f"part {part}" if part else ""]))
    slot, last = _there(view, by, batches)
    if slot:
        joined = f"joins batch {slot.id[:SHOWN_ID]}, which has {slot.count} events"
        lacks = rules.lacking(slot.rules.expect, slot.parts | slot.inherited | {part})
    else:
        joined = "opens a batch" if batches else "joins the open batch, or opens one"
        lacks = rules.lacking(expect, frozenset({part}))
    return [*filter(None, [about]), joined, *_then(view, slot, last, lacks, batches, now)]


def _there(trigger: Trigger, by: str, batches: Batches | None) -> tuple[Slot | None, Last | None]:
    if batches is None:
        return None, None
    key = rules.slot_key(trigger.first_id, by, dry_run=trigger.dry_run)
    slots, lasts = batches.store.slots([key])
    return slots.get(key), lasts.get(key)


def _then(
    trigger: Trigger,
    slot: Slot | None,
    last: Last | None,
    lacks: tuple[str, ...] | int,
    batches: Batches | None,
    now: float,
) -> list[str]:
    collect = trigger.collect or Collect()
    if slot and slot.is_due:
        return [f"the batch closed ({slot.why}) and waits for its turn", *waits(trigger, batches, now)]
    if slot and slot.previous:
        return [closes(slot, now)]
    if last and not slot and collect.late == "ignore":
        return [f"no: batch {last.id[:SHOWN_ID]} was sealed before, and late events are ignored"]
    if last and not slot and collect.late == "all":
        return [
            f"corrects batch {last.id[:SHOWN_ID]}, as revision {last.revision + 1}",
            "closes after 5 minutes without an event",
        ]
    if lacks:
        return [f"then missing: {missing_text(lacks)}", *_deadline(collect)]
    if collect.expect is not None:
        return ["complete with it", *waits(trigger, batches, now)]
    if slot:
        return [closes(slot, now)]
    quiet, max_open = duration(collect.quiet), duration(collect.max_open)
    return [f"closes after {quiet} without an event, {max_open} after the first, or at {collect.max_events} events"]


def waits(trigger: Trigger, batches: Batches | None, now: float) -> list[str]:
    """Say what each of a trigger's pipelines would wait for.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    if batches is None:
        return []
    held = {start.pipeline: batches.held(trigger.first_id, start.pipeline, now) for start in trigger.start}
    return [f"waits at {pipeline}: {what[1]}" for pipeline, what in held.items() if what]


def _deadline(collect: Collect) -> list[str]:
    deadline = collect.deadline
    if deadline is None:
        return []
    if deadline.after is not None:
        return [f"its deadline is {duration(deadline.after)} after its first event"]
    return [f"its deadline is at cron {deadline.cron} in {deadline.timezone}"]
