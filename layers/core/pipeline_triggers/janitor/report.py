"""What a clean-up came to: as a line in the log, counts, an event on the stack's bus, and a message to a topic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws, bus
from pipeline_triggers.janitor.cleanups import Cleanup
from pipeline_triggers.settings import janitor_settings, settings
from pipeline_triggers.telemetry import count, logger

# How many pipelines a report has a restoring command for; without a name, the command lists everything.
MAX_COMMANDS = 20

MAX_PIPELINES = 300  # in a report, which is an event of 256 KB at most

DETAIL_TYPE = "Orphans of SageMaker Pipelines"
MAX_SUBJECT_LENGTH = 100  # of SNS


def publish(cleanup: Cleanup, max_removals: int) -> None:
    """Log and count what a clean-up came to, and where there is something to know, notify.

    Raises:
        Waiting: EventBridge did not take the event.
        botocore.exceptions.BotoCoreError, ClientError: the request failed.

    """
    report = report_of(cleanup, max_removals, settings().stack)
    logger.info("clean-up", extra={"cleanup": report})
    count("ORPHANS_REMOVED", len(cleanup.removed))
    count("ORPHANS_KEPT", cleanup.kept_count)
    if cleanup.removes and cleanup.too_many(max_removals):
        count("TOO_MANY_ORPHANS", 1)
    if cleanup.removed or cleanup.orphans or cleanup.kept:
        text = json.dumps(report, ensure_ascii=False)
        bus.put(DETAIL_TYPE, [json.dumps({**report, "text": _line(report)}, ensure_ascii=False)])
        if topic := janitor_settings().notify:
            _notify(topic, report["summary"], text)


def report_of(cleanup: Cleanup, max_removals: int, stack: str) -> dict[str, Any]:
    """Return what happened in a clean-up, why, and how to take it back."""
    cause = f"pipeline {cleanup.pipeline} was deleted" if cleanup.pipeline else "a sweep"
    return {
        "cleanup": cleanup.id,
        "why": cause,
        "pipeline": cleanup.pipeline,
        "looked_at": cleanup.looked_at,
        "removed": [{"what": str(orphan), "pipeline": orphan.pipeline} for orphan in cleanup.removed],
        "found": [{"what": str(orphan), "pipeline": orphan.pipeline} for orphan in cleanup.orphans],
        "kept": [{"what": kept.what, "pipeline": kept.pipeline, "reason": kept.reason} for kept in cleanup.kept],
        "kept_count": cleanup.kept_count,
        "pipelines": _pipelines(cleanup),
        **_summary(cleanup, cause, max_removals, stack),
    }


def _pipelines(cleanup: Cleanup) -> list[str]:
    """Return the pipelines that the report is about, by which a team's rule chooses it."""
    orphans = {one.pipeline for one in [*cleanup.removed, *cleanup.orphans]}
    return sorted(orphans | {one.pipeline for one in cleanup.kept})[:MAX_PIPELINES]


def _line(report: Mapping[str, Any]) -> str:
    """Return a report in one line."""
    commands = report.get("restore", [])[:1]
    return "; ".join(["clean-up: " + report["summary"], *filter(None, [report.get("remedy")]), *commands])


def _summary(cleanup: Cleanup, cause: str, max_removals: int, stack: str) -> dict[str, Any]:
    """Return the report's ``summary``, and where there is one, its ``remedy`` or the commands that ``restore``."""
    found, removed, kept = len(cleanup.orphans), len(cleanup.removed), cleanup.kept_count
    list_all = f"triggers orphans --stack {stack}"
    if cleanup.too_many(max_removals) and not cleanup.removes:
        return {"summary": f"{cause}: {found} or more found; {list_all} lists all"}
    if cleanup.too_many(max_removals) and not removed:
        remedy = (
            f"if they are really orphans ({list_all} lists them all), remove them with triggers orphans --remove"
            " --most N, or raise JanitorMostRemovals"
        )
        return {"summary": f"{cause}: more than {max_removals} orphans, so nothing was removed", "remedy": remedy}
    if not removed:
        return {"summary": f"{cause}: {found} found, {kept} kept"}
    left = f", {found} left" if found else ""
    return {"summary": f"{cause}: {removed} removed, {kept} kept{left}", "restore": _restore_commands(cleanup, stack)}


def _restore_commands(cleanup: Cleanup, stack: str) -> list[str]:
    names = list(dict.fromkeys(orphan.pipeline for orphan in cleanup.removed))
    commands = [f"triggers restore --stack {stack} --pipeline {name}" for name in names[:MAX_COMMANDS]]
    return [*commands, f"triggers restore --stack {stack}"] if len(names) > MAX_COMMANDS else commands


def _notify(topic: str, summary: str, text: str) -> None:
    try:
        aws.sns(topic.split(":")[3]).publish(TopicArn=topic, Subject=summary[:MAX_SUBJECT_LENGTH], Message=text)
    except (BotoCoreError, ClientError):
        # The event is on the bus. A retry would put it there again, and the topic would fail again.
        logger.exception("notification failed")
        count("NOTIFICATION_FAILED", 1)
