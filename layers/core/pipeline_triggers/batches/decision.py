"""Whose turn it is at a pipeline: pure. What AWS and the table know → the one next step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from pipeline_triggers.batches.models import Execution, Listing, Pause, Phase, Pipeline, Ticket, Turn
from pipeline_triggers.batches.rules import GONE_FOR, digest
from pipeline_triggers.models import Limits

LISTED_WITHIN = 480  # seconds until ListPipelineExecutions shows an execution
TIME_OUT = 300  # seconds that a function may run; template.yaml
CLOCKS_DIFFER_BY = 120  # seconds, two functions' clocks by 60 each

# A start without an answer that is not listed after this was not made: its function has ended, too.
UNANSWERED = LISTED_WITHIN + TIME_OUT + CLOCKS_DIFFER_BY
# What another function noted and did not carry out after this, it will not.
LEFT_ALONE = TIME_OUT + CLOCKS_DIFFER_BY

LONGEST_EXECUTION = 28 * 24 * 3600  # seconds; SageMaker
DAY = 24 * 3600
MOST_TRIES = 6  # starts of one ticket that crashed in a row


class Do(Enum):
    """What to do next at a pipeline."""

    NOTHING = auto()  # until something changes
    FORGET = auto()  # an execution of ours ended
    FINISH = auto()  # an execution was found for a start without an answer
    UNDO = auto()  # a start was not made: the ticket goes back into the queue
    GIVE_UP = auto()  # … or is rejected, since it crashed too often
    CONCLUDE = auto()  # what follows from a noted end was not carried out
    BEGIN = auto()
    SKIP = auto()
    DRY_RUN = auto()
    MISS = auto()  # note that no document names the ticket's start
    FIND = auto()  # note that a document names it again
    REJECT = auto()  # … or that none has for an hour


@dataclass(frozen=True, slots=True)
class Step:
    """The next step, with what it is about; ``reason`` is for users."""

    do: Do
    turn: Turn | None = None
    ticket: Ticket | None = None
    reason: str = ""
    execution: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides at a pipeline; ``aside``: the triggers that this function has seen can't start now, with why."""

    pipeline: Pipeline
    turns: Sequence[Turn]
    heads: Sequence[Ticket]
    pauses: Sequence[Pause]
    limits: Limits
    names: Callable[[Ticket], bool]
    now: float
    listing: Listing | None = None
    aside: Mapping[str, str] = field(default_factory=dict)


def token(ticket: Ticket) -> str:
    """Return the token and identity of the ticket's start: its batch's and target's, never those of the members."""
    if ticket.run is not None:
        return str(ticket.run["token"])
    return digest("batch", ticket.batch, ticket.target.key) * 2


def needs_listing(situation: Situation) -> bool:
    """Whether the executions of the pipeline matter now."""
    unanswered = any(turn.phase is Phase.BEGUN and _is_left(turn, situation.now) for turn in situation.turns)
    return unanswered or (situation.limits.max_running is not None and bool(situation.heads))


def next_step(situation: Situation) -> Step:
    """Return the next step; a step that is done leads to the next situation."""
    return _of_turns(situation) or _of_tickets(situation)


def _of_turns(situation: Situation) -> Step | None:
    for turn in situation.turns:
        if turn.phase is Phase.ENDING:
            if _is_left(turn, situation.now):
                return Step(Do.CONCLUDE, turn=turn)
        elif situation.listing is not None and (step := _as_listed(turn, situation.listing, situation.now)):
            return step
    return None


def _is_left(turn: Turn, now: float) -> bool:
    """Whether the function that took the turn has ended."""
    return now - turn.tried > LEFT_ALONE


def _as_listed(turn: Turn, listing: Listing, now: float) -> Step | None:
    for execution in listing.executions:
        if turn.phase is Phase.BEGUN and _is_left(turn, now) and execution.token == token(turn.ticket):
            return Step(Do.FINISH, turn=turn, execution=execution.arn)
        if turn.phase is Phase.RUNNING and execution.arn == turn.execution:
            return None if execution.is_going else Step(Do.FORGET, turn=turn)
    if now - turn.tried <= UNANSWERED:
        return None
    if turn.phase is Phase.RUNNING:
        return Step(Do.FORGET, turn=turn)  # such as of a pipeline that was deleted
    if turn.ticket.tries + 1 >= MOST_TRIES and not turn.unanswered:
        return Step(Do.GIVE_UP, turn=turn, reason=f"the function crashed or timed out {MOST_TRIES} times")
    return Step(Do.UNDO, turn=turn)


