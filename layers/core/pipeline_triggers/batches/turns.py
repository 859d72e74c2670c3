"""Whose turn it is at a pipeline: read, decide, do one step, and again until nothing can be done."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.batches import decision
from pipeline_triggers.batches.decision import Do, Situation, Step
from pipeline_triggers.batches.door import Unanswered
from pipeline_triggers.batches.manifest import View, files, newest, view
from pipeline_triggers.batches.models import Batch, Ending, Phase, Pipeline, Ticket, Turn
from pipeline_triggers.batches.services import Notice, Services
from pipeline_triggers.batches.slots import ask_for_turns, seal
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.batches.writing import MOST_ATTEMPTS, carried_out, rest
from pipeline_triggers.errors import Filtered, MaxStarts, Rejected, Waiting
from pipeline_triggers.history.record import timestamp
from pipeline_triggers.models import Limits, Run


class NotPlanned(Exception):
    """A start that can't be computed now, such as because its manifest can't be written; nothing was started."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(aws.reason(error))


def take_turns(pipeline: str, services: Services) -> str:
    """Start what may start at a pipeline, in order, and return what the rest waits for.

    Raises:
        Exception: why a start could not be computed, once all others had their turn.

    """
    aside: dict[str, str] = {}
    failure: Exception | None = None
    changed_in_a_row = 0
    while services.time_left() > 0:
        situation = read(pipeline, services, aside)
        if situation is None:
            return "the function has no time left to list the executions"
        step = decision.next_step(situation)
        if step.do is Do.NOTHING:
            _report_age(situation, services)
            if failure:
                raise failure
            return step.reason
        try:
            stopped_by = carry_out(step, situation, services)
        except Changed:
            # Another function was faster; what it did decides anew.
            rest(services, changed_in_a_row)
            changed_in_a_row += 1
            if changed_in_a_row == MOST_ATTEMPTS:
                break
            continue
        changed_in_a_row = 0
        if isinstance(stopped_by, MaxStarts | NotPlanned) and step.ticket:
            aside[step.ticket.trigger] = str(stopped_by)
            failure = stopped_by.error if isinstance(stopped_by, NotPlanned) else failure
        elif stopped_by:
            return str(stopped_by)
    ask_for_turns([pipeline], services)
    return "the function has no time left; another one goes on"


def _report_age(situation: Situation, services: Services) -> None:
    """Report for how long the first in the queue has waited; an alarm of the stack watches that."""
    if situation.heads:
        services.outside.report_age(situation.now - min(head.ready_ms for head in situation.heads) / 1000)


def read(pipeline: str, services: Services, aside: Mapping[str, str]) -> Situation | None:
    """Read the version first, and all that a decision rests on after it: a turn counts only for that version."""
    now = services.now()
    found = services.store.pipeline(pipeline)
    if found is None:
        return Situation(Pipeline(pipeline, 0, {}, 0), (), (), (), Limits(), lambda _: False, now)
    situation = Situation(
        pipeline=found,
        turns=services.store.turns(pipeline),
        heads=services.store.heads(pipeline),
        pauses=services.records.pauses(),
        limits=services.documents.limits(pipeline),
        names=lambda ticket: ticket.target in (services.documents.targets(ticket.trigger) or ()),
        now=now,
        aside=aside,
    )
    if not decision.needs_listing(situation):
        return situation
    since = found.ended_before - decision.CLOCKS_DIFFER_BY
    listing = services.door.executions(pipeline, since)
    ended_before = decision.ended_before(situation, listing)
    if ended_before > found.ended_before + 3600 or not listing.is_complete:
        carried_out(services, lambda: services.store.ended_before(pipeline, ended_before))
    return replace(situation, listing=listing) if listing.is_complete else None


def carry_out(step: Step, situation: Situation, services: Services) -> Exception | None:
    """Do one step; an exception that is returned says why a start has to wait.

    Raises:
        Changed: it is not so any more.

    """
    now = services.now()
    if step.turn:
        _settle(step, step.turn, now, situation, services)
    if step.ticket:
        return _serve(step, step.ticket, now, situation, services)
    return None


def _serve(step: Step, ticket: Ticket, now: float, situation: Situation, services: Services) -> Exception | None:
    """Do what is next with the first ticket of a trigger."""
    match step.do:
        case Do.BEGIN:
            try:
                services.door.need_room(ticket.trigger)
            except MaxStarts as reached:
                return reached
            return _begin(ticket, situation, services)
        case Do.MISS:
            services.store.mark_ticket(ticket, int(now))
        case Do.FIND:
            services.store.mark_ticket(ticket, 0)
        case Do.REJECT:
            _end_waiting(ticket, Ending.REJECTED, step.reason, services)
        case Do.SKIP:
            _end_waiting(ticket, Ending.SKIPPED, step.reason, services)
        case Do.DRY_RUN:
            try:
                tried = _tried(ticket, services)
            except Exception as error:
                return NotPlanned(error)
            _end_waiting(ticket, *tried, services)
    return None


def _settle(step: Step, turn: Turn, now: float, situation: Situation, services: Services) -> None:
    """Go on with a turn that another function left."""
    match step.do:
        case Do.FORGET:
            services.store.forget(turn)
        case Do.FINISH:
            _finish(turn, _notice(turn.ticket, Ending.STARTED, execution=step.execution), situation, services)
        case Do.UNDO:
            services.store.undo(turn, crashed=not turn.unanswered)
        case Do.GIVE_UP:
            _seal(turn.ticket, services)
            conclude(services.store.end_turn(turn, Ending.REJECTED, step.reason, now), services)
        case Do.CONCLUDE:
            conclude(turn, services)


