"""What a clean-up has to decide, and what it carries from one message to the next. Pure: it asks nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_triggers.account.references import (
    START,
    Home,
    Pipeline,
    Pointer,
    Position,
    RuleTarget,
    Schedule,
    pipeline,
)
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language import globs

# How much of what is kept, and of what is there, a clean-up carries with it: its message must stay below what SQS and
# EventBridge take.
MOST_KEPT, MOST_THERE = 100, 500


@dataclass(frozen=True, slots=True)
class Terms:
    """How the stack's parameters want it: what is ignored, and how many things one clean-up may remove at most."""

    home: Home
    ignore: tuple[str, ...]
    most: int
    remove_empty_rules: bool
    keep_days: int
    table: str


@dataclass(frozen=True, slots=True, order=True)
class Orphan:
    """What starts a pipeline that is gone: a schedule of a group, or a target of a rule of a bus.

    ``pipeline`` is its name as the schedule or target spells it; ``target`` is the target's id, "" for a schedule.
    """

    kind: str
    place: str
    name: str
    target: str
    pipeline: str

    def __str__(self) -> str:
        of_target = f" target {self.target}" if self.target else ""
        return f"{self.kind} {self.place}/{self.name}{of_target}"


@dataclass(frozen=True, slots=True)
class Kept:
    """An orphan that stays, and why."""

    what: str
    pipeline: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cleanup:
    """A clean-up on its way: what it has seen, and what is left to do.

    ``pipeline`` is the deleted one; a sweep has none, and looks at all. ``started`` is a Unix time, ``there`` are
    pipelines (in lower case) that need not be asked for again, ``orphans`` what is to be removed, or in a sweep that
    only reports, told. ``waits_since`` is when it first had to wait, 0 if it never has.
    """

    id: str
    started: int
    pipeline: str | None
    removes: bool
    position: Position | None = START
    looked_at: int = 0
    there: tuple[str, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    removed: tuple[Orphan, ...] = ()
    kept: tuple[Kept, ...] = ()
    kept_count: int = 0
    waits_since: int = 0

    def too_many(self, most: int) -> bool:
        """Whether it would remove more than it may: then something else is wrong, and it removes nothing."""
        return len(self.orphans) + len(self.removed) > most

    def done(self, most: int) -> bool:
        """Whether nothing is left to do but to tell of it."""
        return self.position is None and (not self.orphans or not self.removes or self.too_many(most))

    def keep(self, *kept: Kept) -> dict[str, Any]:
        """Return the fields that say that these stay."""
        return {"kept": (*self.kept, *kept)[:MOST_KEPT], "kept_count": self.kept_count + len(kept)}

    def dump(self) -> str:
        """Write it as a message."""
        return json.dumps({"cleanup": asdict(self)}, ensure_ascii=False)


def read(body: str, message_id: str, now: int, home: Home) -> Cleanup:
    """Read what a message of the janitor's queue asks for.

    It is ``{"deletion": <CloudTrail's event>}``, the daily ``{"sweep": "report"}`` or ``"remove"``, or the
    ``{"cleanup": …}`` of one that goes on.

    Raises:
        Filtered: the event is none of a pipeline that was deleted here.
        Rejected: it is nothing that the janitor knows.

    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is no JSON: {error}") from error
    match asked:
        case {"cleanup": dict(fields)}:
            return _load(fields)
        case {"sweep": "report" | "remove" as mode}:
            return Cleanup(message_id, now, None, removes=mode == "remove")
        case {"deletion": {"detail": dict()} as event}:
            return Cleanup(message_id, now, deleted(event, home).name, removes=True)
    raise Rejected("the message is neither CloudTrail's event of a DeletePipeline nor a sweep")


def deleted(event: Mapping[str, Any], home: Home) -> Pipeline:
    """Return the pipeline that an event says was deleted here.

    The rule's pattern asks for the same; but who can change the rule must not be able to widen what is removed.

    Raises:
        Filtered: another call, one that failed, or one of another service, account or Region.
        Rejected: it names no pipeline.

    """
    detail = event["detail"]
    called = (event.get("source"), detail.get("eventSource"), detail.get("eventName"))
    if called != ("aws.sagemaker", "sagemaker.amazonaws.com", "DeletePipeline"):
        raise Filtered(f"no DeletePipeline of SageMaker, but {detail.get('eventName')} of {detail.get('eventSource')}")
    if code := detail.get("errorCode"):
        raise Filtered(f"the pipeline was not deleted: {code}")
    if (event.get("account"), event.get("region")) != (home.account, home.region):
        raise Filtered(f"deleted in account {event.get('account')}, Region {event.get('region')}: not this one's")
    found = pipeline((detail.get("requestParameters") or {}).get("pipelineName"), home)
    if found is None:
        raise Rejected("the event names no pipeline in detail.requestParameters.pipelineName")
    return found


def orphan(pointer: Pointer) -> Orphan:
    """Return what of a pointer a clean-up carries with it."""
    if isinstance(pointer, Schedule):
        return Orphan("schedule", pointer.group, pointer.name, "", pointer.pipeline.name)
    return Orphan("rule", pointer.bus, pointer.name, pointer.target_id, pointer.pipeline.name)


def untouchable(pointer: Pointer, terms: Terms) -> str | None:
    """Say why a pointer at a pipeline that is gone stays all the same, as far as it says so itself; or None."""
    if isinstance(pointer, RuleTarget) and (service := pointer.rule.get("ManagedBy")):
        return f"its rule is managed by {service}"
    found = orphan(pointer)
    for glob in terms.ignore:
        if any(globs.matches_name(glob, name) for name in (found.place, found.name, f"{found.place}/{found.name}")):
            return f"JanitorIgnore names it: {glob}"
    return None


def elsewhere(pointer: Pointer, home: Home) -> str | None:
    """Say that a pipeline can't be asked for from here, or None."""
    account, region, _ = pointer.pipeline.key
    if (account, region) == (home.account, home.region):
        return None
    return f"its pipeline is in account {account}, Region {region}, and can't be asked for from here"


def _load(fields: Mapping[str, Any]) -> Cleanup:
    several: dict[str, Any] = {
        "orphans": tuple(Orphan(**one) for one in fields["orphans"]),
        "removed": tuple(Orphan(**one) for one in fields["removed"]),
        "kept": tuple(Kept(**one) for one in fields["kept"]),
        "there": tuple(fields["there"]),
        "position": None if fields["position"] is None else tuple(fields["position"]),
    }
    return Cleanup(**{**fields, **several})
