"""What in an account points at SageMaker pipelines: schedules of EventBridge Scheduler, and targets of its rules.

Only reads, page by page as AWS lists. No list can be asked for by pipeline, but the rules' of a target's exact ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws

# A schedule may call any API; this one names the pipeline in its Input, not in its target's ARN.
UNIVERSAL_TARGET = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:sagemaker:startPipelineExecution", re.IGNORECASE)

_NAME = r"(?P<name>[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,255})"
_PIPELINE = re.compile(
    rf"(?:arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{{12}}):pipeline/)?{_NAME}", re.IGNORECASE
)

# What the Scheduler puts in before it sends, quoted or not, so that what stands there need not be JSON yet.
_CONTEXT_ATTRIBUTE = re.compile(r"<aws\.scheduler\.[a-z-]+>")


@dataclass(frozen=True, slots=True)
class Home:
    """The account and Region that are looked at."""

    partition: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, as what points at it spells its name; SageMaker writes names in ARNs in lower case, or as given."""

    account: str
    region: str
    name: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What two spellings of one pipeline have in common."""
        return self.account, self.region.lower(), self.name.lower()

    def __str__(self) -> str:
        return self.name

    def arns(self, home: Home) -> tuple[str, ...]:
        """Return the ARN in both spellings."""
        arn = f"arn:{home.partition}:sagemaker:{self.region}:{self.account}:pipeline/"
        return tuple(dict.fromkeys((arn + self.name, arn + self.name.lower())))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that starts a pipeline; ``answer`` is GetSchedule's, which only a universal target needs."""

    group: str
    name: str
    pipeline: Pipeline
    state: str
    answer: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"schedule {self.group}/{self.name}"


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """A target of a rule that is a pipeline; ``rule`` and ``target`` are as ListRules and ListTargetsByRule answer."""

    bus: str
    name: str
    target_id: str
    pipeline: Pipeline
    rule: Mapping[str, Any]
    target: Mapping[str, Any]

    def __str__(self) -> str:
        return f"target {self.target_id} of rule {self.bus}/{self.name}"


Pointer = Schedule | RuleTarget


@dataclass(frozen=True, slots=True)
class Unread:
    """What AWS lists, and refuses to show: nobody knows what it points at."""

    what: str
    error: ClientError


# Where a walk stands: what is listed, and AWS's token for the next page of it ("" for the first).
Position = tuple[str, ...]
START: Position = ("schedules", "")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: how many things it held, which of them point at pipelines, and where the walk goes on."""

    looked_at: int
    pointers: tuple[Pointer, ...]
    after: Position | None
    unread: tuple[Unread, ...] = ()


def pipeline(text: object, home: Home) -> Pipeline | None:
    """Read a pipeline's ARN or bare name; None for anything else."""
    found = _PIPELINE.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return None
    return Pipeline(found["account"] or home.account, found["region"] or home.region, found["name"])


def pages(home: Home, position: Position | None = START, only: Pipeline | None = None) -> Iterator[Page]:
    """Walk from a position on: all schedules of all groups, then the targets of the rules of all buses.

    With ``only``, no other pipeline's pointers are given, and not all rules are listed: EventBridge finds those of a
    target, where the Scheduler can't find its schedules.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked.

    """
    while position is not None:
        if position[0] == "schedules":
            page = _schedules(home, position, only)
        elif only:
            found = tuple(targets_of(only, home))
            page = Page(len(found), found, None)
        else:
            page = _rules(home, position)
        yield page
        position = page.after


def everything(home: Home) -> Iterator[Pointer]:
    """Give all that points at any pipeline.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: AWS can't be asked, for one of them at least.

    """
    for page in pages(home):
        yield from page.pointers
        if page.unread:
            raise page.unread[0].error


def targets_of(wanted: Pipeline, home: Home) -> Iterator[RuleTarget]:
    """Give the rules' targets that are this pipeline, on every bus: EventBridge finds them by the exact ARN."""
    paginator = aws.events().get_paginator("list_rule_names_by_target")
    for bus in buses():
        names = {
            name: None
            for arn in wanted.arns(home)
            for page in paginator.paginate(TargetArn=arn, EventBusName=bus)
            for name in page["RuleNames"]
        }
        for name in names:
            if described := rule(bus, name):
                yield from (found for found in targets(bus, described, home) if found.pipeline.key == wanted.key)


def schedule(group: str, name: str) -> Mapping[str, Any] | None:
    """Return GetSchedule's answer; None when there is no such schedule (any more)."""
    answer: Mapping[str, Any] | None = _or_none(lambda: aws.scheduler().get_schedule(GroupName=group, Name=name))
    return answer


