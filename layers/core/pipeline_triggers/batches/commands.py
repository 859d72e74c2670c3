"""What a user does with a batch: close it now, drop it."""

from __future__ import annotations

import random
from dataclasses import replace

from pipeline_triggers.batches.models import Ending, Phase, Slot, Ticket, Turn
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.slots import NO_PIPELINE, ask_for_turns, know, make_due, seal, sealed, tickets_of
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.batches.turns import conclude, end_ticket


def close(batch: str, services: Services) -> bool:
    """Let a batch start now, past interval and daily limit but not past ``max_running``; False: it waits nowhere."""
    slot = _slot(batch, services)
    if slot and not slot.is_due:
        targets = services.documents.targets(slot.trigger)
        return bool(targets) and make_due(slot, targets or (), "closed by hand", services, forced=True)
    tickets = _tickets(batch, services)
    for ticket in tickets:
        if not ticket.forced:
            services.store.force(ticket)
    ask_for_turns([ticket.target.pipeline for ticket in tickets], services)
    return bool(tickets)


def drop(batch: str, reason: str, services: Services) -> list[str]:
    """End a batch as FILTERED for each pipeline at which its turn has not come, and return those pipelines."""
    slot = _slot(batch, services)
    if slot and not slot.is_due:
        return _drop_open(slot, reason, services)
    dropped = []
    for ticket in _tickets(batch, services):
        if ticket.run is None:
            seal(batch, ticket.slot, services)
        try:
            end_ticket(ticket, Ending.FILTERED, f"dropped: {reason}", services)
        except Changed:
            continue  # its turn has come
        dropped.append(ticket.target.pipeline)
    return dropped


def _drop_open(slot: Slot, reason: str, services: Services) -> list[str]:
    targets = services.documents.targets(slot.trigger) or (NO_PIPELINE,)
    for target in targets:
        know(target.pipeline, services)
    now = services.now()
    turns = [
        Turn(
            ticket,
            Phase.ENDING,
            int(now),
            f"{random.getrandbits(64):016x}",
            "",
            str(Ending.FILTERED),
            f"dropped: {reason}",
        )
        for ticket in tickets_of(slot, targets, now)
    ]
    services.store.drop(slot, sealed(replace(slot, targets=tuple(targets))), turns, now)
    for turn in turns:
        conclude(turn, services)
    return [target.pipeline for target in targets]


def _slot(batch: str, services: Services) -> Slot | None:
    return next((slot for slot in services.store.open_slots() if slot.id == batch), None)


def _tickets(batch: str, services: Services) -> list[Ticket]:
    pipelines = [pipeline.name for pipeline in services.store.pipelines()]
    return [ticket for name in pipelines for ticket in services.store.tickets(name) if ticket.batch == batch]
