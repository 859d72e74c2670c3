"""What an account has → a trigger document that does the same, with what could not be carried over said in comments.

What a document may not say is left out: the text is checked beside the documents that there are. Calls nothing of AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import UNIVERSAL_TARGET, Unread
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations.import_text import ImportedTrigger, text_of
from pipeline_triggers.operations.import_values import REFERENCE, LeftOut, event_source, scheduled_source, sources
from pipeline_triggers.operations.inventory import Existing, ExistingRule, ExistingSchedule

MAX_NAME_LENGTH = 64

_EXPRESSION = re.compile(r"(at|rate|cron)\((.+)\)")

# What of a StartPipelineExecution, as a universal target calls it, a document can say.
_CARRIED_OVER = {"PipelineName", "PipelineParameters", "PipelineExecutionDisplayName", "ParallelismConfiguration"}

# EventBridge's and Scheduler's own retries.
_DEFAULT_RETRIES = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


@dataclass(frozen=True, slots=True)
class Imported:
    """The document, and how many triggers it holds; ``left_out`` says what it lacks, and why.

    ``missing`` names the parameters that pipelines need and no schedule or rule sets.
    """

    text: str
    triggers: int
    left_out: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when things are imported.

    ``pipelines`` are the names of the existing pipelines by their lower case, ``required`` the names of the parameters
    without a default by pipeline, as far as they are known.
    """

    home: Home
    pipelines: Mapping[str, str]
    now: datetime
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def document(existing: Iterable[Existing | Unread], file: Path, here: Here) -> Imported:
    """Write what exists as a document for this file, named after its team; the same account gives the same text.

    Raises:
        DocumentsError: something is wrong that has nothing to do with a trigger.

    """
    triggers: list[ImportedTrigger] = []
    left_out: list[str] = []
    for one in sorted(existing, key=str):
        try:
            triggers += _triggers_of(one, here)
        except LeftOut as reason:
            left_out.append(f"{one}: {reason}")
    _name_apart(triggers)
    while triggers and (problems := _problems(file, text_of(triggers, left_out, file.stem, here.home))):
        # A rule is moved whole or not at all: it is removed as a whole.
        refused = [trigger for trigger in triggers if trigger.name in problems]
        left_out += [f"{trigger.origin}: {problems[trigger.name]}" for trigger in refused]
        origins = {trigger.origin for trigger in refused}
        triggers = [trigger for trigger in triggers if trigger.origin not in origins]
    missing = tuple(f"trigger {trigger.name}: {one}" for trigger in triggers for one in trigger.missing)
    text = text_of(triggers, left_out, file.stem, here.home)
    return Imported(text, len(triggers), tuple(left_out), missing)


def _triggers_of(existing: Existing | Unread, here: Here) -> list[ImportedTrigger]:
    if isinstance(existing, Unread):
        raise LeftOut(existing.reason)
    triggers = [_of_schedule(existing, here)] if isinstance(existing, ExistingSchedule) else _of_rule(existing, here)
    for trigger in triggers:
        for pipeline, parameters in trigger.start.items():
            if names := [name for name in here.required.get(pipeline, ()) if name not in parameters]:
                trigger.missing.append(f"{pipeline} requires {', '.join(names)}; add values")
    return triggers


def _problems(file: Path, text: str) -> dict[str, str]:
    """Return what the project's own check says of the document's triggers, by their names."""
    try:
        loader.load(file.parent, {file: text})
    except DocumentsError as error:
        problems: dict[str, str] = {}
        for problem in error.problems:
            section, _, place = problem.field.partition(".")
            name, _, field_name = place.partition(".")
            if problem.file == str(file) and section == "triggers" and name:
                problems.setdefault(name, ": ".join(filter(None, (field_name, problem.message))))
        if not problems:
            raise
        return problems
    return {}


def _of_schedule(existing: ExistingSchedule, here: Here) -> ImportedTrigger:
    details, target, notes = existing.details, existing.details["Target"], list[str]()
    when = _schedule_when(details, here.now, notes)
    values, options = _call(target, notes) if UNIVERSAL_TARGET.fullmatch(target["Arn"]) else (_native(target), {})
    if details.get("ActionAfterCompletion", "NONE") != "NONE":
        notes.append("it is not deleted when it is over")
    if key := details.get("KmsKeyArn"):
        notes.append(f"its input was encrypted with {key}")
    command = f"aws scheduler delete-schedule --group-name {details['GroupName']} --name {details['Name']}"
    return ImportedTrigger(
        name=_slug(details["Name"]),
        origin=str(existing),
        removal=_removal(existing, command),
        when={"schedule": when},
        start={_pipeline(existing.pipeline, here): sources(values, scheduled_source, notes)},
        enabled=existing.enabled,
        description=_description(existing, notes),
        options=options,
        notes=[*notes, *_delivery(target)],
    )