def schedule_pipeline(target: Mapping[str, Any], home: Home) -> Pipeline | None:
    """Say which pipeline the target of a GetSchedule answer starts, if any."""
    if not UNIVERSAL_TARGET.fullmatch(target["Arn"]):
        return pipeline(target["Arn"], home)
    try:
        asked, other = (json.loads(_CONTEXT_ATTRIBUTE.sub(digit, target.get("Input", ""))) for digit in "01")
    except (ValueError, RecursionError):
        return None
    # A name that depends on what the Scheduler puts in is no pipeline's for certain.
    if not isinstance(asked, dict) or asked.get("PipelineName") != other.get("PipelineName"):
        return None
    return pipeline(asked.get("PipelineName"), home)


def rule(bus: str, name: str) -> Mapping[str, Any] | None:
    """Return DescribeRule's answer; None when there is no such rule (any more)."""
    answer: Mapping[str, Any] | None = _or_none(lambda: aws.events().describe_rule(Name=name, EventBusName=bus))
    return answer


def rule_targets(bus: str, name: str) -> list[Mapping[str, Any]]:
    """Return all targets of a rule as ListTargetsByRule answers; none when there is no such rule."""
    paginator = aws.events().get_paginator("list_targets_by_rule")
    listed = _or_none(
        lambda: [target for page in paginator.paginate(Rule=name, EventBusName=bus) for target in page["Targets"]]
    )
    return listed or []


def targets(bus: str, described: Mapping[str, Any], home: Home) -> Iterator[RuleTarget]:
    """Give the targets of a rule that are pipelines."""
    for target in rule_targets(bus, described["Name"]):
        if found := pipeline(target["Arn"], home):
            yield RuleTarget(bus, described["Name"], target["Id"], found, described, target)


def buses() -> list[str]:
    """Return the names of all event buses."""
    names, token = [], ""
    while True:
        page = aws.events().list_event_buses(**_token(token))
        names += [bus["Name"] for bus in page["EventBuses"]]
        token = page.get("NextToken", "")
        if not token:
            return names


def _schedules(home: Home, position: Position, only: Pipeline | None) -> Page:
    page = aws.scheduler().list_schedules(MaxResults=100, **_token(position[1]))
    names = {f"schedule {summary['GroupName']}/{summary['Name']}": summary for summary in page["Schedules"]}
    pointers, unread = _each(names, lambda summary: _schedule(summary, home))
    wanted = [found for found in pointers if only is None or found.pipeline.key == only.key]
    after = ("schedules", page["NextToken"]) if page.get("NextToken") else ("rules", "", "")
    return Page(len(page["Schedules"]), tuple(wanted), after, unread)


def _schedule(summary: Mapping[str, Any], home: Home) -> Iterator[Schedule]:
    group, name, target, answer = summary["GroupName"], summary["Name"], summary["Target"], None
    if UNIVERSAL_TARGET.fullmatch(target["Arn"]):
        answer = schedule(group, name)
        if answer is None:
            return
        target = answer["Target"]
    if found := schedule_pipeline(target, home):
        yield Schedule(group, name, found, summary["State"], answer)


def _rules(home: Home, position: Position) -> Page:
    """List a page of the rules of one bus, in the buses' order; a bus that is gone by now is followed by the next."""
    _, bus, token = position
    known = sorted(buses())
    bus = bus or known[0]
    page = _or_none(lambda: aws.events().list_rules(EventBusName=bus, Limit=100, **_token(token))) or {}
    described = page.get("Rules", [])
    later = [name for name in known if name > bus]
    after: Position | None = ("rules", later[0], "") if later else None
    if page.get("NextToken"):
        after = ("rules", bus, page["NextToken"])
    names = {f"rule {bus}/{rule['Name']}": rule for rule in described}
    pointers, unread = _each(names, lambda rule: targets(bus, rule, home))
    return Page(len(described), pointers, after, unread)


def _each(
    things: Mapping[str, Any], read: Callable[[Any], Iterator[Pointer]]
) -> tuple[tuple[Pointer, ...], tuple[Unread, ...]]:
    """Read one thing after another; one that AWS refuses to show holds up no other."""
    found: list[Pointer] = []
    unread: list[Unread] = []
    for name, thing in things.items():
        try:
            found += read(thing)
        except ClientError as error:
            if aws.passes(error):
                raise
            unread.append(Unread(name, error))
    return tuple(found), tuple(unread)


def _token(token: str) -> Any:
    return {"NextToken": token} if token else {}


def _or_none(ask: Callable[[], Any]) -> Any:
    """Ask for one thing by its name; None when it is gone."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
