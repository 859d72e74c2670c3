"""BatchTable's items ↔ the nouns of ``models``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline_triggers.batches.models import (
    Batch,
    Event,
    Last,
    Late,
    Member,
    Pause,
    Phase,
    Pipeline,
    Rules,
    Slot,
    Target,
    Ticket,
    Turn,
)

Item = Mapping[str, Any]


def _kept(**attributes: Any) -> dict[str, Any]:
    """Leave out what is empty: DynamoDB takes no empty set, and most attributes have a default."""
    return {name: value for name, value in attributes.items() if value not in (None, "", 0, False, (), frozenset())}


def _expect(value: Any) -> tuple[str, ...] | int | None:
    if value is None:
        return None
    return tuple(value) if isinstance(value, list) else int(value)


def _listed(expect: tuple[str, ...] | int | None) -> Any:
    return list(expect) if isinstance(expect, tuple) else expect


def of_rules(rules: Rules) -> dict[str, Any]:
    """Return the closing rules as a map."""
    return {**asdict(rules), "expect": _listed(rules.expect), "late": str(rules.late)}


def rules(value: Item) -> Rules:
    """Read closing rules."""
    return Rules(
        quiet=int(value["quiet"]),
        max_open=None if value["max_open"] is None else int(value["max_open"]),
        max_events=int(value["max_events"]),
        expect=_expect(value["expect"]),
        late=Late(value["late"]),
        deadline_after=None if value["deadline_after"] is None else int(value["deadline_after"]),
        start_incomplete=bool(value["start_incomplete"]),
        dry_run=bool(value["dry_run"]),
    )


def of_slot(slot: Slot) -> dict[str, Any]:
    """Write an open batch."""
    attributes = {name: getattr(slot, name) for name in Slot.__dataclass_fields__ if name not in {"key", "rules"}}
    attributes |= {"parts": set(slot.parts) or None, "inherited": set(slot.inherited) or None}
    item = _kept(**attributes | {"targets": of_targets(slot.targets) or None})
    always = {name: getattr(slot, name) for name in ("count", "stored", "by", "missed", "reported", "gone_since")}
    return {"pk": "open", "sk": slot.key, **item, **always, "rules": of_rules(slot.rules)}


def slot(item: Item) -> Slot:
    """Read an open batch."""
    return Slot(
        key=item["sk"],
        id=item["id"],
        trigger=item["trigger"],
        by=item["by"],
        rules=rules(item["rules"]),
        count=int(item["count"]),
        stored=int(item["stored"]),
        parts=frozenset(item.get("parts", ())),
        opened_at=int(item["opened_at"]),
        last_at=int(item["last_at"]),
        revision=int(item["revision"]),
        previous=item.get("previous", ""),
        inherited=frozenset(item.get("inherited", ())),
        due_ms=int(item.get("due_ms", 0)),
        targets=targets(item.get("targets", ())),
        missed=int(item["missed"]),
        reported=bool(item["reported"]),
        gone_since=int(item["gone_since"]),
        why=item.get("why", ""),
    )


def of_targets(targets: tuple[Target, ...]) -> list[Any]:
    """Write targets."""
    return [[target.pipeline, target.same] for target in targets]


def targets(value: Any) -> tuple[Target, ...]:
    """Read targets."""
    return tuple(Target(pipeline, int(same)) for pipeline, same in value)


def of_member(batch: str, event: Event) -> dict[str, Any]:
    """Write an event of a batch."""
    item = {"part": event.part, "at": event.at, "depth": event.depth, "data": json.dumps(dict(event.data))}
    return {"pk": f"batch#{batch}", "sk": f"member#{event.mark}", **_kept(**item)}


def member(item: Item) -> Member:
    """Read an event of a batch."""
    return Member(
        mark=item["sk"].removeprefix("member#"),
        part=item.get("part", ""),
        at=item.get("at", ""),
        depth=int(item.get("depth", 0)),
        data=json.loads(item["data"]),
    )


def last(item: Item) -> Last:
    """Read what was sealed last."""
    expect = _expect(item["expect"])
    return Last(item["id"], int(item["revision"]), frozenset(item.get("parts", ())), () if expect is None else expect)


def of_batch(batch: Batch) -> dict[str, Any]:
    """Write a sealed batch."""
    return {
        "pk": f"batch#{batch.id}",
        "sk": "batch",
        "trigger": batch.trigger,
        "by": batch.by,
        "targets": of_targets(batch.targets),
        "revision": batch.revision,
        "previous": batch.previous,
        "expect": _listed(batch.expect),
        "ends": {name: dict(end) for name, end in batch.ends.items()},
    }


def batch(item: Item) -> Batch:
    """Read a sealed batch."""
    return Batch(
        id=item["pk"].removeprefix("batch#"),
        trigger=item["trigger"],
        by=item["by"],
        targets=targets(item["targets"]),
        revision=int(item["revision"]),
        previous=item["previous"],
        expect=_expect(item["expect"]),
        ends=item["ends"],
        files=item.get("files"),
    )


def ticket_key(ticket: Ticket) -> tuple[str, str]:
    """Return where a ticket waits."""
    place = f"{ticket.trigger}#{0 if ticket.forced else ticket.ready_ms:013d}#{ticket.batch}#{ticket.target.same}"
    return f"queue#{ticket.target.pipeline}", place


def of_ticket(ticket: Ticket) -> dict[str, Any]:
    """Write a ticket's attributes."""
    attributes = {name: getattr(ticket, name) for name in Ticket.__dataclass_fields__ if name not in {"target", "run"}}
    run = None if ticket.run is None else json.dumps(dict(ticket.run))
    return _kept(**attributes, run=run) | {"pipeline": ticket.target.pipeline, "same": ticket.target.same}


