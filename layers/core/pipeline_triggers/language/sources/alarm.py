"""``when: {alarm: …}``: state changes of CloudWatch alarms."""

from __future__ import annotations

from pipeline_triggers.language import globs
from pipeline_triggers.language.sources.source import (
    Change,
    DetailType,
    Event,
    Field,
    Fields,
    Pattern,
    Source,
    Write,
    given,
    in_detail,
    length_problem,
    name_matchers,
)

STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")


def _pattern(fields: Fields, write: Write) -> Pattern:
    name = given(alarmName=name_matchers(fields.get("name"), write))
    return {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {**name, "state": {"value": list(fields["state"])}},
    }


def _change(event: Event) -> Change:
    state = event["detail"].get("state") or {}
    return ((event.get("resources") or [None])[0], state.get("value"), state.get("timestamp"))


SOURCE = Source(
    name="alarm",
    description="A CloudWatch alarm reached a state.",
    handler="OnEvent",
    fields={
        "name": Field(
            "The alarm's name; * stands for any characters.",
            required=True,
            problem=length_problem(255),  # an alarm may be called anything
            value=in_detail("alarmName"),
            glob=globs.matches_name,
        ),
        "state": Field(
            "One or several states, as in ALARM.",
            required=True,
            choices=STATES,
            value=in_detail("state", "value"),
        ),
    },
    pattern=_pattern,
    detail_types={"CloudWatch Alarm State Change": DetailType(_change)},
    places={
        "name": "detail.alarmName",
        "state": "detail.state.value",
        "reason": "detail.state.reason",
    },
)
