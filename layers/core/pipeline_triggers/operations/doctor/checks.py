"""The checks of ``triggers doctor``, most likely cause first: what stops events comes before what only shows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.operations.doctor import events_side, pipeline_side, queue_side
from pipeline_triggers.operations.doctor.deployment import Deployment
from pipeline_triggers.operations.doctor.finding import Finding

Check = Callable[[Deployment], Iterator[tuple[str, str]]]

CHECKS: dict[str, Check] = {
    "bucket": events_side.bucket_is_silent,
    "rule deleted": events_side.rule_is_missing,
    "rule disabled": events_side.rule_is_disabled,
    "rule pattern": events_side.rule_matches_something_else,
    "rule target": events_side.rule_has_other_targets,
    "schedule": events_side.schedule_is_changed,
    "subscription": events_side.subscription_is_changed,
    "queue policy": queue_side.queue_refuses,
    "queue key": queue_side.queue_is_encrypted,
    "topic key": events_side.topic_is_encrypted,
    "bucket key": events_side.bucket_is_encrypted,
    "event source": queue_side.queue_is_not_read,
    "concurrency": queue_side.function_may_not_run,
    "function": queue_side.function_is_changed,
    "grant": queue_side.grant_is_missing,
    "role": queue_side.role_is_changed,
    "pipeline": pipeline_side.pipeline_is_gone,
    "parameters": pipeline_side.parameters_changed,
    "pause": pipeline_side.start_is_paused,
    "max_starts": pipeline_side.max_starts_is_reached,
    "denial": queue_side.call_was_denied,
    "failure": queue_side.function_is_failing,
    "in flight": queue_side.queue_is_full,
    "dead letters": queue_side.messages_are_dead,
    "redrive policy": queue_side.queue_keeps_nothing,
    "documents": pipeline_side.documents_are_newer,
    "schedule over": events_side.schedule_is_over,
    "owners": pipeline_side.two_owners_start_it,
    "trail": pipeline_side.deletions_are_not_seen,
}

# In AWS's own words, where it names what it did not allow.
_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)")


def examine(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is or will be broken, most likely cause first; what could not be looked at comes last.

    Raises:
        botocore.exceptions.BotoCoreError: AWS can't be reached.

    """
    unseen: dict[str, list[str]] = {}
    for cause, check in CHECKS.items():
        try:
            for message, fix in check(deployment):
                yield Finding(cause, message, fix)
        except ClientError as error:
            unseen.setdefault(_missing(error), []).append(cause)
    for missing, causes in unseen.items():
        yield Finding("not looked at", ", ".join(causes), missing, seen=False)


def _missing(error: ClientError) -> str:
    """Say what the operator lacks, or why else AWS did not answer."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code.startswith("AccessDenied") or code in ("AuthorizationError", "403", "UnauthorizedOperation"):
        action = _ACTION.search(message)
        return f"needs {action[1] if action else f'permission to call {error.operation_name}'}"
    return aws.refusal(error)
