"""A queue message → a verdict for each pipeline that it concerns. Every handler goes this way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.delivery.admission import admitted
from pipeline_triggers.delivery.requests import targets
from pipeline_triggers.errors import Filtered, MaxStarts, Rejected, Waiting
from pipeline_triggers.events.envelope import Arrival
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Outcome, Trigger, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import definition, ledger, start
from pipeline_triggers.starts.start import TimeLeft
from pipeline_triggers.telemetry import count_max_starts, logger, report
from pipeline_triggers.text import printable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What reads a handler's messages: the body and the deployed triggers → what it brings to which trigger.
Read = Callable[[str, Mapping[str, Trigger]], list[Arrival]]

MAX_ATTRIBUTE_LENGTH = 1000
MAX_MESSAGE = 1_048_576  # bytes; SQS

# Below the queue's maxReceiveCount: what SQS itself moves to the dead-letter queue has no reason with it. A failure of
# the last of so many tries is a verdict; so it is when a few more have not come to any end. Waiting is no try.
MOST_TRIES, MOST_BROKEN_OFF = 4, 6

# Seconds that a message waits: twice as long each time, up to the most.
FIRST_WAIT, LONGEST_WAIT = 30, 900

# What must be left of the function's time to begin with a pipeline, and to end with what was begun: the longest that
# a call takes to fail when AWS answers nothing, and the calls that hide a message or quarantine it.
TIME_FOR_A_START = 90  # seconds
TIME_TO_FINISH = 45  # seconds


def handle(batch: dict[str, Any], context: LambdaContext, read: Read) -> PartialItemFailureResponse:
    """Handle an SQS batch; ``read`` reads the handler's kind of message. Only failed messages come back."""

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - TIME_TO_FINISH

    def deliver(record: SQSRecord) -> None:
        logger.append_keys(message_id=record.message_id, trigger=None, event_id=None)
        try:
            tries = _tries(record, time_left)
            _need_time(time_left)
            _conclude(record, _decided(record, read, tries, time_left))
        except Waiting:
            # Without time for it, SQS hides the message for as long as the queue's visibility time-out says.
            if time_left() > 0:
                _hide(record)
            raise
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
    return triggers_json.load(text, current.stage, {"AWS::Region": current.region, "AWS::AccountId": current.account})


@dataclass(slots=True)
class _Decided:
    """What a message has come to so far.

    ``first`` says that it was never received before; ``last``: a failure is a verdict; ``too_old``: so is having to
    wait. ``deployed`` are the triggers that it names and that there are.
    """

    message: str
    first: bool
    last: bool
    too_old: bool
    time_left: TimeLeft
    deployed: set[str] = field(default_factory=set)
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    @contextmanager
    def end(self, known: Mapping[str, Any]) -> Iterator[None]:
        """Take what is raised for how this ends; ``known`` are the verdict's other fields."""
        try:
            yield
        except Filtered as error:
            self.verdicts.append(Verdict(Outcome.FILTERED, reason=str(error), **known))
        except Rejected as error:
            self.verdicts.append(Verdict(Outcome.REJECTED, reason=str(error), **known))
        except Exception as error:
            passes = isinstance(error, Waiting) or aws.passes(error)
            if self.last and not passes:
                logger.exception("given up", extra={"pipeline": known.get("pipeline")})
                reason = f"failed {MOST_TRIES} times: {_named(error)}"
                self.verdicts.append(Verdict(Outcome.REJECTED, reason=reason, **known))
            elif passes or self.too_old:
                self.wait(error, known)
            else:
                self.failures.append(error)

    def wait(self, error: Exception, known: Mapping[str, Any]) -> None:
        """Let it wait, or give it up when it is too old."""
        if isinstance(error, MaxStarts):
            count_max_starts()
        if self.too_old:
            hours = settings().give_up_after // 3600
            reason = f"could not be started within {hours} hours: {_named(error)}"
            self.verdicts.append(Verdict(Outcome.REJECTED, reason=reason, **known))
        else:
            self.verdicts.append(Verdict(Outcome.WAITING, reason=_named(error), **known))


def _tries(record: SQSRecord, time_left: TimeLeft) -> int:
    """Return how often a message was tried, this time included."""
    if int(record.attributes.approximate_receive_count) == 1 or time_left() <= 0:
        return 1
    return 1 + (_counted(ledger.tried, record) or 0)


def _counted(count: Callable[[str], int | None], record: SQSRecord) -> int | None:
    """Count; when that can't be done now, let it be: what is more will fail for the same reason, and wait."""
    try:
        return count(record.message_id)
    except (BotoCoreError, ClientError):
        logger.exception("a try was not counted")
        return None


