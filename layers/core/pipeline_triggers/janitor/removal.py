"""The two steps of a clean-up: find what points at pipelines that are gone, then remove it, one thing after another.

Each pipeline is looked up when it is first met, and again right before each removal. Nothing is removed without a
snapshot, by which a clean-up also recognises after a crash what it removed. A thing that AWS refuses to show or to
remove is kept, and stops nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import ownership, pipelines, references
from pipeline_triggers.account.pipelines import Pipeline, Status
from pipeline_triggers.account.references import Ambiguous, Page
from pipeline_triggers.errors import Waiting
from pipeline_triggers.janitor import snapshots
from pipeline_triggers.janitor.cleanups import MAX_EXISTING, Cleanup, Kept, Orphan, Policy, elsewhere, untouchable
from pipeline_triggers.janitor.snapshots import Snapshot

# Clocks differ: pipelines that were created this long before a clean-up count as created again.
CLOCK_SKEW = 300  # seconds

# The codes of RemoveTargets' failed entries that may work later.
_RETRYABLE = aws.THROTTLED | {"ConcurrentModificationException", "InternalException", "InternalFailure"}


@dataclass(slots=True)
class _Pipelines:
    """What one run knows of the pipelines that it met, by their names in lower case: each is looked up once.

    ``refusals`` has AWS's words where it does not say whether a pipeline exists.
    """

    statuses: dict[str, Status]
    refusals: dict[str, str] = field(default_factory=dict)
    names: list[str] | None = None

    def status(self, spellings: list[str]) -> Status:
        """Look a pipeline up by its known spellings; one that seems gone, by all names that differ in case only.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the request failed, or AWS denied it.

        """
        key = spellings[0].lower()
        if key not in self.statuses:
            status = pipelines.status(spellings)
            if status is Status.GONE:
                self.names = pipelines.listed() if self.names is None else self.names
                status = pipelines.status(pipelines.other_spellings(spellings, self.names))
            self.statuses[key] = status
        return self.statuses[key]

    def refusal(self, spellings: list[str]) -> str | None:
        """Look a pipeline up; say that AWS refuses to, or None."""
        key = spellings[0].lower()
        if key not in self.refusals:
            try:
                self.status(spellings)
            except ClientError as error:
                if aws.is_transient(error):
                    raise
                self.refusals[key] = aws.refusal(error)
        return self.refusals.get(key)


def find_orphans(cleanup: Cleanup, policy: Policy) -> Iterator[Cleanup]:
    """Find the orphans, page by page; stop at more than may be removed.

    Raises:
        Waiting: the deleted pipeline is still being deleted.
        botocore.exceptions.BotoCoreError, ClientError: the request failed; the last clean-up given can go on.

    """
    known = _Pipelines(dict.fromkeys(cleanup.existing, Status.EXISTS))
    deleted = Pipeline(policy.home.account, policy.home.region, cleanup.pipeline) if cleanup.pipeline else None
    if deleted:
        status = known.status([deleted.name])
        if status is Status.DELETING:
            raise Waiting(f"pipeline {deleted} is still being deleted")
        if status is Status.EXISTS:
            yield replace(cleanup, position=None)
            return
    for page in references.pages(policy.home, cleanup.position, deleted):
        cleanup = _with_page(cleanup, page, known, policy)
        if cleanup.too_many(policy.max_removals):
            cleanup = replace(cleanup, position=None, orphans=cleanup.orphans[: policy.max_removals + 1])
        yield cleanup
        if cleanup.position is None:
            return


def _with_page(cleanup: Cleanup, page: Page, known: _Pipelines, policy: Policy) -> Cleanup:
    """Return the clean-up with what a page adds to it."""
    orphans: list[Orphan] = []
    kept = [Kept(unread.what, "", unread.reason) for unread in page.unread]
    for reference in page.references:
        spellings = _spellings(reference.pipeline.name, cleanup)
        reason = elsewhere(reference, policy.home) or known.refusal(spellings)
        if reason is None:
            if known.status(spellings) is not Status.GONE:
                continue
            reason = untouchable(reference, policy) or ownership.owner(reference)
        orphan = Orphan.of(reference)
        if reason is None:
            orphans.append(orphan)
        else:
            kept.append(Kept(str(orphan), orphan.pipeline, reason))
    existing = sorted(name for name, status in known.statuses.items() if status is Status.EXISTS)
    return replace(
        cleanup,
        position=page.after,
        looked_at=cleanup.looked_at + page.looked_at,
        existing=tuple(existing[:MAX_EXISTING]),
        orphans=(*cleanup.orphans, *orphans),
        **cleanup.keep(*kept),
    )


def remove_orphans(cleanup: Cleanup, policy: Policy) -> Iterator[Cleanup]:
    """Remove the orphans, one after another.

    Raises:
        Waiting: a pipeline is being deleted again, or EventBridge did not remove a target.
        botocore.exceptions.BotoCoreError, ClientError: the request failed; the last clean-up given can go on.

    """
    while not cleanup.done(policy.max_removals):
        orphan, *rest = cleanup.orphans
        reason = _remove(orphan, cleanup, policy)
        cleanup = replace(cleanup, orphans=tuple(rest))
        if reason is None:
            cleanup = replace(cleanup, removed=(*cleanup.removed, orphan))
        else:
            cleanup = replace(cleanup, **cleanup.keep(Kept(str(orphan), orphan.pipeline, reason)))
        yield cleanup


def _remove(orphan: Orphan, cleanup: Cleanup, policy: Policy) -> str | None:
    """Remove one orphan; say why not, or None."""
    try:
        if orphan.kind == "schedule":
            return _remove_schedule(orphan, cleanup, policy)
        return _remove_target(orphan, cleanup, policy)
    except Ambiguous as error:
        return str(error)
    except ClientError as error:
        if aws.is_transient(error):
            raise
        return aws.refusal(error)


def _remove_schedule(orphan: Orphan, cleanup: Cleanup, policy: Policy) -> str | None:
    """Remove a schedule; say why not, or None."""
    details = references.schedule(orphan.place, orphan.name)
    if details is None:
        return _removed_by_another(orphan, cleanup, policy)
    if not _still_starts(references.schedule_pipeline(details["Target"], policy.home), orphan, policy):
        return "it now starts something else"
    _take_snapshot(orphan, cleanup, policy, details)
    if reason := _created_again(orphan, cleanup):
        return reason
    references.unless_gone(lambda: aws.scheduler().delete_schedule(GroupName=orphan.place, Name=orphan.name))
    return None


def _remove_target(orphan: Orphan, cleanup: Cleanup, policy: Policy) -> str | None:
    """Remove a rule's target, and the rule when it has no other and the policy says so; say why not, or None."""
    rule = references.rule(orphan.place, orphan.name)
    if rule is None:
        return _removed_by_another(orphan, cleanup, policy)
    targets = {target["Id"]: target for target in references.rule_targets(orphan.place, orphan.name)}
    target = targets.pop(orphan.target, None)
    if target is None:
        if reason := _removed_by_another(orphan, cleanup, policy):
            return reason
    else:
        if not _still_starts(pipelines.parse(target["Arn"], policy.home), orphan, policy):
            return "it now starts something else"
        tags = references.rule_tags(rule)
        if stacks := [tag["Value"] for tag in tags if tag["Key"] == "aws:cloudformation:stack-name"]:
            return ownership.owned_by(stacks[0])
        _take_snapshot(orphan, cleanup, policy, {"rule": rule, "tags": tags, "target": target})
        if reason := _created_again(orphan, cleanup):
            return reason
        if reason := _remove_from_rule(orphan):
            return reason
    if policy.remove_empty_rules and not targets and not _created_again(orphan, cleanup):
        _delete_rule(orphan)
    return None


