"""Dead-letter queues → the handlers' queues: every shape of message, and nothing else."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from pipeline_triggers import aws
from pipeline_triggers.cli import main
from pipeline_triggers.operations import redrive, stacks
from pipeline_triggers.operations.redrive import DeadLetter
from pipeline_triggers.operations.stacks import Stack

EVENT = {"id": "e-1", "detail": {"object": {"key": 'a "key" with <aws.events.event.json>'}}}
BODY = json.dumps({"trigger": "team/one", "event": EVENT})
RULE = "arn:aws:events:eu-central-1:123456789012:rule/{}"
TARGET = "arn:aws:sqs:eu-central-1:123456789012:queue"
REQUEST = json.dumps({"trigger": "team/requests", "pipeline": "train"})
SCHEDULE = '{"trigger": "team/nightly", "event": {"id": "<aws.scheduler.execution-id>", "time": "<aws.scheduler.scheduled-time>"}}'  # noqa: E501


DOCUMENT = """\
version: 1
owner: team
pipelines: [train]
triggers:
  one:
    when: {s3: {bucket: raw}}
    start: train
"""


@dataclass
class Queues:
    """The queues of one handler in moto, as the commands find them."""

    sqs: Any
    stack: Stack

    def dead(self, body: str, **attributes: str) -> None:
        """Put a message into the dead-letter queue."""
        self.sqs.send_message(
            QueueUrl=self.stack.resources["OnEventDeadLetterQueue"],
            MessageBody=body,
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
        )

    def left(self, name: str = "OnEventDeadLetterQueue") -> list[str]:
        """Return the bodies of the messages that can be received from a queue."""
        answer = self.sqs.receive_message(QueueUrl=self.stack.resources[name], MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def sent(self) -> list[str]:
        """Return the bodies that were sent to the handler."""
        return self.left("OnEventQueue")


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch, empty_account: None) -> Queues:  # noqa: ARG001 - they are in it
    """A handler's queues, and a rule on each of two buses that sends to it."""
    redrive._templates.cache_clear()
    sqs, events = boto3.client("sqs"), boto3.client("events")
    names = ("OnEventQueue", "OnEventDeadLetterQueue")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    events.create_event_bus(Name="orders")
    template = '{"trigger": "team/one", "event": <aws.events.event.json>}'
    for bus in ("default", "orders"):
        events.put_rule(Name="one", EventBusName=bus, EventPattern="{}")
        targets = [{"Id": "queue", "Arn": TARGET, "InputTransformer": {"InputTemplate": template}}]
        events.put_targets(Rule="one", EventBusName=bus, Targets=targets)  # type: ignore[arg-type]
    stack = Stack("stack", {}, {**urls, "OnEventFunction": "function"})
    monkeypatch.setattr(stacks, "stack", lambda _: stack)
    monkeypatch.setattr(redrive, "WAIT", 0)
    return Queues(sqs, stack)


def everything(_: DeadLetter) -> bool:
    """Want all."""
    return True


FAILED = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "denied"}
GIVEN_UP = {"reason": "no such parameter", "trigger": "team/one", "event_id": "e-1"}
SCHEDULED = {
    "SCHEDULE_ARN": "arn:aws:scheduler:eu-central-1:123456789012:schedule/group/nightly",
    "SCHEDULED_TIME": "2026-11-21T02:00:00Z",
    "EXECUTION_ID": "x-1",
    **FAILED,
}


