"""A message of the janitor's queue → what a deleted pipeline leaves behind is removed, and told.

A clean-up goes in steps that each begin with a message: first everything is looked at, and what was found is written
into a message; only then is it removed. So a crash repeats a step, and no removal is forgotten when it is told. What
takes longer than a function may run, and what has to wait, goes on with a message, too.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.account.references import Home
from pipeline_triggers.errors import Filtered, Rejected, Waiting
from pipeline_triggers.janitor import cleanups, removal
from pipeline_triggers.janitor.cleanups import Cleanup, Terms
from pipeline_triggers.settings import janitor_settings, settings
from pipeline_triggers.telemetry import count, logger
from pipeline_triggers.text import printable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What a page or a removal may take when AWS answers slowly: what begins must end before the function does.
TIME_FOR_A_STEP = 120  # seconds

# How long a clean-up rests that has to wait.
REST = 60  # seconds

# Below the queue's maxReceiveCount: what SQS itself moves to the dead-letter queue has no reason with it.
LAST_RECEIVE = 4

# How many commands that restore a pipeline's are told; without a name, the command lists everything.
MOST_COMMANDS = 20

SOURCE = "pipeline-triggers"


def handle(batch: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Handle an SQS batch: begin clean-ups, or go on with them."""

    def work(record: SQSRecord) -> None:
        logger.append_keys(message_id=record.message_id)
        try:
            _work(record, context)
        except Filtered as reason:
            logger.info("nothing to clean up", extra={"reason": str(reason)})
        except Rejected as error:
            _quarantine(record.body, str(error))
        except Exception as error:
            logger.exception("clean-up failed")
            if int(record.attributes.approximate_receive_count) < LAST_RECEIVE:
                raise
            _quarantine(record.body, f"failed {LAST_RECEIVE} times: {type(error).__name__}: {error}")

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=batch, record_handler=work, processor=processor, context=context)


def terms() -> Terms:
    """Return how the stack's parameters want it."""
    current, own = settings(), janitor_settings()
    return Terms(
        Home(own.partition, current.account, current.region),
        own.ignore,
        own.most_removals,
        own.remove_empty_rules,
        own.keep_days,
        own.snapshot_table,
    )


def _work(record: SQSRecord, context: LambdaContext) -> None:
    """Go on with a clean-up until it is done and told, or its message says how far it is."""
    wanted = terms()
    begun = cleanups.read(record.body, record.message_id, int(time.time()), wanted.home)
    step = removal.look if begun.position else removal.remove
    cleanup = begun
    delay: Any = {"DelaySeconds": 0}
    try:
        for progress in step(begun, wanted):
            cleanup = progress
            if context.get_remaining_time_in_millis() < TIME_FOR_A_STEP * 1000:
                break
        if cleanup.done(wanted.most):
            _tell(cleanup, wanted)
            return
    except Exception as error:
        if not (isinstance(error, Waiting) or aws.passes(error)):
            raise
        now = int(time.time())
        cleanup = replace(cleanup, waits_since=cleanup.waits_since or now)
        if now - cleanup.waits_since >= settings().give_up_after:
            _tell(cleanup, wanted)
            # Sent again, it goes on where it is, and has all its time to wait.
            hours = settings().give_up_after // 3600
            _quarantine(
                replace(cleanup, waits_since=0).dump(), f"could not be done within {hours} hours of waiting: {error}"
            )
            return
        logger.info("clean-up waits", extra={"reason": str(error), "pipeline": cleanup.pipeline})
        delay = {"DelaySeconds": REST}
    if begun.position and not cleanup.position:
        # The queue's own delay, so that a pipeline that is being made again is there before anything is removed.
        delay = {}
    aws.sqs().send_message(QueueUrl=settings().queue_url, MessageBody=cleanup.dump(), **delay)


def _tell(cleanup: Cleanup, wanted: Terms) -> None:
    """Log what a clean-up came to, count it, and where there is something to know, notify."""
    told = account_of(cleanup, wanted.most, settings().stack)
    logger.info("clean-up", extra={"cleanup": told})
    count("ORPHANS_REMOVED", len(cleanup.removed))
    count("ORPHANS_KEPT", cleanup.kept_count)
    if cleanup.removes and cleanup.too_many(wanted.most):
        count("TOO_MANY_ORPHANS", 1)
    if not (cleanup.removed or cleanup.orphans or cleanup.kept):
        return
    text = json.dumps(told, ensure_ascii=False)
    answer = aws.events().put_events(
        Entries=[
            {
                "EventBusName": janitor_settings().event_bus,
                "Source": SOURCE,
                "DetailType": "Orphans of SageMaker Pipelines",
                "Detail": text,
            }
        ]
    )
    if answer["FailedEntryCount"]:
        (failed,) = answer["Entries"]
        raise Waiting(f"the event could not be put: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
    if topic := janitor_settings().notify:
        try:
            aws.sns(topic.split(":")[3]).publish(TopicArn=topic, Subject=told["summary"][:100], Message=text)
        except (BotoCoreError, ClientError):
            # The event has told it; told again with it, the topic would hear no more, and the bus the same.
            logger.exception("the topic could not be told")
            count("NOTIFICATION_FAILED", 1)


def account_of(cleanup: Cleanup, most: int, stack: str) -> dict[str, Any]:
    """Return what happened in a clean-up, why, and how it is taken back."""
    about = f"pipeline {cleanup.pipeline} was deleted" if cleanup.pipeline else "a sweep"
    told: dict[str, Any] = {"cleanup": cleanup.id, "why": about, "pipeline": cleanup.pipeline}
    told |= {"looked_at": cleanup.looked_at, "removed": [], "found": [], "kept": [], "kept_count": cleanup.kept_count}
    for name, some in (("removed", cleanup.removed), ("found", cleanup.orphans)):
        told[name] = [{"what": str(one), "pipeline": one.pipeline} for one in some]
    told["kept"] = [{"what": one.what, "pipeline": one.pipeline, "reason": one.reason} for one in cleanup.kept]
    if cleanup.too_many(most) and not cleanup.removes:
        told["summary"] = f"{about}: {len(cleanup.orphans)} or more found; triggers orphans --stack {stack} lists all"
    elif cleanup.too_many(most) and not cleanup.removed:
        told["summary"] = f"{about}: more than {most} orphans, so nothing was removed"
        told["remedy"] = (
            f"if they are orphans indeed (triggers orphans --stack {stack} lists them all), remove them with"
            f" triggers orphans --remove --most N, or raise JanitorMostRemovals"
        )
    elif cleanup.removed:
        left = f", {len(cleanup.orphans)} left" if cleanup.orphans else ""
        told["summary"] = f"{about}: {len(cleanup.removed)} removed, {cleanup.kept_count} kept{left}"
        pipelines = list(dict.fromkeys(one.pipeline for one in cleanup.removed))
        told["restore"] = [f"triggers restore --stack {stack} --pipeline {name}" for name in pipelines[:MOST_COMMANDS]]
        if len(pipelines) > MOST_COMMANDS:
            told["restore"].append(f"triggers restore --stack {stack}")
    else:
        told["summary"] = f"{about}: {len(cleanup.orphans)} found, {cleanup.kept_count} kept"
    return told


def _quarantine(body: str, reason: str) -> None:
    logger.warning("clean-up rejected", extra={"reason": reason})
    attributes: Any = {"reason": {"DataType": "String", "StringValue": printable(reason)[:1000]}}
    aws.sqs().send_message(QueueUrl=settings().dead_letter_queue_url, MessageBody=body, MessageAttributes=attributes)