def _remove_from_rule(orphan: Orphan) -> str | None:
    answer = references.unless_gone(
        lambda: aws.events().remove_targets(Rule=orphan.name, EventBusName=orphan.place, Ids=[orphan.target])
    )
    if answer and answer["FailedEntryCount"]:
        (failed,) = answer["FailedEntries"]
        reason = f"EventBridge did not remove {orphan}: {failed['ErrorCode']}: {failed['ErrorMessage']}"
        if failed["ErrorCode"] in _RETRYABLE:
            raise Waiting(reason)
        return reason
    return None


def _delete_rule(orphan: Orphan) -> None:
    """Delete a rule without targets; when EventBridge refuses (it has a new target, a denial), it stays empty."""
    try:
        references.unless_gone(lambda: aws.events().delete_rule(Name=orphan.name, EventBusName=orphan.place))
    except ClientError as error:
        if aws.is_transient(error):
            raise


def _removed_by_another(orphan: Orphan, cleanup: Cleanup, policy: Policy) -> str | None:
    """Say that somebody else removed it; None when this clean-up did, before a crash."""
    snapshot = snapshots.get(policy.snapshot_table, orphan)
    return None if snapshot and snapshot.cleanup == cleanup.id else "somebody else has removed it"


def _still_starts(pipeline: Pipeline | None, orphan: Orphan, policy: Policy) -> bool:
    before = Pipeline(policy.home.account, policy.home.region, orphan.pipeline)
    return pipeline is not None and pipeline.key == before.key


def _take_snapshot(orphan: Orphan, cleanup: Cleanup, policy: Policy, details: Mapping[str, Any]) -> None:
    kept = {name: value for name, value in details.items() if name != "ResponseMetadata"}
    snapshots.put(policy.snapshot_table, Snapshot(orphan, cleanup.id, int(time.time()), kept), policy.snapshot_days)


def _created_again(orphan: Orphan, cleanup: Cleanup) -> str | None:
    """Look the pipeline up right before a removal: say that it exists again, or None."""
    spellings = _spellings(orphan.pipeline, cleanup)
    since = datetime.fromtimestamp(cleanup.started - CLOCK_SKEW, UTC)
    others = pipelines.other_spellings(spellings, pipelines.listed(CreatedAfter=since))
    match pipelines.status([*others, *spellings]):
        case Status.DELETING:
            raise Waiting(f"pipeline {orphan.pipeline} is being deleted again")
        case Status.EXISTS:
            return f"pipeline {orphan.pipeline} exists again"
    return None


def _spellings(name: str, cleanup: Cleanup) -> list[str]:
    """Return the known spellings of a pipeline's name: a target's, and that of the deletion."""
    deleted = cleanup.pipeline if cleanup.pipeline and cleanup.pipeline.lower() == name.lower() else name
    return list(dict.fromkeys((name, deleted)))