@pytest.mark.parametrize(
    ("attributes", "dead", "sent", "trigger", "reason"),
    [
        (GIVEN_UP, BODY, BODY, "team/one", "no such parameter"),
        ({**GIVEN_UP, "trigger": "unknown"}, BODY, BODY, "team/one", "no such parameter"),
        (GIVEN_UP, "no {json", "no {json", "team/one", "no such parameter"),
        ({}, BODY, BODY, "team/one", ""),
        ({}, "[" * 9000, "[" * 9000, "", ""),
        ({"RULE_ARN": RULE.format("one"), "TARGET_ARN": TARGET, **FAILED}, json.dumps(EVENT), BODY, "team/one",
         "NO_PERMISSIONS: denied"),
        ({"RULE_ARN": RULE.format("orders/one"), "TARGET_ARN": TARGET, **FAILED}, json.dumps(EVENT), BODY, "team/one",
         "NO_PERMISSIONS: denied"),
        (SCHEDULED, SCHEDULE, '{"trigger": "team/nightly", "event": {"id": "x-1", "time": "2026-11-21T02:00:00Z"}}',
         "team/nightly", "NO_PERMISSIONS: denied"),
        (SCHEDULED, BODY, BODY, "team/one", "NO_PERMISSIONS: denied"),
        ({}, json.dumps({"Type": "Notification", "Message": REQUEST}),
         json.dumps({"Type": "Notification", "Message": REQUEST}), "team/requests", ""),
        ({}, json.dumps({"Type": "Notification", "Message": "text"}),
         json.dumps({"Type": "Notification", "Message": "text"}), "", ""),
    ],
    ids=["handler", "handler that broke off", "handler, unreadable", "SQS itself", "SQS itself, unreadable", "rule",
         "rule of another bus", "Scheduler", "Scheduler, filled in", "SNS request", "SNS text"],
)  # fmt: skip
def test_every_shape_is_sent_as_its_handler_reads_it(
    queues: Queues, attributes: dict[str, str], dead: str, sent: str, trigger: str, reason: str
) -> None:
    """What could not be delivered is made what would have been delivered; the rest goes back as it came."""
    queues.dead(dead, **attributes)
    assert list(redrive.redrive(queues.stack, everything, dry_run=False)) == [DeadLetter("OnEvent", trigger, reason)]
    assert queues.sent() == [sent]
    assert queues.left() == []


PIPELINE = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train"


@pytest.mark.parametrize(
    ("attributes", "left"),
    [
        ({"RULE_ARN": RULE.format("gone"), "TARGET_ARN": TARGET},
         f"{RULE.format('gone')} is gone, so its trigger is unknown; use triggers run with the event"),
        ({"RULE_ARN": RULE.format("one"), "TARGET_ARN": PIPELINE},
         f"it was to start {PIPELINE} directly, without a handler; start that pipeline yourself"),
        ({**SCHEDULED, "TARGET_ARN": PIPELINE},
         f"it was to start {PIPELINE} directly, without a handler; start that pipeline yourself"),
    ],
    ids=["rule that is gone", "direct rule", "direct schedule"],
)  # fmt: skip
def test_unreadable_letters_stay_with_a_reason(queues: Queues, attributes: dict[str, str], left: str) -> None:
    """Nobody can say any more what it would have been, or it never was to pass a handler."""
    queues.dead(json.dumps(EVENT), **FAILED | attributes)
    (letter,) = redrive.redrive(queues.stack, everything, dry_run=False)
    assert letter.left == left
    assert queues.sent() == []
    assert queues.left() == [json.dumps(EVENT)]


def test_a_dry_run_and_unmatched_letters_change_nothing(queues: Queues) -> None:
    """All is still there, and can be received at once."""
    queues.dead(BODY, **GIVEN_UP)
    queues.dead("other", reason="other", trigger="team/other")
    letters = list(redrive.redrive(queues.stack, lambda letter: letter.trigger == "team/one", dry_run=True))
    assert [letter.trigger for letter in letters] == ["team/one"]
    assert list(redrive.redrive(queues.stack, lambda _: False, dry_run=False)) == []
    assert sorted(queues.left()) == sorted([BODY, "other"])
    assert queues.sent() == []


