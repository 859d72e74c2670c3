"""The calls of a clean-up: what points at pipelines that are gone is found, and then removed, one after another.

Whether a pipeline is gone is asked when it is first met, and again right before each removal. Nothing is removed that
no snapshot is kept of. What was removed before a crash is recognised by its snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import references
from pipeline_triggers.account.references import Pipeline
from pipeline_triggers.errors import Waiting
from pipeline_triggers.janitor import snapshots
from pipeline_triggers.janitor.cleanups import MOST_THERE, Cleanup, Kept, Orphan, Terms, elsewhere, orphan, untouchable
from pipeline_triggers.janitor.snapshots import Snapshot

# Clocks differ: a pipeline that was created again is looked for from somewhat before the clean-up on.
CLOCK_SKEW = 300  # seconds

# What CloudFormation calls the things that it made, and those of their states in which they are nobody's any more.
_TYPES = {"schedule": "AWS::Scheduler::Schedule", "rule": "AWS::Events::Rule"}
_NOT_OWNED = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})

# How many of a stack's resources DescribeStackResources names; of more it says nothing.
NAMED_OF_A_STACK = 100


# With what RemoveTargets answers for a target that it may remove later.
_PASSING = aws.RATES | {"ConcurrentModificationException", "InternalException", "InternalFailure"}


class Status(Enum):
    """What SageMaker knows of a pipeline."""

    THERE = "there"
    DELETING = "being deleted"
    GONE = "gone"


@dataclass(slots=True)
class _Look:
    """What one run remembers of the pipelines that it met, by their names in lower case."""

    statuses: dict[str, Status]
    listed: list[str] | None = None

    def status(self, names: Iterable[str]) -> Status:
        """Ask for a pipeline by the names that are known of it, once; for those that are gone, look at all names."""
        names = list(names)
        key = names[0].lower()
        if key not in self.statuses:
            status = _described(names)
            if status is Status.GONE:
                self.listed = _listed() if self.listed is None else self.listed
                status = _described(_other_spellings(names, self.listed))
            self.statuses[key] = status
        return self.statuses[key]


def look(cleanup: Cleanup, terms: Terms) -> Iterator[Cleanup]:
    """Find the orphans, page by page; stop at more than may be removed.

    Raises:
        Waiting: the deleted pipeline is still being deleted.
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked; the last clean-up given can go on.

    """
    seen = _Look(dict.fromkeys(cleanup.there, Status.THERE))
    wanted = Pipeline(terms.home.account, terms.home.region, cleanup.pipeline) if cleanup.pipeline else None
    if wanted:
        status = seen.status([wanted.name])
        if status is Status.DELETING:
            raise Waiting(f"pipeline {wanted} is still being deleted")
        if status is Status.THERE:
            yield replace(cleanup, position=None)
            return
    for page in references.pages(terms.home, cleanup.position, wanted):
        orphans: list[Orphan] = []
        kept = [Kept(one.what, "", _refused(one.error)) for one in page.unread]
        for pointer in page.pointers:
            reason = elsewhere(pointer, terms.home)
            if not reason and seen.status(_names(pointer.pipeline.name, cleanup)) is not Status.GONE:
                continue
            found = orphan(pointer)
            if reason := reason or untouchable(pointer, terms) or owner(found):
                kept.append(Kept(str(found), found.pipeline, reason))
            else:
                orphans.append(found)
        there = sorted(name for name, status in seen.statuses.items() if status is Status.THERE)
        cleanup = replace(
            cleanup,
            position=page.after,
            looked_at=cleanup.looked_at + page.looked_at,
            there=tuple(there[:MOST_THERE]),
            orphans=(*cleanup.orphans, *orphans),
            **cleanup.keep(*kept),
        )
        if cleanup.too_many(terms.most):
            cleanup = replace(cleanup, position=None, orphans=cleanup.orphans[: terms.most + 1])
        yield cleanup
        if cleanup.position is None:
            return


def remove(cleanup: Cleanup, terms: Terms) -> Iterator[Cleanup]:
    """Remove the orphans that were found, one after another.

    Raises:
        Waiting: a pipeline is being deleted again, or EventBridge did not remove a target.
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked; the last clean-up given can go on.

    """
    while not cleanup.done(terms.most):
        first, *rest = cleanup.orphans
        reason = _remove(first, cleanup, terms)
        cleanup = replace(cleanup, orphans=tuple(rest))
        if reason is None:
            cleanup = replace(cleanup, removed=(*cleanup.removed, first))
        else:
            cleanup = replace(cleanup, **cleanup.keep(Kept(str(first), first.pipeline, reason)))
        yield cleanup


def _remove(found: Orphan, cleanup: Cleanup, terms: Terms) -> str | None:
    """Remove one orphan; say why not, or None. What AWS refuses of this one holds up no other."""
    try:
        if found.kind == "schedule":
            return _remove_schedule(found, cleanup, terms)
        return _remove_target(found, cleanup, terms)
    except ClientError as error:
        if aws.passes(error):
            raise
        return _refused(error)


def _refused(error: ClientError) -> str:
    return f"AWS refuses: {error}"[:300]


def _remove_schedule(found: Orphan, cleanup: Cleanup, terms: Terms) -> str | None:
    """Remove a schedule; say why not, or None."""
    was = references.schedule(found.place, found.name)
    if was is None:
        return _gone_before(found, cleanup, terms)
    if not _still(references.schedule_pipeline(was["Target"], terms.home), found, terms):
        return "it starts something else by now"
    _snap(found, cleanup, terms, was)
    if reason := _came_back(found, cleanup):
        return reason
    _unless_gone(lambda: aws.scheduler().delete_schedule(GroupName=found.place, Name=found.name))
    return None


def _remove_target(found: Orphan, cleanup: Cleanup, terms: Terms) -> str | None:
    """Remove a rule's target, and the rule when it has no other and the terms say so; say why not, or None."""
    described = references.rule(found.place, found.name)
    if described is None:
        return _gone_before(found, cleanup, terms)
    targets = {target["Id"]: target for target in references.rule_targets(found.place, found.name)}
    target = targets.pop(found.target, None)
    if target is None:
        if reason := _gone_before(found, cleanup, terms):
            return reason
    else:
        if not _still(references.pipeline(target["Arn"], terms.home), found, terms):
            return "it starts something else by now"
        tags = aws.events().list_tags_for_resource(ResourceARN=described["Arn"])["Tags"]
        if stacks := [tag["Value"] for tag in tags if tag["Key"] == "aws:cloudformation:stack-name"]:
            return _owned_by(stacks[0])
        _snap(found, cleanup, terms, {"rule": described, "tags": tags, "target": target})
        if reason := _came_back(found, cleanup):
            return reason
        if reason := _remove_from_rule(found):
            return reason
    if terms.remove_empty_rules and not targets and not _came_back(found, cleanup):
        _delete_rule(found)
    return None