def _schedule_when(details: Mapping[str, Any], now: datetime, notes: list[str]) -> dict[str, Any]:
    """Return the ``schedule`` of a document: the expression, its zone and bounds."""
    when: dict[str, Any] = _when(details["ScheduleExpression"], details.get("ScheduleExpressionTimezone", "UTC"), now)
    for name, moment in (("start", details.get("StartDate")), ("end", details.get("EndDate"))):
        if moment is None or "at" in when:
            continue
        time = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if moment > now:
            when[name] = time
        elif name == "end":
            raise LeftOut(f"its end, {time}, has passed")
        else:
            notes.append(f"its start, {time}, has passed")
    if "rate" in when and "start" not in when:
        notes.append("its rate counts from the deploy")
    if minutes := details["FlexibleTimeWindow"].get("MaximumWindowInMinutes"):
        when["jitter"] = minutes
    return when


def _when(expression: str, zone: str, now: datetime) -> dict[str, str]:
    match = _EXPRESSION.fullmatch(expression.strip())
    if not match:
        raise LeftOut(f"{expression} is not an at, rate or cron expression")
    kind, fields = match[1], match[2].strip()
    try:
        if kind == "at" and datetime.fromisoformat(fields).replace(tzinfo=ZoneInfo(zone)) <= now:
            raise LeftOut(f"{expression} in {zone} has passed")
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise LeftOut(f"{expression} in {zone} can't be read: {error}") from error
    # A rate means the same in every zone.
    return {kind: fields, **({} if kind == "rate" and zone == "UTC" else {"timezone": zone})}