def test_letters_that_come_back_meanwhile_stay(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler may reject a message again before the queue is read to its end."""
    monkeypatch.setattr(time, "time", lambda: 0.0)
    queues.dead(BODY, **GIVEN_UP)
    (letter,) = redrive.redrive(queues.stack, everything, dry_run=False)
    assert letter.left == "it arrived while this ran; run this again"
    assert (queues.sent(), queues.left()) == ([], [BODY])


def test_an_interrupted_redrive_loses_nothing(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is deleted only after it was sent."""
    queues.dead(BODY, **GIVEN_UP)

    def refuse(**_: str) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(aws.sqs(), "send_message", refuse)
    with pytest.raises(ConnectionError):
        list(redrive.redrive(queues.stack, everything, dry_run=False))
    there = queues.sqs.get_queue_attributes(
        QueueUrl=queues.stack.resources["OnEventDeadLetterQueue"], AttributeNames=["All"]
    )["Attributes"]
    assert there["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_letters_that_sqs_refuses_hold_up_no_others(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays, with what SQS said."""
    send = aws.sqs().send_message
    error = {"Code": "InvalidParameterValue", "Message": "too long"}
    refused: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    def choosy(**call: Any) -> Any:
        if call["MessageBody"] == "long":
            raise ClientError(refused, "SendMessage")
        return send(**call)

    monkeypatch.setattr(aws.sqs(), "send_message", choosy)
    for body in ("long", BODY, "long", BODY):
        queues.dead(body, **GIVEN_UP)
    reasons = [letter.left for letter in redrive.redrive(queues.stack, everything, dry_run=False)]
    assert sorted(bool(left) for left in reasons) == [False, False, True, True]
    assert all("too long" in left for left in reasons if left)
    assert (queues.sent(), queues.left()) == ([BODY, BODY], ["long", "long"])


def test_expired_receipts_are_not_a_failure(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """After hours its receipt is worth nothing any more; all was done by then."""
    over: Any = {"Error": {"Code": "MessageNotInflight", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    def refuse(**_: Any) -> None:
        raise ClientError(over, "ChangeMessageVisibility")

    monkeypatch.setattr(aws.sqs(), "change_message_visibility", refuse)
    queues.dead(BODY, **GIVEN_UP)
    assert len(list(redrive.redrive(queues.stack, everything, dry_run=True))) == 1


def test_the_command_says_what_it_did_by_trigger_and_reason(queues: Queues, tmp_path: Path) -> None:
    """Filters narrow it down; a second run finds only what stayed."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "team.yaml").write_text(DOCUMENT)
    for _ in range(2):
        queues.dead(BODY, **GIVEN_UP)
    queues.dead("{", reason="the message is not valid JSON", event_id="m")

    def run(*arguments: str) -> list[str]:
        return CliRunner(mix_stderr=False).invoke(main, ["redrive", *arguments]).output.splitlines()

    assert [line.split() for line in run("--dry-run", "--reason", "NO SUCH")][1:] == [
        ["2", "team/one", "would", "be", "sent", "again", "no", "such", "parameter"]
    ]
    letters = json.loads("\n".join(run("--trigger", "team/one", "--json")))
    assert letters == [
        {"handler": "OnEvent", "trigger": "team/one", "reason": "no such parameter", "left": "", "messages": 2}
    ]
    assert queues.sent() == [BODY, BODY]
    assert run("--trigger", "team/one", "--documents", str(tmp_path)) == ["no matching dead letters"]
    assert [line.split() for line in run()][1:] == [
        ["1", "OnEvent", "sent", "again", "the", "message", "is", "not", "valid", "JSON"]
    ]


def test_an_unknown_trigger_is_an_error(queues: Queues, tmp_path: Path) -> None:
    """A typo must not look like success: the known ones are named, those of dead letters among them."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "team.yaml").write_text(DOCUMENT)
    queues.dead(BODY, reason="r", trigger="former/one")

    def run(trigger: str) -> Result:
        arguments = ["redrive", "--trigger", trigger, "--documents", str(tmp_path)]
        return CliRunner(mix_stderr=False).invoke(main, arguments)

    typo = run("team/on")
    assert (typo.exit_code, typo.stdout) == (2, "")
    assert "no trigger team/on; did you mean team/one?" in typo.stderr
    assert "no trigger x; use one of former/one, team/one" in run("x").stderr
    assert (run("team/one").exit_code, run("team/one").stdout) == (0, "no matching dead letters\n")
    assert queues.sent() == []
    assert run("former/one").exit_code == 0
    assert queues.sent() == [BODY]


def test_no_publisher_writes_to_the_operator_s_terminal(queues: Queues) -> None:
    """A request names any trigger, and its rejection repeats what it asks for; escapes are shown, not obeyed."""
    hostile = "\x1b]0;pwned\x07\x1b[2J\x9b1m\u202e\r"
    request = json.dumps({"trigger": hostile, "n": float("nan")})
    queues.dead(json.dumps({"Type": "Notification", "Message": request}), reason="no", trigger="unknown")
    for arguments in (["--dry-run"], ["--dry-run", "--json"], ["--trigger", "x"]):
        done = CliRunner(mix_stderr=False).invoke(main, ["redrive", *arguments])
        assert all(character == "\n" or character.isprintable() for character in done.stdout + done.stderr), done.output
        assert "x1b]0;pwned" in done.stdout + done.stderr or "u001b]0;pwned" in done.stdout


def test_a_rule_that_may_not_be_read_stops_no_other_message(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event stays, with AWS's words; so does one without a rule's ARN."""
    error = {"Code": "AccessDeniedException", "Message": "not you"}
    denied: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}
    read: Any = aws.events().list_targets_by_rule

    def choosy(**call: str) -> Any:
        if call["Rule"] == "secret":
            raise ClientError(denied, "ListTargetsByRule")
        return read(**call)

    monkeypatch.setattr(aws.events(), "list_targets_by_rule", choosy)
    queues.dead(json.dumps(EVENT), RULE_ARN=RULE.format("secret"), TARGET_ARN=TARGET, **FAILED)
    queues.dead(json.dumps(EVENT), RULE_ARN="no-arn", TARGET_ARN=TARGET, **FAILED)
    queues.dead(BODY, **GIVEN_UP)
    left = sorted(letter.left for letter in redrive.redrive(queues.stack, everything, dry_run=False))
    assert left[0] == ""
    assert "not you" in left[1]
    assert left[2] == "no-arn is gone, so its trigger is unknown; use triggers run with the event"
    assert (queues.sent(), len(queues.left())) == ([BODY], 2)


def run_dead_letters(*arguments: str) -> Result:
    """Run a subcommand of ``triggers dead-letters``."""
    return CliRunner(mix_stderr=False).invoke(main, ["dead-letters", *arguments])


UPLOAD = {"id": "e-2", "detail": {"bucket": {"name": "raw"}, "object": {"key": "in/a.csv"}}}


@pytest.mark.parametrize(
    ("body", "subject", "event_id"),
    [
        ({"trigger": "team/one", "event": UPLOAD}, "s3://raw/in/a.csv", "e-2"),
        ({"trigger": "team/one", "event": {"id": "e", "resources": ["arn:x"], "detail": {}}}, "arn:x", "e"),
        ({"trigger": "team/one", "event": {"id": "e", "resources": [], "detail-type": "Order"}}, "Order", "e"),
        ({"MessageId": "m", "TopicArn": "arn:topic", "Message": "x"}, "arn:topic", "m"),
        ({"batch": "b-1", "trigger": "team/one"}, "b-1", "b-1"),
        (["x"], "", ""),
    ],
)
def test_dead_letters_are_listed_with_what_they_are_about(
    queues: Queues, body: Any, subject: str, event_id: str
) -> None:
    """An object, a resource, a kind of event, a topic or a batch."""
    queues.dead(json.dumps(body), reason="no such parameter", trigger="team/one")
    (letter,) = json.loads(run_dead_letters("list", "--json").stdout)
    assert (letter["subject"], letter["event_id"], letter["reason"]) == (subject, event_id, "no such parameter")
    assert len(queues.left()) == 1


def test_dead_letters_are_shown_in_full(queues: Queues) -> None:
    """By the first characters of their ids; an id of none is an error."""
    queues.dead(BODY, **GIVEN_UP)
    listed = run_dead_letters().stdout.splitlines()
    assert listed[0].split() == ["id", "age", "trigger", "subject", "event", "id", "reason"]
    id_ = listed[1].split()[0]
    shown = run_dead_letters("show", id_).stdout
    assert "reason        no such parameter" in shown
    assert '"event": {' in shown
    unknown = run_dead_letters("show", "x")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: no dead letter x; triggers dead-letters lists them\n")
    assert run_dead_letters("show").exit_code == 2


def test_a_discarded_dead_letter_is_recorded(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the handler's log and in the history, before it is deleted; the others stay."""
    stack = Stack("stack", {"HistoryDays": "90"}, {**queues.stack.resources, "OnEventLogGroup": "log"})
    monkeypatch.setattr(stacks, "stack", lambda _: stack)
    boto3.client("logs").create_log_group(logGroupName="log")
    queues.dead(BODY, **GIVEN_UP)
    queues.dead("other", reason="another one", trigger="team/other")
    assert run_dead_letters("discard", "--reason", "x").exit_code == 2
    done = run_dead_letters("discard", "--all", "--trigger", "team/one", "--reason", "a wrong upload")
    assert (done.exit_code, done.stdout) == (0, "discarded 1 dead letters\n")
    assert queues.left() == ["other"]
    (event,) = boto3.client("logs").filter_log_events(logGroupName="log")["events"]
    line = json.loads(event["message"])
    assert (line["message"], line["outcome"], line["trigger"]) == ("verdict", "DISCARDED", "team/one")
    assert line["reason"].startswith("discarded by arn:aws:sts::")
    assert line["reason"].endswith(": a wrong upload; it was: no such parameter")
