"""The schedules and rules of an account that start pipelines by themselves, in full: what there is to move in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.account import references
from pipeline_triggers.account.references import Home, Pipeline, RuleTarget
from pipeline_triggers.janitor.cleanups import orphan
from pipeline_triggers.janitor.removal import owner


@dataclass(frozen=True, slots=True)
class ExistingSchedule:
    """A schedule whose target is a pipeline; ``answer`` is GetSchedule's.

    ``owned`` says so when CloudFormation owns it, or may.
    """

    pipeline: Pipeline
    answer: Mapping[str, Any]
    owned: str | None = None

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """The one that it starts."""
        return (self.pipeline,)

    @property
    def enabled(self) -> bool:
        """Whether it fires."""
        return bool(self.answer["State"] == "ENABLED")

    def __str__(self) -> str:
        return f"schedule {self.answer['GroupName']}/{self.answer['Name']}"


@dataclass(frozen=True, slots=True)
class ExistingRule:
    """A rule with targets that are pipelines, and so many others; ``rule`` is DescribeRule's answer.

    ``owned`` says so when CloudFormation owns it, or may.
    """

    bus: str
    rule: Mapping[str, Any]
    targets: tuple[RuleTarget, ...]
    others: int
    tags: Mapping[str, str]
    owned: str | None = None

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """Those that it starts."""
        return tuple(dict.fromkeys(target.pipeline for target in self.targets))

    @property
    def enabled(self) -> bool:
        """Whether it fires."""
        return bool(self.rule["State"] != "DISABLED")

    def __str__(self) -> str:
        return f"rule {self.bus}/{self.rule['Name']}"


Existing = ExistingSchedule | ExistingRule


def existing(
    home: Home, trigger_ids: Collection[str], wanted: Callable[[Pipeline], bool] = lambda _: True
) -> Iterator[Existing]:
    """Give the schedules and rules that start the wanted pipelines, but those that were compiled from these triggers.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    rules: dict[tuple[str, str], list[RuleTarget]] = {}
    for pointer in references.everything(home):
        if not wanted(pointer.pipeline):
            continue
        if isinstance(pointer, RuleTarget):
            rules.setdefault((pointer.bus, pointer.name), []).append(pointer)
            continue
        answer = pointer.answer or references.schedule(pointer.group, pointer.name)
        if answer is None:
            continue
        owned = owner(orphan(pointer))
        if not (owned and _is_described(answer, trigger_ids)):
            yield ExistingSchedule(pointer.pipeline, answer, owned)
    for (bus, name), targets in rules.items():
        rule = targets[0].rule
        owned = owner(orphan(targets[0]))
        if not (owned and _is_described(rule, trigger_ids)):
            others = len(references.rule_targets(bus, name)) - len(targets)
            tags = aws.events().list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
            yield ExistingRule(bus, rule, tuple(targets), others, {tag["Key"]: tag["Value"] for tag in tags}, owned)


def _is_described(answer: Mapping[str, Any], trigger_ids: Collection[str]) -> bool:
    """Whether its description begins with a trigger's id, as that of what a document became does, or a copy of it."""
    return answer.get("Description", "").partition(":")[0] in trigger_ids


def pipelines() -> dict[str, str]:
    """Return the names of the account's pipelines by their lower-cased spelling, which an ARN may have.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    pages = aws.sagemaker().get_paginator("list_pipelines").paginate()
    names = (summary["PipelineName"] for page in pages for summary in page["PipelineSummaries"])
    return {name.lower(): name for name in names}