def ticket(item: Item) -> Ticket:
    """Read a ticket."""
    return Ticket(
        target=Target(item["pipeline"], int(item["same"])),
        trigger=item["trigger"],
        batch=item["batch"],
        ready_ms=int(item["ready_ms"]),
        by=item.get("by", ""),
        slot=item.get("slot", ""),
        run=json.loads(item["run"]) if "run" in item else None,
        skip=bool(item.get("skip", False)),
        dry_run=bool(item.get("dry_run", False)),
        forced=bool(item.get("forced", False)),
        tries=int(item.get("tries", 0)),
        gone_since=int(item.get("gone_since", 0)),
    )


def turn_key(ticket: Ticket) -> tuple[str, str]:
    """Return where a ticket is once its turn has come."""
    return f"running#{ticket.target.pipeline}", f"{ticket.batch}#{ticket.target.same}"


def of_turn(turn: Turn) -> dict[str, Any]:
    """Write a ticket whose turn has come."""
    pk, sk = turn_key(turn.ticket)
    names = ("tried", "nonce", "execution", "ending", "reason", "unanswered")
    about = _kept(**{name: getattr(turn, name) for name in names})
    return {"pk": pk, "sk": sk, **of_ticket(turn.ticket), **about, "phase": str(turn.phase)}


def turn(item: Item) -> Turn:
    """Read a ticket whose turn has come."""
    return Turn(
        ticket=ticket(item),
        phase=Phase(item["phase"]),
        tried=int(item["tried"]),
        nonce=item["nonce"],
        execution=item.get("execution", ""),
        ending=item.get("ending", ""),
        reason=item.get("reason", ""),
        unanswered=bool(item.get("unanswered", False)),
    )


def pipeline(item: Item) -> Pipeline:
    """Read a pipeline."""
    starts = {attempt: int(at) for attempt, at in item["starts"].items()}
    return Pipeline(item["sk"], int(item["version"]), starts, int(item["ended_before"]))


def of_pause(pause: Pause) -> dict[str, Any]:
    """Write a pause."""
    return {"pk": "paused", "sk": f"{pause.kind}#{pause.name}", **asdict(pause)}


def pause(item: Item) -> Pause:
    """Read a pause."""
    return Pause(
        kind=item["kind"],
        name=item["name"],
        until=None if item["until"] is None else int(item["until"]),
        who=item["who"],
        reason=item["reason"],
        since=int(item["since"]),
        resumed=bool(item["resumed"]),
    )