def _begin(ticket: Ticket, situation: Situation, services: Services) -> Exception | None:
    """Take the turn, start, and note the execution; what is not started for certain gives the turn back."""
    nonce = f"{random.getrandbits(64):016x}"
    turn = Turn(ticket, Phase.BEGUN, tried=int(services.now()), nonce=nonce)
    limits = situation.limits
    counted = limits.min_interval is not None or limits.max_per_day is not None
    _, forget = decision.kept_starts(situation.pipeline, limits, situation.now)
    services.store.begin(turn, situation.pipeline, counted=counted, forget=forget)
    try:
        run, count = planned(ticket, services)
    except (Filtered, Rejected) as error:
        _end_begun(turn, error, services)
        return None
    except Exception as error:
        carried_out(services, lambda: services.store.undo(turn, crashed=False))
        return NotPlanned(error)
    try:
        execution = services.door.start(run, ticket.trigger)
    except Rejected as error:
        _end_begun(turn, Rejected(run.masked(str(error))), services)
        return None
    except Waiting as error:
        carried_out(services, lambda: services.store.undo(turn, crashed=False))
        return error
    except (Unanswered, BotoCoreError, ClientError) as error:
        if isinstance(error, Unanswered) or aws.is_transient(error):
            carried_out(services, lambda: services.store.unanswered(turn))
        raise
    about = replace(_notice(ticket, Ending.STARTED, execution=execution), count=count, parameters=run.shown)
    _finish(turn, about, situation, services)
    return None


def _end_begun(turn: Turn, error: Exception, services: Services) -> None:
    ending = Ending.FILTERED if isinstance(error, Filtered) else Ending.REJECTED
    ended: list[Turn] = []

    def write() -> None:
        ended.append(services.store.end_turn(turn, ending, str(error), services.now()))

    if carried_out(services, write):
        conclude(ended[0], services)


def _finish(turn: Turn, started: Notice, situation: Situation, services: Services) -> None:
    """Report a start before it is noted: what crashes in between is found again, and reported the same."""
    services.outside.report(started)
    track = situation.limits.max_running is not None
    carried_out(services, lambda: services.store.finish(turn, started.execution, services.now(), track=track))


def conclude(turn: Turn, services: Services) -> None:
    """Carry out what follows from an end that is noted: it can't become another one any more."""
    if turn.ending == Ending.REJECTED and not turn.ticket.dry_run:
        services.outside.send_dead_letter(turn)
    services.outside.report(_notice(turn.ticket, turn.ending, reason=turn.reason))
    carried_out(services, lambda: services.store.forget(turn))


def _notice(ticket: Ticket, outcome: str, *, reason: str = "", execution: str = "") -> Notice:
    pipeline = ticket.target.pipeline
    about = (ticket.trigger, ticket.batch, ticket.by)
    id_ = f"{timestamp(ticket.ready_ms / 1000)}#{ticket.batch}#{pipeline}#{ticket.target.same}"
    return Notice(str(outcome), *about, pipeline=pipeline, reason=reason, execution=execution, id=id_)


def _end_waiting(ticket: Ticket, ending: Ending, reason: str, services: Services) -> None:
    """End a ticket whose turn does not come."""
    _seal(ticket, services)
    end_ticket(ticket, ending, reason, services)


def end_ticket(ticket: Ticket, ending: Ending, reason: str, services: Services) -> None:
    """Note how a ticket of a sealed batch ends, and report it."""
    now = services.now()
    nonce = f"{random.getrandbits(64):016x}"
    turn = Turn(ticket, Phase.ENDING, tried=int(now), nonce=nonce, ending=str(ending), reason=reason)
    services.store.end_ticket(turn, now)
    conclude(turn, services)


def _tried(ticket: Ticket, services: Services) -> tuple[Ending, str]:
    """Return how a dry run ends: it computes all and writes nothing."""
    try:
        run, _ = planned(ticket, services, dry_run=True)
    except Filtered as error:
        return Ending.FILTERED, str(error)
    except Rejected as error:
        return Ending.REJECTED, str(error)
    return Ending.DRY_RUN, f"would start {run.pipeline} with {run.shown}"


def _seal(ticket: Ticket, services: Services) -> None:
    """Seal the ticket's batch, so that its end can be noted there; an event that is not collected is sealed."""
    if ticket.run is None:
        seal(ticket.batch, ticket.slot, services)


def planned(ticket: Ticket, services: Services, *, dry_run: bool = False) -> tuple[Run, int]:
    """Return the start of a ticket, stored with it or computed from its batch, and how many events it is for."""
    if ticket.run is not None:
        return Run(**ticket.run), 1
    batch = seal(ticket.batch, ticket.slot, services)
    about = described(batch, services, dry_run=dry_run)
    return services.documents.plan(ticket, about, decision.token(ticket)), about.count


def described(batch: Batch, services: Services, *, dry_run: bool = False) -> View:
    """Return ``$batch``, with its files written and noted; the first note counts."""
    members = newest(services.store.chain(batch))
    about = view(batch, members)
    noted = dict(batch.files or {})
    if not noted:
        write: Callable[[str, bytes], str] = (lambda key, _: key) if dry_run else services.outside.put
        noted = {name: write(file.key, file.content) for name, file in files(batch, members).items()}
        if not dry_run and not carried_out(services, lambda: services.store.note_files(batch, noted)):
            first = services.store.batch(batch.id)
            noted = dict(first.files or {}) if first else noted
    return replace(about, manifest=noted.get("manifest", ""), events=noted.get("events", ""))