def _remove_from_rule(found: Orphan) -> str | None:
    answer = _unless_gone(
        lambda: aws.events().remove_targets(Rule=found.name, EventBusName=found.place, Ids=[found.target])
    )
    if answer and answer["FailedEntryCount"]:
        (failed,) = answer["FailedEntries"]
        why = f"{found} was not removed: {failed['ErrorCode']}: {failed['ErrorMessage']}"
        if failed["ErrorCode"] in _PASSING:
            raise Waiting(why)
        return why
    return None


def _delete_rule(found: Orphan) -> None:
    """Delete a rule without targets; when EventBridge refuses (it has got one since, a denial), it stays, and empty."""
    try:
        _unless_gone(lambda: aws.events().delete_rule(Name=found.name, EventBusName=found.place))
    except ClientError as error:
        if aws.passes(error):
            raise


def _gone_before(found: Orphan, cleanup: Cleanup, terms: Terms) -> str | None:
    """Say that somebody else removed it; None when this clean-up did, and broke off."""
    snapshot = snapshots.get(terms.table, found)
    return None if snapshot and snapshot.cleanup == cleanup.id else "somebody else has removed it"


def _still(pipeline: Pipeline | None, found: Orphan, terms: Terms) -> bool:
    wanted = Pipeline(terms.home.account, terms.home.region, found.pipeline)
    return pipeline is not None and pipeline.key == wanted.key


