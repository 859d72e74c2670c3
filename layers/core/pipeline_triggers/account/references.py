"""What in an account points at SageMaker pipelines: schedules of EventBridge Scheduler, and targets of rules.

Only reads, page by page as AWS lists. Neither service lists by pipeline, except that EventBridge lists the rules of a
target's exact ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import pipelines
from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.errors import PipelineTriggersError

# A universal target may call any API; this one names the pipeline in its Input, not in its ARN.
UNIVERSAL_TARGET = re.compile(
    r"arn:aws[a-z-]*:scheduler:::aws-sdk:sagemaker:startPipelineExecution", re.ASCII | re.IGNORECASE
)

# What Scheduler fills in before it sends, within quotes or not: until then the Input need not be JSON.
_CONTEXT_ATTRIBUTE = re.compile(r"<aws\.scheduler\.[a-z-]+>")


class Ambiguous(PipelineTriggersError):
    """An Input that can be read in two ways: which pipeline it starts is unknown."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that starts a pipeline; ``details`` is GetSchedule's answer, for a universal target only."""

    group: str
    name: str
    pipeline: Pipeline
    details: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"schedule {self.group}/{self.name}"


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """A rule's target that is a pipeline; ``rule`` and ``target`` are what ListRules and ListTargetsByRule answer."""

    bus: str
    name: str
    target_id: str
    pipeline: Pipeline
    rule: Mapping[str, Any]
    target: Mapping[str, Any]

    def __str__(self) -> str:
        return f"target {self.target_id} of rule {self.bus}/{self.name}"


Reference = Schedule | RuleTarget


@dataclass(frozen=True, slots=True)
class Unread:
    """A listed schedule or rule of which it is unknown what it starts; ``reason`` says why."""

    what: str
    reason: str

    def __str__(self) -> str:
        return self.what


# How far a walk is: what is listed, and AWS's token for the next page of it ("" for the first).
Position = tuple[str, ...]
START: Position = ("schedules", "")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: how many things it held, which of them point at pipelines, and where the walk goes on."""

    looked_at: int
    references: tuple[Reference, ...]
    after: Position | None
    unread: tuple[Unread, ...] = ()


def pages(home: Home, position: Position | None = START, only: Pipeline | None = None) -> Iterator[Page]:
    """Walk from a position on: all schedules of all groups, then the targets of the rules of all buses.

    With ``only``, the pages hold what points at this pipeline, and EventBridge lists the rules of its ARN instead of
    all rules. Scheduler has no such list.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a list could not be read. A single thing that AWS does not
            show is ``unread`` instead.

    """
    while position is not None:
        if position[0] == "schedules":
            page = _schedules_page(home, position, only)
        elif only:
            page = _rules_page_of(only, home)
        else:
            page = _rules_page(home, position)
        yield page
        position = page.after


def schedule(group: str, name: str) -> Mapping[str, Any] | None:
    """Return GetSchedule's answer; None when the schedule does not exist."""
    answer: Mapping[str, Any] | None = unless_gone(lambda: aws.scheduler().get_schedule(GroupName=group, Name=name))
    return answer


def schedule_pipeline(target: Mapping[str, Any], home: Home) -> Pipeline | None:
    """Return the pipeline that the target of a GetSchedule answer starts, if any.

    Raises:
        Ambiguous: its Input names the pipeline twice.

    """
    if not UNIVERSAL_TARGET.fullmatch(target["Arn"]):
        return pipelines.parse(target["Arn"], home)
    try:
        # Filled in with one value or another: a name that depends on it is not certain.
        inputs = [_read_input(_CONTEXT_ATTRIBUTE.sub(digit, target.get("Input", ""))) for digit in "01"]
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(one, dict) for one in inputs):
        return None
    first, second = (one.get("PipelineName") for one in inputs)
    return pipelines.parse(first, home) if first == second else None


def rule(bus: str, name: str) -> Mapping[str, Any] | None:
    """Return DescribeRule's answer; None when the rule does not exist."""
    answer: Mapping[str, Any] | None = unless_gone(lambda: aws.events().describe_rule(Name=name, EventBusName=bus))
    return answer


def rule_targets(bus: str, name: str) -> list[Mapping[str, Any]]:
    """Return all targets of a rule as ListTargetsByRule answers; none when the rule does not exist."""
    paginator = aws.events().get_paginator("list_targets_by_rule")
    targets = unless_gone(
        lambda: [target for page in paginator.paginate(Rule=name, EventBusName=bus) for target in page["Targets"]]
    )
    return targets or []


