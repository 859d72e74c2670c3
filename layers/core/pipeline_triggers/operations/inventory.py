"""The schedules and rules of an account that start pipelines by themselves, in full: what there is to import."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import ownership, pipelines, references
from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import RuleTarget, Schedule, Unread
from pipeline_triggers.errors import Rejected
from pipeline_triggers.starts import definition


@dataclass(frozen=True, slots=True)
class ExistingSchedule:
    """A schedule whose target is a pipeline; ``details`` is GetSchedule's answer.

    ``owner`` says that a stack of CloudFormation owns it, or may own it.
    """

    pipeline: Pipeline
    details: Mapping[str, Any]
    owner: str | None = None

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """The one that it starts."""
        return (self.pipeline,)

    @property
    def enabled(self) -> bool:
        """Whether it fires."""
        return bool(self.details["State"] == "ENABLED")

    @property
    def description(self) -> str:
        """Its description, "" without one."""
        return str(self.details.get("Description", ""))

    def __str__(self) -> str:
        return f"schedule {self.details['GroupName']}/{self.details['Name']}"


@dataclass(frozen=True, slots=True)
class ExistingRule:
    """A rule with targets that are pipelines, and a number of other targets; ``rule`` is ListRules' entry.

    ``owner`` says that a stack of CloudFormation owns it, or may own it.
    """

    bus: str
    rule: Mapping[str, Any]
    targets: tuple[RuleTarget, ...]
    other_targets: int
    tags: Mapping[str, str]
    owner: str | None = None

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """Those that it starts."""
        return tuple(dict.fromkeys(target.pipeline for target in self.targets))

    @property
    def enabled(self) -> bool:
        """Whether it fires."""
        return bool(self.rule["State"] != "DISABLED")

    @property
    def description(self) -> str:
        """Its description, "" without one."""
        return str(self.rule.get("Description", ""))

    def __str__(self) -> str:
        return f"rule {self.bus}/{self.rule['Name']}"


Existing = ExistingSchedule | ExistingRule


def existing(
    home: Home, trigger_ids: Collection[str], includes: Callable[[Pipeline], bool] = lambda _: True
) -> Iterator[Existing | Unread]:
    """Yield the schedules and rules that start the included pipelines, except those compiled from these triggers.

    What AWS lists and does not show is given as ``Unread``.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    rules: dict[str, list[RuleTarget]] = {}
    for page in references.pages(home):
        yield from page.unread
        for reference in page.references:
            if not includes(reference.pipeline):
                continue
            if isinstance(reference, Schedule):
                yield from _in_full(str(reference), _schedule, reference, trigger_ids)
            else:
                rules.setdefault(f"rule {reference.bus}/{reference.name}", []).append(reference)
    for name, targets in rules.items():
        yield from _in_full(name, _rule, targets, trigger_ids)


def pipeline_names() -> dict[str, str]:
    """Return the names of the account's pipelines by their lower-case spelling, which an ARN may have.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request to AWS failed.

    """
    return {name.lower(): name for name in pipelines.listed()}


def required_parameters(names: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], list[Unread]]:
    """Return the parameters without a default by pipeline, and the pipelines whose definition can't be read.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    required: dict[str, tuple[str, ...]] = {}
    unread = []
    for name in names:
        try:
            declared = definition.describe(name)
        except Rejected as error:
            unread.append(Unread(f"pipeline {name}", str(error)))
        except ClientError as error:
            if aws.is_transient(error):
                raise
            unread.append(Unread(f"pipeline {name}", aws.refusal(error)))
        else:
            required[name] = tuple(parameter for parameter, how in declared.items() if how.required)
    return required, unread


def _in_full(
    name: str, read: Callable[[Any], Existing | None], what: Any, trigger_ids: Collection[str]
) -> Iterator[Existing | Unread]:
    """Read a schedule or rule in full; leave out what was compiled from one of these triggers."""
    try:
        found = read(what)
    except ClientError as error:
        if aws.is_transient(error):
            raise
        yield Unread(name, aws.refusal(error))
        return
    # Compiled descriptions begin with the trigger's id. A copy by hand does so too, but belongs to no stack.
    if found and not (found.owner and found.description.partition(":")[0] in trigger_ids):
        yield found


def _schedule(reference: Schedule) -> ExistingSchedule | None:
    details = reference.details or references.schedule(reference.group, reference.name)
    return ExistingSchedule(reference.pipeline, details, ownership.owner(reference)) if details else None


def _rule(targets: Sequence[RuleTarget]) -> ExistingRule:
    first = targets[0]
    others = len(references.rule_targets(first.bus, first.name)) - len(targets)
    tags = {tag["Key"]: tag["Value"] for tag in references.rule_tags(first.rule)}
    return ExistingRule(first.bus, first.rule, tuple(targets), others, tags, ownership.owner(first))
