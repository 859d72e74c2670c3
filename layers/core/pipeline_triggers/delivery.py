"""A queue message → a verdict for each pipeline that it concerns. Every handler goes this way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from pipeline_triggers import aws, catalog, definition, events, start
from pipeline_triggers.conditions import unmet
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Occurrence, Outcome, Trigger, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.verdicts import logger, report

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

Parse = Callable[[Mapping[str, Any]], Occurrence]

MAX_REASON_LENGTH = 1000

# Below the queue's maxReceiveCount: what SQS itself moves to the dead-letter queue has no reason with it.
LAST_RECEIVE = 4


def handle(batch: dict[str, Any], context: LambdaContext, parse: Parse) -> PartialItemFailureResponse:
    """Handle an SQS batch; ``parse`` reads the handler's kind of event. Only failed messages come back."""

    def deliver(record: SQSRecord) -> None:
        logger.append_keys(message_id=record.message_id, trigger=None, event_id=None)
        last = int(record.attributes.approximate_receive_count) >= LAST_RECEIVE
        try:
            _conclude(record.body, _verdicts(record.body, parse, last=last))
        except Exception:
            logger.exception("will be retried")
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=batch, record_handler=deliver, processor=processor, context=context)


@cache
def triggers() -> dict[str, Trigger]:
    """Return the triggers that this function was deployed with, read once per execution environment."""
    current = settings()
    # The triggers layer holds them as a package's data, so that they are found wherever layers are mounted.
    text = resources.files("compiled_triggers").joinpath("triggers.json").read_text(encoding="utf-8")
    return catalog.load(text, current.stage, {"AWS::Region": current.region, "AWS::AccountId": current.account})


def _verdicts(body: str, parse: Parse, *, last: bool) -> list[Verdict]:
    """Decide a message in full: what is retried is decided anew, and so has no verdict before."""
    try:
        return list(_decide(body, parse, last=last))
    except Exception as error:
        if not last:
            raise
        logger.exception("given up")
        message = events.message(body)
        return [Verdict(Outcome.REJECTED, message.trigger, message.event_id, reason=_failed(error))]


def _decide(body: str, parse: Parse, *, last: bool) -> Iterator[Verdict]:
    try:
        message = events.message(body)
    except Rejected as error:
        yield Verdict(Outcome.REJECTED, trigger="unknown", event_id="unknown", reason=str(error))
        return
    logger.append_keys(trigger=message.trigger, event_id=message.event_id)
    verdict = partial(Verdict, trigger=message.trigger, event_id=message.event_id)
    try:
        occurrence = parse(message.event)
        verdict = partial(verdict, subject=occurrence.subject)
        trigger = triggers().get(message.trigger)
        if trigger is None:
            raise Rejected("trigger removed: no deployed document holds it any more")
        reason = unmet(trigger, occurrence)
    except Rejected as error:
        yield verdict(Outcome.REJECTED, reason=str(error))
        return
    if reason:
        yield verdict(Outcome.FILTERED, reason=reason)
        return
    yield from _start_all(trigger, occurrence, verdict, last=last)


def _start_all(
    trigger: Trigger, occurrence: Occurrence, verdict: Callable[..., Verdict], *, last: bool
) -> Iterator[Verdict]:
    """Try every pipeline, though another one fails; a failure is raised at the end, and told the last time."""
    failures = []
    for target, wanted in enumerate(trigger.start):
        try:
            run = start.plan(trigger, target, occurrence, settings().stack)
            if trigger.dry_run:
                definition.fit(run.pipeline, run.parameters)
                yield verdict(Outcome.DRY_RUN, pipeline=wanted.pipeline)
            else:
                yield verdict(Outcome.STARTED, pipeline=wanted.pipeline, execution_arn=start.execute(run))
        except Rejected as error:
            yield verdict(Outcome.REJECTED, pipeline=wanted.pipeline, reason=str(error))
        except Exception as error:
            if last:
                logger.exception("given up", extra={"pipeline": wanted.pipeline})
                yield verdict(Outcome.REJECTED, pipeline=wanted.pipeline, reason=_failed(error))
            else:
                failures.append(error)
    if failures:
        raise failures[0]


def _failed(error: Exception) -> str:
    return f"failed {LAST_RECEIVE} times: {type(error).__name__}: {error}"


def _conclude(body: str, verdicts: list[Verdict]) -> None:
    """Quarantine a message with rejections, once, and report the verdicts: none before its message is safe."""
    if rejections := [verdict for verdict in verdicts if verdict.outcome is Outcome.REJECTED]:
        _quarantine(body, rejections)
    for verdict in verdicts:
        report(verdict)


def _quarantine(body: str, rejections: list[Verdict]) -> None:
    reason = "; ".join(filter(None, (rejection.reason for rejection in rejections)))
    attributes = {"reason": reason, "trigger": rejections[0].trigger, "event_id": rejections[0].event_id}
    aws.sqs().send_message(
        QueueUrl=settings().dead_letter_queue_url,
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": _printable(value)[:MAX_REASON_LENGTH]}
            for name, value in attributes.items()
            if value
        },
    )


def _printable(text: str) -> str:
    """Escape what SQS refuses in an attribute, such as control characters and lone surrogates."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