def rule_tags(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tags of a rule, each with its ``Key`` and ``Value``."""
    return list(aws.events().list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"])


def buses() -> list[str]:
    """Return the names of all event buses."""
    names, token = [], ""
    while True:
        page = aws.events().list_event_buses(**_next_token(token))
        names += [bus["Name"] for bus in page["EventBuses"]]
        token = page.get("NextToken", "")
        if not token:
            return names


def unless_gone(call: Callable[[], Any]) -> Any:
    """Make a call for one thing by its name; return None when it does not exist."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise


def _schedules_page(home: Home, position: Position, only: Pipeline | None) -> Page:
    page = aws.scheduler().list_schedules(MaxResults=100, **_next_token(position[1]))
    summaries = {f"schedule {summary['GroupName']}/{summary['Name']}": summary for summary in page["Schedules"]}
    references, unread = _read_each(summaries, lambda summary: _schedule_reference(summary, home))
    matching = tuple(reference for reference in references if only is None or reference.pipeline.key == only.key)
    after = ("schedules", page["NextToken"]) if page.get("NextToken") else ("rules", "", "")
    return Page(len(page["Schedules"]), matching, after, unread)


def _schedule_reference(summary: Mapping[str, Any], home: Home) -> Iterator[Schedule]:
    group, name, target, details = summary["GroupName"], summary["Name"], summary["Target"], None
    if UNIVERSAL_TARGET.fullmatch(target["Arn"]):
        details = schedule(group, name)
        if details is None:
            return
        target = details["Target"]
    if pipeline := schedule_pipeline(target, home):
        yield Schedule(group, name, pipeline, details)


def _rules_page(home: Home, position: Position) -> Page:
    """List a page of the rules of one bus, in the order of the buses; after a bus that is gone comes the next one."""
    _, bus, token = position
    known = sorted(buses())
    bus = bus or known[0]
    page = unless_gone(lambda: aws.events().list_rules(EventBusName=bus, Limit=100, **_next_token(token))) or {}
    rules = page.get("Rules", [])
    later = [name for name in known if name > bus]
    after: Position | None = ("rules", later[0], "") if later else None
    if page.get("NextToken"):
        after = ("rules", bus, page["NextToken"])
    names = {f"rule {bus}/{rule['Name']}": rule for rule in rules}
    references, unread = _read_each(names, lambda rule: _rule_references(bus, rule, home))
    return Page(len(rules), references, after, unread)


def _rules_page_of(pipeline: Pipeline, home: Home) -> Page:
    """List the rules of all buses with a target that is this pipeline; EventBridge finds them by the exact ARN."""
    paginator = aws.events().get_paginator("list_rule_names_by_target")
    rules = {
        f"rule {bus}/{name}": (bus, name)
        for bus in buses()
        for arn in pipeline.arns(home)
        for page in paginator.paginate(TargetArn=arn, EventBusName=bus)
        for name in page["RuleNames"]
    }
    references, unread = _read_each(rules, lambda place: _references_of_named_rule(place, home))
    matching = tuple(reference for reference in references if reference.pipeline.key == pipeline.key)
    return Page(len(rules), matching, None, unread)


def _references_of_named_rule(place: tuple[str, str], home: Home) -> Iterator[RuleTarget]:
    bus, name = place
    if details := rule(bus, name):
        yield from _rule_references(bus, details, home)


def _rule_references(bus: str, rule: Mapping[str, Any], home: Home) -> Iterator[RuleTarget]:
    for target in rule_targets(bus, rule["Name"]):
        if pipeline := pipelines.parse(target["Arn"], home):
            yield RuleTarget(bus, rule["Name"], target["Id"], pipeline, rule, target)


def _read_each(
    things: Mapping[str, Any], read: Callable[[Any], Iterator[Reference]]
) -> tuple[tuple[Reference, ...], tuple[Unread, ...]]:
    """Read one thing after another; one that can't be read does not stop the others."""
    references: list[Reference] = []
    unread: list[Unread] = []
    for name, thing in things.items():
        try:
            references += read(thing)
        except Ambiguous as error:
            unread.append(Unread(name, str(error)))
        except ClientError as error:
            if aws.is_transient(error):
                raise
            unread.append(Unread(name, aws.refusal(error)))
    return tuple(references), tuple(unread)


def _read_input(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unambiguous)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Whether Scheduler takes pipelineName for PipelineName is not documented, so it counts as the same here.
    if sum(name.lower() == "pipelinename" for name, _ in pairs) > 1:
        raise Ambiguous("its Input names PipelineName twice, and which one counts is not known")
    return dict(pairs)


def _next_token(token: str) -> Any:
    return {"NextToken": token} if token else {}
