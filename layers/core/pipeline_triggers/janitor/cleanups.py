"""What a clean-up decides, and what it carries from one message to the next. Pure: it calls nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_triggers.account import pipelines
from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import START, Position, Reference, RuleTarget, Schedule
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language import globs

# How many things that stay, and how many names of existing pipelines, a clean-up carries along: its message must fit
# into SQS and EventBridge.
MAX_KEPT, MAX_EXISTING = 100, 500


@dataclass(frozen=True, slots=True)
class Policy:
    """What the stack's parameters allow: what is ignored, and how many things one clean-up may remove."""

    home: Home
    ignore: tuple[str, ...]
    max_removals: int
    remove_empty_rules: bool
    snapshot_days: int
    snapshot_table: str


@dataclass(frozen=True, slots=True, order=True)
class Orphan:
    """A schedule of a group, or a target of a rule on a bus, that starts a pipeline that is gone.

    ``pipeline`` is its name as the schedule or target spells it; ``target`` is the target's id, "" for a schedule.
    """

    kind: str
    place: str
    name: str
    target: str
    pipeline: str

    def __str__(self) -> str:
        target = f" target {self.target}" if self.target else ""
        return f"{self.kind} {self.place}/{self.name}{target}"

    @classmethod
    def of(cls, reference: Reference) -> Orphan:
        """Return what of a reference a clean-up carries along."""
        if isinstance(reference, Schedule):
            return cls("schedule", reference.group, reference.name, "", reference.pipeline.name)
        return cls("rule", reference.bus, reference.name, reference.target_id, reference.pipeline.name)


@dataclass(frozen=True, slots=True)
class Kept:
    """A thing that stays, and why; ``pipeline`` is "" when it is unknown what it starts."""

    what: str
    pipeline: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cleanup:
    """A clean-up on its way: what it has seen, and what is left to do.

    ``pipeline`` is the deleted one; a sweep has none and looks at all. ``started`` is a Unix time. ``existing`` names
    pipelines, in lower case, that need not be looked up again. ``orphans`` are to be removed, or in a sweep that only
    reports, to be reported. ``waits_since`` is when it first had to wait, 0 if it never had to. ``step`` counts its
    messages, and ``failures`` those in a row that failed.
    """

    id: str
    started: int
    pipeline: str | None
    removes: bool
    position: Position | None = START
    looked_at: int = 0
    existing: tuple[str, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    removed: tuple[Orphan, ...] = ()
    kept: tuple[Kept, ...] = ()
    kept_count: int = 0
    waits_since: int = 0
    step: int = 0
    failures: int = 0

    def too_many(self, max_removals: int) -> bool:
        """Whether it would remove more than it may: then something else is wrong, and it removes nothing."""
        return len(self.orphans) + len(self.removed) > max_removals

    def done(self, max_removals: int) -> bool:
        """Whether nothing is left to do but to report it."""
        return self.position is None and (not self.orphans or not self.removes or self.too_many(max_removals))

    def keep(self, *kept: Kept) -> dict[str, Any]:
        """Return the fields that say that these stay."""
        return {"kept": (*self.kept, *kept)[:MAX_KEPT], "kept_count": self.kept_count + len(kept)}

    def dump(self) -> str:
        """Write it as a message."""
        return json.dumps({"cleanup": asdict(self)}, ensure_ascii=False)


def read(body: str, message_id: str, now: int, home: Home) -> Cleanup:
    """Read what a message of the janitor's queue asks for.

    It is ``{"deletion": <CloudTrail's event>}``, the daily ``{"sweep": "report"}`` or ``"remove"``, or the
    ``{"cleanup": …}`` of one that goes on.

    Raises:
        Filtered: the event does not say that a pipeline was deleted here.
        Rejected: the message has no such shape.

    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is not valid JSON: {error}") from error
    match message:
        case {"cleanup": dict(fields)}:
            try:
                return _load(fields)
            except (KeyError, TypeError) as error:
                raise Rejected(f"the message is not a clean-up as this version writes it: {error}") from error
        case {"sweep": "report" | "remove" as mode}:
            return Cleanup(message_id, now, None, removes=mode == "remove")
        case {"deletion": {"detail": dict()} as event}:
            return Cleanup(message_id, now, deleted_pipeline(event, home).name, removes=True)
    raise Rejected("the message is neither CloudTrail's event of a DeletePipeline nor a sweep")


def deleted_pipeline(event: Mapping[str, Any], home: Home) -> Pipeline:
    """Return the pipeline that an event says was deleted here.

    The rule's pattern asks for the same, but who can change the rule must not be able to widen what is removed.

    Raises:
        Filtered: another call, one that failed, or one of another service, account or Region.
        Rejected: it names no pipeline.

    """
    detail = event["detail"]
    call = (event.get("source"), detail.get("eventSource"), detail.get("eventName"))
    if call != ("aws.sagemaker", "sagemaker.amazonaws.com", "DeletePipeline"):
        raise Filtered(f"not SageMaker's DeletePipeline, but {detail.get('eventName')} of {detail.get('eventSource')}")
    if code := detail.get("errorCode"):
        raise Filtered(f"the pipeline was not deleted: {code}")
    if (event.get("account"), event.get("region")) != (home.account, home.region):
        raise Filtered(f"deleted in account {event.get('account')}, Region {event.get('region')}, not in this one")
    pipeline = pipelines.parse((detail.get("requestParameters") or {}).get("pipelineName"), home)
    if pipeline is None:
        raise Rejected("the event names no pipeline in detail.requestParameters.pipelineName")
    return pipeline


def untouchable(reference: Reference, policy: Policy) -> str | None:
    """Say why a reference to a pipeline that is gone stays all the same, as far as it says so itself; or None."""
    if isinstance(reference, RuleTarget) and (service := reference.rule.get("ManagedBy")):
        return f"its rule is managed by {service}"
    orphan = Orphan.of(reference)
    for glob in policy.ignore:
        if any(globs.matches_name(glob, name) for name in (orphan.place, orphan.name, f"{orphan.place}/{orphan.name}")):
            return f"JanitorIgnore matches it: {glob}"
    return None


def elsewhere(reference: Reference, home: Home) -> str | None:
    """Say that a pipeline is in another account or Region, which can't be looked up from here; or None."""
    account, region, _ = reference.pipeline.key
    if (account, region) == (home.account, home.region):
        return None
    return f"its pipeline is in account {account}, Region {region}, which can't be looked up from here"


def _load(fields: Mapping[str, Any]) -> Cleanup:
    lists: dict[str, Any] = {
        "orphans": tuple(Orphan(**orphan) for orphan in fields["orphans"]),
        "removed": tuple(Orphan(**orphan) for orphan in fields["removed"]),
        "kept": tuple(Kept(**kept) for kept in fields["kept"]),
        "existing": tuple(fields["existing"]),
        "position": None if fields["position"] is None else tuple(fields["position"]),
    }
    return Cleanup(**{**fields, **lists})