def _call(target: Mapping[str, Any], notes: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the parameters and options of the call that a universal target makes."""
    try:
        call = json.loads(target["Input"])
    except (ValueError, RecursionError) as error:
        raise LeftOut(f"its input is not valid JSON before Scheduler fills it in: {error}") from error
    display_name = call.get("PipelineExecutionDisplayName", "")
    parallelism = call.get("ParallelismConfiguration", {})
    listed = call.get("PipelineParameters", [])
    # Scheduler accepts any JSON; SageMaker refuses other shapes.
    if not (isinstance(display_name, str) and isinstance(parallelism, dict) and _are_parameters(listed)):
        raise LeftOut("SageMaker would refuse its call")
    if others := sorted(call.keys() - _CARRIED_OVER):
        notes.append(f"its call also sets {', '.join(others)}")
    options = {
        "display_name": scheduled_source(display_name) if display_name else None,
        "max_parallel_steps": parallelism.get("MaxParallelExecutionSteps"),
    }
    return _by_name(listed), {name: value for name, value in options.items() if value is not None}


def _are_parameters(listed: Any) -> bool:
    return isinstance(listed, list) and all(
        isinstance(one, dict) and isinstance(one.get("Name"), str) and isinstance(one.get("Value"), str)
        for one in listed
    )


def _native(target: Mapping[str, Any]) -> dict[str, str]:
    return _by_name(target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", []))


def _by_name(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in listed}


def _of_rule(existing: ExistingRule, here: Here) -> list[ImportedTrigger]:
    """Return a trigger for each of the rule's pattern and schedule, and for each set of its pipelines."""
    rule, notes = existing.rule, list[str]()
    if service := rule.get("ManagedBy"):
        raise LeftOut(f"it is managed by {service}")
    if rule["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
        notes.append("it also matched calls that only read")
    if existing.other_targets:
        notes.append(f"its other {existing.other_targets} targets stay as they are")
    description = _description(existing, notes)
    return [
        ImportedTrigger(
            name=_slug(rule["Name"]),
            origin=str(existing),
            removal=_removal(existing, _remove_targets_command(existing)),
            when=when,
            start=start,
            enabled=existing.enabled,
            description=description,
            tags=_tags(existing, when),
            notes=[*notes, *start_notes, *_lost(existing, when, start)],
        )
        for when in _rule_whens(existing)
        for start, start_notes in _starts(existing, here)
    ]


def _lost(existing: ExistingRule, when: Mapping[str, Any], start: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    kept = _tags(existing, when)
    yield from (f"its tag {key}" for key in existing.tags if key not in kept and key[:4] != "aws:")
    if "schedule" in when and any(value.startswith("$.") for values in start.values() for value in values.values()):
        yield "the values of its paths: the event is Scheduler's, with its own source, detail and resources"


def _tags(existing: ExistingRule, when: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a trigger may have: none on a schedule, and none of AWS's own."""
    if "schedule" in when:
        return {}
    return {key: tag for key, tag in existing.tags.items() if key[:4] != "aws:" and REFERENCE not in key + tag}


def _rule_whens(existing: ExistingRule) -> Iterator[dict[str, Any]]:
    """Yield what fires a rule, which may be both a pattern and a schedule."""
    if pattern := existing.rule.get("EventPattern"):
        if REFERENCE in pattern:
            raise LeftOut("its pattern holds ${…}, which a document would take for a stage's value")
        bus = {} if existing.bus == "default" else {"bus": existing.bus}
        yield {"event": {**bus, "pattern": json.loads(pattern)}}
    if expression := existing.rule.get("ScheduleExpression"):
        # A rule's schedule begins at once, is in UTC, and is never a single time.
        yield {"schedule": _when(expression, "UTC", datetime.min.replace(tzinfo=UTC))}


def _starts(existing: ExistingRule, here: Here) -> list[tuple[dict[str, dict[str, str]], list[str]]]:
    """Return what is started, with notes: a trigger starts each pipeline once, a rule may have it twice."""
    starts: list[tuple[dict[str, dict[str, str]], list[str]]] = []
    for target in existing.targets:
        name = _pipeline(target.pipeline, here)
        free = next((one for one in starts if name not in one[0]), None)
        if free is None:
            free = ({}, [])
            starts.append(free)
        start, notes = free
        start[name] = sources(_native(target.target), event_source, notes)
        notes += _delivery(target.target)
        ignored = [member for member in ("Input", "InputPath", "InputTransformer") if member in target.target]
        notes += [f"its {member} has no effect on a pipeline" for member in ignored]
    return starts


def _removal(existing: Existing, command: str) -> str:
    """Say how it is removed; a stack would miss what it owns, or create it again."""
    return f"; {existing.owner}" if existing.owner else f". To remove that: {command}"


def _remove_targets_command(existing: ExistingRule) -> str:
    where = "" if existing.bus == "default" else f" --event-bus-name {existing.bus}"
    name = existing.rule["Name"]
    ids = " ".join(target.target_id for target in existing.targets)
    targets = f"aws events remove-targets --rule {name}{where} --ids {ids}"
    return targets if existing.other_targets else f"{targets} && aws events delete-rule --name {name}{where}"


def _description(existing: Existing, notes: list[str]) -> str:
    if REFERENCE not in existing.description:
        return existing.description
    notes.append(f"its description, {existing.description}")
    return ""


def _delivery(target: Mapping[str, Any]) -> list[str]:
    """Say how a target was delivered to, which the stack does in its own way."""
    notes = []
    if queue := target.get("DeadLetterConfig", {}).get("Arn"):
        notes.append(f"its dead-letter queue was {queue}")
    policy = target.get("RetryPolicy", {})
    for name, default in _DEFAULT_RETRIES.items():
        if policy.get(name, default) != default:
            notes.append(f"its {name} was {policy[name]}")
    return notes


def _pipeline(pipeline: Pipeline, here: Here) -> str:
    if (pipeline.account, pipeline.region.lower()) != (here.home.account, here.home.region):
        raise LeftOut(f"its pipeline {pipeline} is in {pipeline.region} of account {pipeline.account}")
    if pipeline.name.lower() not in here.pipelines:
        raise LeftOut(f"its pipeline {pipeline} does not exist")
    return here.pipelines[pipeline.name.lower()]


def _slug(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return words[:MAX_NAME_LENGTH].strip("-") or "trigger"


def _name_apart(triggers: list[ImportedTrigger]) -> None:
    """Put numbers behind names that would be the same."""
    taken: set[str] = set()
    for trigger in triggers:
        stem, number = trigger.name, 1
        while trigger.name in taken:
            number += 1
            suffix = f"-{number}"
            trigger.name = stem[: MAX_NAME_LENGTH - len(suffix)].strip("-") + suffix
        taken.add(trigger.name)