def _snap(found: Orphan, cleanup: Cleanup, terms: Terms, was: Mapping[str, Any]) -> None:
    kept = {name: value for name, value in was.items() if name != "ResponseMetadata"}
    snapshots.put(terms.table, Snapshot(found, cleanup.id, int(time.time()), kept), terms.keep_days)


def _came_back(found: Orphan, cleanup: Cleanup) -> str | None:
    """Ask for the pipeline right before a removal: say that it is there again, or None."""
    names = _names(found.pipeline, cleanup)
    created = datetime.fromtimestamp(cleanup.started - CLOCK_SKEW, UTC)
    others = _other_spellings(names, _listed(CreatedAfter=created))
    match _described([*others, *names]):
        case Status.DELETING:
            raise Waiting(f"pipeline {found.pipeline} is being deleted again")
        case Status.THERE:
            return f"pipeline {found.pipeline} is there again"
    return None


def gone(name: str) -> bool:
    """Whether SageMaker knows no pipeline of this name."""
    return _described([name]) is Status.GONE


def _names(name: str, cleanup: Cleanup) -> list[str]:
    """Return the spellings that are known of a pipeline's name: a target's, and that of who deleted it."""
    known = cleanup.pipeline if cleanup.pipeline and cleanup.pipeline.lower() == name.lower() else name
    return list(dict.fromkeys((name, known)))


def _described(names: Iterable[str]) -> Status:
    """Ask SageMaker for a pipeline. Only its own word that there is none means that it is gone."""
    for name in names:
        try:
            answer = aws.patient_sagemaker().describe_pipeline(PipelineName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
        else:
            return Status.DELETING if answer.get("PipelineStatus") == "Deleting" else Status.THERE
    return Status.GONE


def _listed(**arguments: Any) -> list[str]:
    paginator = aws.patient_sagemaker().get_paginator("list_pipelines")
    pages = paginator.paginate(**arguments, PaginationConfig={"PageSize": 100})
    return [found["PipelineName"] for page in pages for found in page["PipelineSummaries"]]


def _other_spellings(names: list[str], listed: Iterable[str]) -> list[str]:
    """Return the pipelines' names that differ from these by their letters' case only.

    SageMaker writes names in ARNs in lower case: behind a target that says train, there may be a pipeline Train.
    """
    return [name for name in listed if name.lower() == names[0].lower() and name not in names]


def owner(found: Orphan) -> str | None:
    """Say which stack of CloudFormation a thing belongs to, or None. Schedules have no tags that would tell."""
    names = [found.name]
    if found.kind == "rule" and found.place != "default":
        names.append(f"{found.place}|{found.name}")
    for name in names:
        try:
            resources = aws.cloudformation().describe_stack_resources(PhysicalResourceId=name)["StackResources"]
        except ClientError as error:
            details = error.response["Error"]
            if details["Code"] == "ValidationError" and "does not exist" in details["Message"]:
                continue
            if aws.passes(error):
                raise
            return _refused(error)
        # It answers with the whole stack, deleted ones too; a pipeline's physical id may be the schedule's name.
        for resource in resources:
            same = (resource.get("PhysicalResourceId"), resource["ResourceType"]) == (name, _TYPES[found.kind])
            if same and resource["ResourceStatus"] not in _NOT_OWNED:
                return _owned_by(resource["StackName"])
        if len(resources) >= NAMED_OF_A_STACK:
            return f"it may belong to the stack {resources[0]['StackName']}, which is too large to tell"
    return None


def _owned_by(stack: str) -> str:
    return f"it belongs to the stack {stack}: remove it there"


def _unless_gone(call: Any) -> Any:
    """Make a call that removes something; that it is gone already is as good."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