def _of_tickets(situation: Situation) -> Step:
    starting = {turn.ticket.trigger for turn in situation.turns if turn.phase is Phase.BEGUN}
    waiting = ""
    for head in sorted(situation.heads, key=lambda ticket: (not ticket.forced, ticket.ready_ms)):
        if step := _of_names(head, situation):
            return step
        if head.gone_since or head.trigger in starting:
            # One start of a trigger at a time, so that a start that crashed is not overtaken.
            continue
        if head.trigger in situation.aside:
            waiting = waiting or situation.aside[head.trigger]
            continue
        if head.dry_run:
            return Step(Do.DRY_RUN, ticket=head)
        if pause := pause_of(head, situation.pauses, situation.now):
            waiting = waiting or f"paused by {pause.who}: {pause.reason}"
            continue
        reason = why_not_now(situation, forced=head.forced)
        if not reason:
            return Step(Do.BEGIN, ticket=head)
        if head.skip:
            return Step(Do.SKIP, ticket=head, reason=reason)
        waiting = waiting or reason
    return Step(Do.NOTHING, reason=waiting)


def _of_names(head: Ticket, situation: Situation) -> Step | None:
    """Judge a ticket whose start no document names any more: rejected after an hour, not at first sight."""
    if situation.names(head):
        return Step(Do.FIND, ticket=head) if head.gone_since else None
    if not head.gone_since:
        return Step(Do.MISS, ticket=head)
    if situation.now - head.gone_since >= GONE_FOR:
        reason = f"trigger or pipeline removed: no deployed document starts {head.target.pipeline} by {head.trigger}"
        return Step(Do.REJECT, ticket=head, reason=reason)
    return None


def pause_of(ticket: Ticket, pauses: Sequence[Pause], now: float) -> Pause | None:
    """Return the pause that holds the ticket."""
    for pause in pauses:
        if pause.holds(now) and pause.concerns(ticket.trigger, ticket.target.pipeline):
            return pause
    return None


def why_not_now(situation: Situation, *, forced: bool = False) -> str:
    """Return which limit is reached, "" when none is. ``forced`` looks at ``max_running`` only."""
    limits, now = situation.limits, situation.now
    if limits.max_running is not None:
        busy = in_the_way(situation)
        if len(busy) >= limits.max_running:
            return f"{len(busy)} running, max_running is {limits.max_running}: {busy[0]}"
    if forced:
        return ""
    times = sorted(situation.pipeline.starts.values())
    if limits.min_interval is not None and times and now < times[-1] + limits.min_interval:
        return f"min_interval: the last start was {int(now - times[-1])} s ago"
    if limits.max_per_day is not None and len([at for at in times if at > now - DAY]) >= limits.max_per_day:
        return f"max_per_day: {limits.max_per_day} starts in 24 hours"
    return ""


def in_the_way(situation: Situation) -> list[str]:
    """Return what counts against ``max_running``: starts on their way, executions of ours, and all others listed."""
    ours = [turn for turn in situation.turns if turn.phase is not Phase.ENDING]
    # An execution of others has no token, and a start on its way no execution yet: neither stands for the other.
    known = {turn.execution for turn in ours if turn.execution} | {token(turn.ticket) for turn in ours}
    listed = situation.listing.executions if situation.listing else ()
    foreign = [one.arn for one in listed if one.is_going and not known & {one.arn, one.token}]
    return [turn.execution or f"the start of batch {turn.ticket.batch}" for turn in ours] + foreign


def ended_before(situation: Situation, listing: Listing) -> int:
    """Return a time before which all executions have ended, as far as they are listed."""
    ours = [turn.tried for turn in situation.turns if turn.phase is not Phase.ENDING]
    executions: Sequence[Execution] = listing.executions
    going = [one.created_at for one in executions if one.is_going]
    if listing.is_complete:
        read_to = int(situation.now) - LISTED_WITHIN
    else:
        read_to = executions[-1].created_at if executions else listing.since
    return min([read_to, *ours, *going]) - CLOCKS_DIFFER_BY


def kept_starts(pipeline: Pipeline, limits: Limits, now: float) -> tuple[dict[str, int], list[str]]:
    """Return the starts worth remembering, and the attempts to forget: those past a day, but for the latest few."""
    most = max(10, limits.max_per_day or 0)
    newest = sorted(pipeline.starts, key=lambda attempt: pipeline.starts[attempt], reverse=True)
    kept = [attempt for rank, attempt in enumerate(newest) if rank < 10 or pipeline.starts[attempt] > now - DAY][:most]
    return {attempt: pipeline.starts[attempt] for attempt in kept}, [one for one in newest if one not in kept]
