"""A message of the janitor's queue → what a deleted pipeline left behind is removed, and reported.

A clean-up goes in steps that each begin with a message: first everything is looked at, and the orphans are written into
a message; only then are they removed. So a crash repeats a step, and the report forgets no removal. A clean-up that
takes longer than the function may run, that has to wait or that failed goes on with another message, too.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws, dead_letters
from pipeline_triggers.account.home import Home
from pipeline_triggers.errors import Filtered, Rejected, Waiting
from pipeline_triggers.janitor import claims, cleanups, removal, report
from pipeline_triggers.janitor.cleanups import Cleanup, Policy
from pipeline_triggers.settings import janitor_settings, settings
from pipeline_triggers.sqs import Failures, Message, process_each
from pipeline_triggers.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What a page or a removal may take when AWS answers slowly: it must end before the function's time does.
TIME_FOR_A_STEP = 120  # seconds

# How long a clean-up rests that has to wait, and one that failed: SQS delays no message for longer.
REST, REST_AFTER_FAILURE = 60, 900  # seconds

MAX_FAILURES = 4  # in a row


def handle(batch: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle an SQS batch: begin clean-ups, or go on with them."""

    def work(message: Message) -> None:
        logger.append_keys(message_id=message.id)
        try:
            _work(message, context)
        except Filtered as reason:
            logger.info("nothing to clean up", extra={"reason": str(reason)})
        except Rejected as error:
            _quarantine(message.body, str(error))
        except Exception:
            logger.exception("will be retried")
            raise

    return process_each(batch, work)


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


def _work(message: Message, context: LambdaContext) -> None:
    """Go on with a clean-up until it is done and reported, or a message says how far it is."""
    policy = _policy()
    begun = cleanups.read(message.body, message.id, int(time.time()), policy.home)
    step = removal.find_orphans if begun.position else removal.remove_orphans
    cleanup = begun
    try:
        _claim(begun, message, policy)
        if _was_interrupted_for_too_long(message):
            _give_up(begun, policy, "the function crashed or timed out each time; its log may say why")
            return
        for progress in step(begun, policy):
            cleanup = progress
            if context.get_remaining_time_in_millis() < TIME_FOR_A_STEP * 1000:
                break
        if cleanup.done(policy.max_removals):
            report.publish(cleanup, policy.max_removals)
            claims.claim(policy.snapshot_table, begun.id, begun.step + 1, message.id)
            return
    except (Filtered, Rejected):
        raise
    except Exception as error:
        if isinstance(error, Waiting) or aws.is_transient(error):
            _wait(cleanup, error, policy)
        else:
            _retry(cleanup, error, policy)
        return
    cleanup = replace(cleanup, failures=0)
    if begun.position and not cleanup.position:
        # After the queue's own delay: a pipeline that is being created again exists before anything is removed.
        _send(cleanup)
    else:
        _send(cleanup, delay=0)


def _claim(begun: Cleanup, message: Message, policy: Policy) -> None:
    """Claim a clean-up's step for its message.

    Raises:
        Filtered: another message has claimed it, or an earlier delivery of this one has done it.
        botocore.exceptions.ClientError, BotoCoreError: the table can't be asked now.

    """
    claims.claim(policy.snapshot_table, begun.id, begun.step, message.id)
    is_first = message.receives == 1
    if not is_first and claims.is_claimed(policy.snapshot_table, begun.id, begun.step + 1):
        raise Filtered("an earlier delivery of the message has done this step of the clean-up")


def _was_interrupted_for_too_long(message: Message) -> bool:
    """Whether SQS delivers a message again after so long: no delivery of it has ended, else another one would go on."""
    age = time.time() - message.sent_at
    return message.receives > 1 and age >= settings().give_up_after


def _wait(cleanup: Cleanup, error: Exception, policy: Policy) -> None:
    """Go on after a rest, or give up after too long."""
    now = int(time.time())
    cleanup = replace(cleanup, waits_since=cleanup.waits_since or now, failures=0)
    if now - cleanup.waits_since < settings().give_up_after:
        logger.info("clean-up waits", extra={"reason": str(error), "pipeline": cleanup.pipeline})
        _send(cleanup, delay=REST)
    else:
        _give_up(cleanup, policy, str(error))


def _retry(cleanup: Cleanup, error: Exception, policy: Policy) -> None:
    """Go on after what nobody expects, or give up after it came again and again."""
    logger.exception("clean-up failed", extra={"pipeline": cleanup.pipeline})
    cleanup = replace(cleanup, failures=cleanup.failures + 1)
    if cleanup.failures < MAX_FAILURES:
        _send(cleanup, delay=REST_AFTER_FAILURE)
    else:
        _give_up(cleanup, policy, f"failed {MAX_FAILURES} times: {aws.reason(error)}")


def _give_up(cleanup: Cleanup, policy: Policy, reason: str) -> None:
    """Report what was done, and keep the rest: redriven, it goes on where it is, and may wait as long again."""
    if not cleanup.failures:
        reason = f"not done within {settings().give_up_after // 3600} hours: {reason}"
    try:
        report.publish(cleanup, policy.max_removals)
    except (Waiting, BotoCoreError, ClientError):
        logger.exception("the report was not published; the line above has it")
    _quarantine(_following(replace(cleanup, waits_since=0, failures=0)), reason)


def _following(cleanup: Cleanup) -> str:
    """Write the message of a clean-up's next step."""
    return replace(cleanup, step=cleanup.step + 1).dump()


def _send(cleanup: Cleanup, delay: int | None = None) -> None:
    """Let a clean-up go on with another message, after a delay in seconds or the queue's own."""
    delayed: Any = {} if delay is None else {"DelaySeconds": delay}
    aws.sqs().send_message(QueueUrl=settings().queue_url, MessageBody=_following(cleanup), **delayed)


def _quarantine(body: str, reason: str) -> None:
    logger.warning("clean-up rejected", extra={"reason": reason})
    dead_letters.send(body, reason=reason)