def _decided(record: SQSRecord, read: Read, tries: int, time_left: TimeLeft) -> _Decided:
    """Decide a message in full: what is retried is decided anew, and so has no final verdict before."""
    age = time.time() - int(record.attributes.sent_timestamp) / 1000
    decided = _Decided(
        message=record.message_id,
        first=int(record.attributes.approximate_receive_count) == 1,
        last=tries >= MOST_TRIES,
        too_old=age >= settings().give_up_after,
        time_left=time_left,
    )
    # What can't be read is called by its message's id.
    with decided.end({"trigger": "unknown", "event_id": record.message_id}):
        if tries > MOST_BROKEN_OFF:
            told = "its log may say why (out of time, out of memory), and its start may have worked"
            raise Rejected(f"the function has come to no end in {MOST_BROKEN_OFF} tries: {told}")
        for arrival in read(record.body, triggers()):
            _decide(arrival, decided)
    if decided.failures:
        raise decided.failures[0]
    return decided


def _decide(arrival: Arrival, decided: _Decided) -> None:
    """Start what the trigger says; every pipeline is tried, though another one fails."""
    known: dict[str, Any] = {"trigger": arrival.trigger, "event_id": arrival.event_id or decided.message}
    logger.append_keys(**known)
    with decided.end(known):
        occurrence = arrival.occurrence()
        known["subject"] = occurrence.subject
        trigger = triggers().get(arrival.trigger)
        if trigger is None:
            # A rule may be newer than the function for a moment; a publisher's word is no rule.
            if decided.first and occurrence.request is None:
                raise Waiting("no deployed document holds this trigger; looked for once more")
            raise Rejected("trigger removed: no deployed document holds it any more")
        decided.deployed.add(trigger.id)
        positions = targets(trigger, occurrence)
        occurrence = admitted(trigger, occurrence)
        for target in positions:
            about = {**known, "pipeline": trigger.start[target].pipeline}
            with decided.end(about):
                _need_time(decided.time_left)
                run = start.plan(trigger, target, occurrence, settings().stack)
                if trigger.dry_run:
                    definition.fit(run.pipeline, run.parameters)
                    decided.verdicts.append(Verdict(Outcome.DRY_RUN, **about))
                else:
                    outcome, execution = start.once(run, trigger, decided.message, decided.time_left)
                    decided.verdicts.append(Verdict(outcome, execution_arn=execution, **about))


def _need_time(time_left: TimeLeft) -> None:
    if time_left() < TIME_FOR_A_START - TIME_TO_FINISH:
        raise Waiting("the function has no time left for it")


def _named(error: Exception) -> str:
    return str(error) if isinstance(error, Waiting) else f"{type(error).__name__}: {error}"


def _conclude(record: SQSRecord, decided: _Decided) -> None:
    """Report the verdicts: none final while one has to wait, and none before a rejected message is safe."""
    if waiting := [verdict for verdict in decided.verdicts if verdict.outcome is Outcome.WAITING]:
        _report(waiting, decided)
        raise Waiting("not all of the message could be started")
    if rejections := [verdict for verdict in decided.verdicts if verdict.outcome is Outcome.REJECTED]:
        _quarantine(record.body, rejections)
    _report(decided.verdicts, decided)


def _report(verdicts: list[Verdict], decided: _Decided) -> None:
    for verdict in verdicts:
        report(verdict, deployed=verdict.trigger in decided.deployed)


def _hide(record: SQSRecord) -> None:
    """Let SQS deliver the message again after a while; this time was no try."""
    _counted(ledger.untried, record)
    times = int(record.attributes.approximate_receive_count)
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(times - 1, 10))
    aws.sqs().change_message_visibility(
        QueueUrl=settings().queue_url,
        ReceiptHandle=record.receipt_handle,
        # Not all at once that had to wait at once.
        VisibilityTimeout=random.randint(longest // 2, longest),  # noqa: S311 - no secret
    )


def _quarantine(body: str, rejections: list[Verdict]) -> None:
    reason = "; ".join(filter(None, (rejection.reason for rejection in rejections)))
    attributes = {"reason": reason, "trigger": rejections[0].trigger, "event_id": rejections[0].event_id}
    # What SQS takes is the body with its attributes.
    room = max(1, min(MAX_ATTRIBUTE_LENGTH, (MAX_MESSAGE - len(body.encode())) // 16))
    aws.sqs().send_message(
        QueueUrl=settings().dead_letter_queue_url,
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": printable(value)[:room]}
            for name, value in attributes.items()
            if value
        },
    )
