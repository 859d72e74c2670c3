"""What is run by hand: which occurrence it is, and when nothing more is to come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events.envelope import from_rule
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.models import Occurrence, Outcome, Part, Start, Trigger, Verdict, When
from pipeline_triggers.operations import run
from pipeline_triggers.operations.run import Sent, are_final
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.operations.verdict_log import LoggedVerdict
from pipeline_triggers.starts import definition
from pipeline_triggers.starts.plan import plan

from tests import PROJECT

EVENT = {"id": "i", "detail-type": "Order", "source": "acme.shop", "detail": {"n": 1}}
TRIGGER = Trigger("team/one", When("event", {"pattern": {}}), (Start("a", {}), Start("b", {})))
TOPIC = "arn:aws:sns:eu-central-1:123456789012:topic"
MESSAGE = {"Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": "hello"}


def sample(name: str) -> dict[str, Any]:
    """Return an event of ``events/``."""
    event: dict[str, Any] = json.loads((PROJECT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    return event


def read(**more: str) -> Occurrence:
    """Return the event as a rule sends it, with what is beside it."""
    (arrival,) = from_rule("OnEvent", json.dumps({"trigger": "team/one", "event": EVENT, **more}), {})
    return arrival.occurrence()


def logged(outcome: Outcome, pipeline: str | None) -> LoggedVerdict:
    """Return a verdict that was logged."""
    return LoggedVerdict(datetime(2026, 11, 1, tzinfo=UTC), Verdict(outcome, "team/one", "i", pipeline=pipeline))


@pytest.mark.parametrize("dedupe", [None, "{% detail.n %}"])
def test_again_is_another_occurrence_each_time(dedupe: str | None) -> None:
    """With a business key as well; without it, the same event is the same one."""
    trigger = replace(TRIGGER, dedupe=dedupe)
    tokens = [plan(trigger, 0, read(**more), "s").token for more in ({}, {}, {"again": "x"}, {"again": "y"})]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3


def test_again_is_recorded_in_the_execution() -> None:
    """Before what the description ends with, so that its depth and its identity are still read from there."""
    run = plan(TRIGGER, 0, replace(read(again="x"), depth=2), "s")
    description = run.options["PipelineExecutionDescription"]
    assert description == f"trigger team/one, event i, again x, depth 2, identity {run.token}"


@given(st.recursive(st.text(), lambda inner: st.dictionaries(st.sampled_from(["again", "trigger", "event"]), inner)))
def test_nothing_inside_an_event_makes_it_another_occurrence(detail: object) -> None:
    """Publishers write what is inside; only who may send to the queue writes what is beside it."""
    body = json.dumps({"trigger": "team/one", "event": {**EVENT, "again": "x", "detail": {"again": detail}}})
    (arrival,) = from_rule("OnEvent", body, {})
    assert arrival.occurrence().again == ""


def test_a_message_is_run_for_one_of_its_topic_s_triggers() -> None:
    """Though the topic brings it to all of them."""
    triggers = {
        name: replace(TRIGGER, id=name, when=When("sns", {"topic": TOPIC})) for name in ("team/one", "team/two")
    }
    body = json.dumps({"trigger": "team/two", "event": MESSAGE, "again": "x"})
    (arrival,) = from_topic("own", body, triggers)
    assert (arrival.trigger, arrival.occurrence().again) == ("team/two", "x")
    assert [found.occurrence().again for found in from_topic("own", json.dumps(MESSAGE), triggers)] == ["", ""]
    with pytest.raises(Rejected, match="the message is not for team/three"):
        from_topic("own", json.dumps({"trigger": "team/three", "event": MESSAGE}), triggers)


@pytest.mark.parametrize(
    ("verdicts", "final"),
    [
        ([], False),
        ([(Outcome.FILTERED, None)], True),
        ([(Outcome.STARTED, "a")], False),
        ([(Outcome.STARTED, "a"), (Outcome.WAITING, "b")], False),
        ([(Outcome.DUPLICATE, "a"), (Outcome.REJECTED, "b")], True),
    ],
)
def test_it_is_over_when_each_pipeline_has_its_verdict(verdicts: list[tuple[Outcome, str]], final: bool) -> None:
    """Or when one verdict is for all of them; WAITING is not final."""
    assert are_final([logged(*verdict) for verdict in verdicts], TRIGGER) is final


def test_what_waits_for_its_turn_is_final_for_the_event() -> None:
    """Its batch has the verdict that follows; an event that is collected has none per pipeline."""
    waits = logged(Outcome.WAITING, "a")
    assert not are_final([waits, logged(Outcome.STARTED, "b")], TRIGGER)
    in_line = replace(waits, verdict=replace(waits.verdict, batch="b1"))
    assert are_final([in_line, logged(Outcome.STARTED, "b")], TRIGGER)
    assert are_final([logged(Outcome.COLLECTED, None)], TRIGGER)


def test_a_part_of_several_sources_says_which_it_is() -> None:
    """As the rule of that source does."""
    several = replace(TRIGGER, all_of={"data": Part(TRIGGER.when), "approval": Part(TRIGGER.when)})
    view = several.view("approval")
    assert view
    body = json.loads(run.message(Stack("s", {}, {}), view, {"id": "e"}, again=False))
    assert body == {"trigger": TRIGGER.id, "event": {"id": "e"}, "part": "approval"}


def test_of_a_request_s_pipelines_one_is_enough() -> None:
    """The publisher named it."""
    assert are_final([logged(Outcome.STARTED, "b")], replace(TRIGGER, one_of=True))
    assert not are_final([], replace(TRIGGER, one_of=True))


@pytest.mark.parametrize(("patience", "looks", "found"), [(60, 2, 2), (0, 1, 0)])
def test_the_log_is_looked_at_until_the_verdicts_are_final(
    monkeypatch: pytest.MonkeyPatch, patience: float, looks: int, found: int
) -> None:
    """Or until there is no more patience; the verdicts so far are returned."""
    final = [logged(Outcome.STARTED, "a"), logged(Outcome.STARTED, "b")]
    answers = iter([list[LoggedVerdict](), final])
    searches = []

    def verdicts(log_group: str, since: datetime, **which: str) -> list[LoggedVerdict]:
        searches.append((log_group, since, which))
        return next(answers)

    monkeypatch.setattr(run, "verdicts", verdicts)
    monkeypatch.setattr(run, "PAUSE", 0)
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert len(run.wait(Sent("m", "group", at), TRIGGER, patience)) == found
    assert searches == [("group", at - run.CLOCKS_DIFFER_BY, {"message_id": "m"})] * looks


STACK = Stack("stack", {}, {"RequestsTopic": TOPIC, "OnEventQueue": "queue", "OnEventLogGroup": "group"})
REQUESTS = Trigger("team/requests", When("sns", {}), (Start("a", {}),), accept={"Month": "*"})
ALARM = Trigger("team/alarm", When("alarm", {"state": ["ALARM"]}), (Start("a", {}),))


def request(trigger: str, **parameters: str) -> dict[str, str]:
    """Return a request as SNS delivers it."""
    return {**MESSAGE, "Message": json.dumps({"trigger": trigger, "parameters": parameters})}


def check(trigger: Trigger, event: Mapping[str, Any], *others: Trigger) -> None:
    """Check what would be sent."""
    run.check(STACK, trigger, (trigger, *others), run.message(STACK, trigger, event, again=False))


@pytest.mark.parametrize(
    ("trigger", "event", "reason"),
    [
        (ALARM, sample("s3"), "the event's source is 'aws.s3'; team/alarm fires on aws.cloudwatch"),
        (ALARM, sample("sns"), "this is a notification of SNS; team/alarm fires on EventBridge's events"),
        (ALARM, {"Records": [{"eventSource": "aws:s3"}]}, "sends to a Lambda function"),
        (ALARM, {"detail": {}}, "it lacks source, detail-type"),
        (REQUESTS, sample("alarm"), "the message is not a notification of SNS"),
        (REQUESTS, request("team/other", Month="x"), "the message is not for team/requests"),
        (REQUESTS, request("team/requests", Year="x"), "the request's parameter Year may not be set"),
        (REQUESTS, request("team/requests"), "parameter Month is missing"),
        (replace(ALARM, enabled=False), sample("alarm"), "team/alarm is disabled"),
    ],
)
def test_events_that_the_handler_would_reject_are_not_sent(
    monkeypatch: pytest.MonkeyPatch, trigger: Trigger, event: Mapping[str, Any], reason: str
) -> None:
    """Else its dead-letter queue would keep it, and raise an alarm."""

    def fit(_: str, values: Mapping[str, str], _version: str | None) -> None:
        if trigger is REQUESTS and "Month" not in values:
            raise Rejected("parameter Month is missing")

    monkeypatch.setattr(definition, "fit", fit)
    with pytest.raises(Rejected) as refused:
        check(trigger, event, replace(REQUESTS, id="team/other"))
    assert reason in str(refused.value)


def test_events_that_the_handler_would_accept_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the handler would filter it, or when only the handler may look something up."""
    monkeypatch.setattr(definition, "fit", lambda _pipeline, values, _version: values)
    check(ALARM, sample("alarm"))
    check(replace(ALARM, when=When("alarm", {"state": ["OK"]})), sample("alarm"))
    check(REQUESTS, request("team/requests", Month="2026-10"))
    check(TRIGGER, EVENT)

    def denied(*_: object) -> None:
        response: Any = {"Error": {"Code": "AccessDenied", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(response, "DescribePipeline")

    monkeypatch.setattr(definition, "fit", denied)
    check(ALARM, sample("alarm"))
