"""A message of the janitor's queue → what a deleted pipeline left behind is removed, and reported.

A clean-up goes in steps that each begin with a message: first everything is looked at, and the orphans are written into
a message; only then are they removed. So a crash repeats a step, and the report forgets no removal. A clean-up that
takes longer than the function may run, or that has to wait, goes on with another message, too.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from pipeline_triggers import aws
from pipeline_triggers.account.home import Home
from pipeline_triggers.errors import Filtered, Rejected, Waiting
from pipeline_triggers.janitor import cleanups, removal, report
from pipeline_triggers.janitor.cleanups import Cleanup, Policy
from pipeline_triggers.settings import janitor_settings, settings
from pipeline_triggers.telemetry import logger
from pipeline_triggers.text import printable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What a page or a removal may take when AWS answers slowly: it must end before the function's time does.
TIME_FOR_A_STEP = 120  # seconds

# How long a clean-up rests that has to wait.
REST = 60  # seconds

# Below the queue's maxReceiveCount: SQS itself moves messages to the dead-letter queue without a reason.
LAST_RECEIVE = 4


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


def _policy() -> Policy:
    stack, janitor = settings(), janitor_settings()
    return Policy(
        home=Home(janitor.partition, stack.account, stack.region),
        ignore=janitor.ignore,
        max_removals=janitor.most_removals,
        remove_empty_rules=janitor.remove_empty_rules,
        snapshot_days=janitor.keep_days,
        snapshot_table=janitor.snapshot_table,
    )


def _work(record: SQSRecord, context: LambdaContext) -> None:
    """Go on with a clean-up until it is done and reported, or a message says how far it is."""
    policy = _policy()
    begun = cleanups.read(record.body, record.message_id, int(time.time()), policy.home)
    step = removal.find_orphans if begun.position else removal.remove_orphans
    cleanup = begun
    try:
        for progress in step(begun, policy):
            cleanup = progress
            if context.get_remaining_time_in_millis() < TIME_FOR_A_STEP * 1000:
                break
        if cleanup.done(policy.max_removals):
            report.publish(cleanup, policy.max_removals)
            return
    except Exception as error:
        if not (isinstance(error, Waiting) or aws.passes(error)):
            raise
        _wait(cleanup, error, policy)
        return
    if begun.position and not cleanup.position:
        # After the queue's own delay: a pipeline that is being created again exists before anything is removed.
        _send(cleanup)
    else:
        _send(cleanup, delay=0)


def _wait(cleanup: Cleanup, error: Exception, policy: Policy) -> None:
    """Go on after a rest, or give up after too long."""
    now = int(time.time())
    cleanup = replace(cleanup, waits_since=cleanup.waits_since or now)
    if now - cleanup.waits_since < settings().give_up_after:
        logger.info("clean-up waits", extra={"reason": str(error), "pipeline": cleanup.pipeline})
        _send(cleanup, delay=REST)
        return
    report.publish(cleanup, policy.max_removals)
    # Redriven, it goes on where it is, and may wait as long again.
    hours = settings().give_up_after // 3600
    _quarantine(replace(cleanup, waits_since=0).dump(), f"not done within {hours} hours of waiting: {error}")


def _send(cleanup: Cleanup, delay: int | None = None) -> None:
    """Let a clean-up go on with another message, after a delay in seconds or the queue's own."""
    delayed: Any = {} if delay is None else {"DelaySeconds": delay}
    aws.sqs().send_message(QueueUrl=settings().queue_url, MessageBody=cleanup.dump(), **delayed)


def _quarantine(body: str, reason: str) -> None:
    logger.warning("clean-up rejected", extra={"reason": reason})
    attributes: Any = {"reason": {"DataType": "String", "StringValue": printable(reason)[:1000]}}
    aws.sqs().send_message(QueueUrl=settings().dead_letter_queue_url, MessageBody=body, MessageAttributes=attributes)
