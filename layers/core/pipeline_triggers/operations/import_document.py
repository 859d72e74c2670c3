"""What an account has → a trigger document that does the same, with what could not be carried over said in comments.

What a document may not say is left out: the text is checked beside the documents that there are. Asks AWS nothing. What
is written is what people would write: it is theirs from then on.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import UNIVERSAL_TARGET, Unread
from pipeline_triggers.documents import loader, value_check
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations.inventory import Existing, ExistingRule, ExistingSchedule
from pipeline_triggers.text import printable

MAX_NAME_LENGTH = 64
MAX_INLINE = 90  # characters of a mapping on one line

_EXPRESSION = re.compile(r"(at|rate|cron)\((.+)\)")

_REFERENCE = "${"  # to a stage's value, as a document reads it

# What Scheduler puts in, and what says the same in a document; nothing says how often a start was tried.
_ATTRIBUTE = re.compile(r"<aws\.scheduler\.([a-z-]+)>")
_BOUND = {"scheduled-time": "$scheduled.time", "schedule-arn": "$scheduled.arn", "execution-id": "id"}

# What a call of StartPipelineExecution may carry, where a schedule makes it itself.
_CARRIED = {"PipelineName", "PipelineParameters", "PipelineExecutionDisplayName", "ParallelismConfiguration"}

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")


class _LeftOut(Exception):
    """It can't be a trigger; the message says why."""


@dataclass(slots=True)
class _Trigger:
    """A trigger to write: its ``when``, and by pipeline the value sources of the parameters."""

    name: str
    told: str
    remove: str
    when: dict[str, Any]
    start: dict[str, dict[str, str]]
    enabled: bool
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Imported:
    """The document, and how many triggers it holds; ``left_out`` says of what it holds nothing, and why."""

    text: str
    triggers: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when things were found; ``pipelines`` are the names of those that there are, by their lower case."""

    home: Home
    pipelines: Mapping[str, str]
    now: datetime


def document(found: Iterable[Existing | Unread], file: Path, here: Here) -> Imported:
    """Write what was found as a document for this file, named after its team; the same account gives the same text.

    Raises:
        DocumentsError: something is wrong that no trigger is to blame for.

    """
    triggers: list[_Trigger] = []
    left_out: list[str] = []
    for one in sorted(found, key=str):
        try:
            if isinstance(one, Unread):
                raise _LeftOut(one.reason)
            if isinstance(one, ExistingSchedule):
                triggers.append(_of_schedule(one, here))
            else:
                triggers += _of_rule(one, here)
        except _LeftOut as why:
            left_out.append(f"{one}: {why}")
    _name_apart(triggers)
    while triggers and (wrong := _wrong(file, _text_of(triggers, left_out, file.stem, here))):
        # A thing is moved whole or not at all: it is removed as a whole.
        left_out += [f"{trigger.told}: {wrong[trigger.name]}" for trigger in triggers if trigger.name in wrong]
        of_these = {trigger.told for trigger in triggers if trigger.name in wrong}
        triggers = [trigger for trigger in triggers if trigger.told not in of_these]
    return Imported(_text_of(triggers, left_out, file.stem, here), len(triggers), tuple(left_out))


def _wrong(file: Path, text: str) -> dict[str, str]:
    """Return what the project's own check says of the document's triggers, by their names."""
    try:
        loader.load(file.parent, {file: text})
    except DocumentsError as error:
        wrong: dict[str, str] = {}
        for problem in error.problems:
            of, _, place = problem.field.partition(".")
            name, _, field_name = place.partition(".")
            if problem.file == str(file) and of == "triggers" and name:
                wrong.setdefault(name, ": ".join(filter(None, (field_name, problem.message))))
        if not wrong:
            raise
        return wrong
    return {}


def _text_of(triggers: Collection[_Trigger], left_out: Iterable[str], team: str, here: Here) -> str:
    together = Counter(trigger.told for trigger in triggers)
    pipelines = sorted({pipeline for trigger in triggers for pipeline in trigger.start})
    lines = [
        "# yaml-language-server: $schema=../core/pipeline_triggers/schema.json",
        f"# What account {here.home.account} had in {here.home.region}. Look through it, deploy it, and remove what it",
        "# replaces, as each trigger says: until then both run. Names, groups, roles, retries and dead-letter queues",
        "# are the stack's own.",
        *(_comment(f"Left out: {told}") for told in left_out),
        "version: 1",
        f"owner: {_text(team)}",
        f"pipelines: [{', '.join(map(_text, pipelines))}]",
        "triggers:",
        *(line for trigger in triggers for line in _written(trigger, together[trigger.told])),
    ]
    return "\n".join(lines) + "\n"


def _of_schedule(found: ExistingSchedule, here: Here) -> _Trigger:
    answer, notes = found.details, list[str]()
    name, group, target = answer["Name"], answer["GroupName"], answer["Target"]
    values, options = _asked(target, notes)
    when = _when(answer["ScheduleExpression"], answer.get("ScheduleExpressionTimezone", "UTC"), here.now)
    for field_name, moment in (("start", answer.get("StartDate")), ("end", answer.get("EndDate"))):
        if moment is None or "at" in when:
            continue
        told = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if moment > here.now:
            when[field_name] = told
        elif field_name == "end":
            raise _LeftOut(f"its end, {told}, has passed")
        else:
            notes.append(f"its start, {told}, has passed")
    if "rate" in when and "start" not in when:
        notes.append("its rate counts from the deploy")
    if minutes := answer["FlexibleTimeWindow"].get("MaximumWindowInMinutes"):
        when["jitter"] = minutes
    if answer.get("ActionAfterCompletion", "NONE") != "NONE":
        notes.append("it is not deleted when it is over")
    if key := answer.get("KmsKeyArn"):
        notes.append(f"its input was encrypted with {key}")
    return _Trigger(
        name=_slug(name),
        told=str(found),
        remove=_removed(found, f"aws scheduler delete-schedule --group-name {group} --name {name}"),
        when={"schedule": when},
        start={_pipeline(found.pipeline, here): _scheduled_values(values, notes)},
        enabled=found.enabled,
        description=_description(answer, notes),
        options=options,
        notes=[*notes, *_delivery(target)],
    )


def _when(expression: str, zone: str, now: datetime) -> dict[str, str]:
    found = _EXPRESSION.fullmatch(expression.strip())
    if not found:
        raise _LeftOut(f"{expression} is none of at, rate and cron")
    kind, fields = found[1], found[2].strip()
    try:
        if kind == "at" and datetime.fromisoformat(fields).replace(tzinfo=ZoneInfo(zone)) <= now:
            raise _LeftOut(f"{expression} in {zone} has passed")
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise _LeftOut(f"{expression} in {zone} can't be read: {error}") from error
    # What happens again after so long knows no clock.
    return {kind: fields, **({} if kind == "rate" and zone == "UTC" else {"timezone": zone})}


def _asked(target: Mapping[str, Any], notes: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return a schedule's parameters as Scheduler writes them, and the options of what it starts."""
    if not UNIVERSAL_TARGET.fullmatch(target["Arn"]):
        return _native(target), {}
    try:
        call = json.loads(target["Input"])
    except (ValueError, RecursionError) as error:
        raise _LeftOut(f"its input is JSON only when Scheduler has filled it in: {error}") from error
    if dropped := sorted(call.keys() - _CARRIED):
        notes.append(f"its call sets {', '.join(dropped)} as well")
    # Scheduler takes any JSON here; SageMaker refuses what has another shape.
    match {"PipelineExecutionDisplayName": "", "ParallelismConfiguration": {}, "PipelineParameters": [], **call}:
        case {
            "PipelineExecutionDisplayName": str(display_name),
            "ParallelismConfiguration": dict(parallelism),
            "PipelineParameters": list(listed),
        } if all(isinstance(one, dict) and _is_parameter(one) for one in listed):
            options = {
                "display_name": _scheduled_value(display_name),
                "max_parallel_steps": str(parallelism.get("MaxParallelExecutionSteps", "")),
            }
            return _listed(listed), {name: value for name, value in options.items() if value}
    raise _LeftOut("its call is none that SageMaker takes")


def _is_parameter(one: Mapping[str, Any]) -> bool:
    return isinstance(one.get("Name"), str) and isinstance(one.get("Value"), str)


def _native(target: Mapping[str, Any]) -> dict[str, str]:
    return _listed(target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", []))


def _listed(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in listed}


def _of_rule(found: ExistingRule, here: Here) -> list[_Trigger]:
    rule = found.rule
    if service := rule.get("ManagedBy"):
        raise _LeftOut(f"it belongs to {service}")
    notes = []
    if rule["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
        notes.append("it matched calls that only read as well")
    if found.other_targets:
        notes.append(f"its other {found.other_targets} targets stay as they are")
    description = _description(rule, notes)
    return [
        _Trigger(
            name=_slug(rule["Name"]),
            told=str(found),
            remove=_removed(found, _remove_targets(found)),
            when=when,
            start=start,
            enabled=found.enabled,
            description=description,
            tags=tags,
            notes=[*notes, *told, *_lost(found, when, start, tags)],
        )
        for when in _whens(found)
        for tags in [_tags(found, when)]
        for start, told in _starts(found, here)
    ]


def _lost(
    found: ExistingRule, when: Mapping[str, Any], start: Mapping[str, Mapping[str, str]], tags: Mapping[str, str]
) -> Iterator[str]:
    yield from (f"its tag {key}" for key in found.tags if key not in tags and key[:4] != "aws:")
    if "schedule" in when and any(value.startswith("$.") for values in start.values() for value in values.values()):
        yield "what its paths lead to: the event is Scheduler's, with its source, detail and resources"


def _tags(found: ExistingRule, when: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a trigger may have: none on a schedule, and none of AWS's own."""
    if "schedule" in when:
        return {}
    return {key: tag for key, tag in found.tags.items() if key[:4] != "aws:" and _REFERENCE not in key + tag}


def _whens(found: ExistingRule) -> Iterator[dict[str, Any]]:
    """Give what fires a rule, which may be both a pattern and a schedule."""
    if pattern := found.rule.get("EventPattern"):
        if _REFERENCE in pattern:
            raise _LeftOut("its pattern holds ${…}, which a document would take for a value of its stage")
        bus = {} if found.bus == "default" else {"bus": found.bus}
        yield {"event": {**bus, "pattern": json.loads(pattern)}}
    if expression := found.rule.get("ScheduleExpression"):
        # A rule's schedule begins at once and knows no other zone, and no single time.
        yield {"schedule": _when(expression, "UTC", datetime.min.replace(tzinfo=UTC))}


def _starts(found: ExistingRule, here: Here) -> list[tuple[dict[str, dict[str, str]], list[str]]]:
    """Return what is started, with notes: a trigger starts each pipeline once, a rule may have it twice."""
    starts: list[tuple[dict[str, dict[str, str]], list[str]]] = []
    for target in found.targets:
        name = _pipeline(target.pipeline, here)
        free = next((one for one in starts if name not in one[0]), None)
        if free is None:
            free = ({}, [])
            starts.append(free)
        start, notes = free
        start[name] = _event_values(_native(target.target), notes)
        notes += _delivery(target.target)
        ignored = [member for member in ("Input", "InputPath", "InputTransformer") if member in target.target]
        notes += [f"its {member} has no effect on a pipeline" for member in ignored]
    return starts


def _removed(found: Existing, command: str) -> str:
    """Say how it is removed; what a stack owns, the stack would miss, or make again."""
    return f"; {found.owner}" if found.owner else f". To remove that: {command}"


def _remove_targets(found: ExistingRule) -> str:
    where = "" if found.bus == "default" else f" --event-bus-name {found.bus}"
    name = found.rule["Name"]
    ids = " ".join(target.target_id for target in found.targets)
    targets = f"aws events remove-targets --rule {name}{where} --ids {ids}"
    return targets if found.other_targets else f"{targets} && aws events delete-rule --name {name}{where}"


def _description(answer: Mapping[str, Any], notes: list[str]) -> str:
    description: str = answer.get("Description", "")
    if _REFERENCE not in description:
        return description
    notes.append(f"its description, {description}")
    return ""


def _delivery(target: Mapping[str, Any]) -> list[str]:
    """Say what was asked of a target's delivery, which is the stack's own matter now."""
    notes = []
    if queue := target.get("DeadLetterConfig", {}).get("Arn"):
        notes.append(f"its dead-letter queue was {queue}")
    policy = target.get("RetryPolicy", {})
    # What AWS takes when nothing is said.
    given = {name: policy[name] for name, default in _RETRIES.items() if policy.get(name, default) != default}
    return [*notes, *(f"its {name} was {value}" for name, value in given.items())]


_RETRIES = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def _pipeline(found: Pipeline, here: Here) -> str:
    if (found.account, found.region.lower()) != (here.home.account, here.home.region):
        raise _LeftOut(f"its pipeline {found.name} is in {found.region} of account {found.account}")
    if found.name.lower() not in here.pipelines:
        raise _LeftOut(f"its pipeline {found.name} does not exist")
    return here.pipelines[found.name.lower()]


# ---- values


def _scheduled_values(values: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    return _sources(values, _scheduled_value, notes)


def _event_values(values: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    return _sources(values, _event_value, notes)


def _sources(values: Mapping[str, str], write: Callable[[str], str], notes: list[str]) -> dict[str, str]:
    written = {}
    for name, value in values.items():
        try:
            if not value:
                raise _LeftOut("SageMaker refuses what is empty")
            written[name] = write(value)
        except _LeftOut as why:
            notes.append(f"its parameter {name} = {value}: {why}")
    return written


def _scheduled_value(text: str) -> str:
    """Write what Scheduler would send: its texts are literals but for what it puts in."""
    parts = _ATTRIBUTE.split(text)
    if len(parts) == 1:
        return _literal(text)
    if unknown := [name for name in parts[1::2] if name not in _BOUND]:
        raise _LeftOut(f"nothing says what <aws.scheduler.{unknown[0]}> was")
    pieces = [_BOUND[part] if at % 2 else _string(part) for at, part in enumerate(parts) if at % 2 or part]
    return f"{{% {' & '.join(pieces)} %}}"


def _event_value(text: str) -> str:
    """Write what a rule would send: a path into the event, or a literal."""
    if not text.startswith("$."):
        return _literal(text)
    if wrong := value_check.check(text, None):
        raise _LeftOut(f"it {wrong}")
    return text


def _literal(text: str) -> str:
    """Write a text that a document would take for something else as an expression."""
    if text and (text.startswith("$.") or "{%" in text or _REFERENCE in text or value_check.check(text, None)):
        return f"{{% {_string(text)} %}}"
    return text


def _string(text: str) -> str:
    """Write a text in JSONata, so that nothing in it reads as a reference or as the end of the expression."""
    pieces = re.split(r"(?<=\$)(?=\{)|(?<=%)(?=\})|(?<=\{)(?=%)", text)
    return " & ".join(json.dumps(piece, ensure_ascii=False) for piece in pieces)


# ---- YAML


def _slug(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return words[:MAX_NAME_LENGTH].strip("-") or "trigger"


def _name_apart(triggers: list[_Trigger]) -> None:
    """Put numbers behind names that would be the same."""
    taken: set[str] = set()
    for trigger in triggers:
        stem, number = trigger.name, 1
        while trigger.name in taken:
            number += 1
            suffix = f"-{number}"
            trigger.name = stem[: MAX_NAME_LENGTH - len(suffix)].strip("-") + suffix
        taken.add(trigger.name)


def _written(trigger: _Trigger, together: int) -> Iterator[str]:
    """Write a trigger that is one of so many that a thing became."""
    became = f", which became {together} triggers: move all of them first" if together > 1 else ""
    yield f"  {trigger.name}:"
    yield f"    {_comment(f'Was {trigger.told}{became}{trigger.remove}')}"
    yield from (f"    {_comment(f'Not carried over: {note}')}" for note in trigger.notes)
    if trigger.description:
        yield f"    description: {_text(trigger.description)}"
    if not trigger.enabled:
        yield "    enabled: false"
    yield from _tree("when", trigger.when, 4)
    if len(trigger.start) == 1:
        ((pipeline, values),) = trigger.start.items()
        yield f"    start: {_text(pipeline)}"
        if values:
            yield "    parameters:"
            yield from _block(values, 6)
    else:
        yield "    start:"
        for pipeline, values in trigger.start.items():
            yield f"      {_text(pipeline)}:" if values else f"      {_text(pipeline)}: {{}}"
            yield from _block(values, 8)
    yield from _block(trigger.options, 4)
    if trigger.tags:
        yield "    tags:"
        yield from _block(dict(sorted(trigger.tags.items())), 6)


def _comment(text: str) -> str:
    """Write a comment of one line, whatever others wrote into it."""
    return f"# {printable(' '.join(text.split()))}"


def _block(values: Mapping[str, str], indent: int) -> Iterator[str]:
    return (f"{' ' * indent}{_text(name)}: {_text(value)}" for name, value in values.items())


def _tree(name: str, value: Any, indent: int) -> Iterator[str]:
    """Write a mapping between braces while it is short; numbers and texts stay as apart as they are in JSON."""
    flow = _flow(value)
    if not isinstance(value, dict) or len(flow) <= MAX_INLINE:
        yield f"{' ' * indent}{_text(name)}: {flow}"
        return
    yield f"{' ' * indent}{_text(name)}:"
    for inner, below in value.items():
        yield from _tree(inner, below, indent + 2)


def _flow(value: Any) -> str:
    match value:
        case dict():
            return f"{{{', '.join(f'{_text(name)}: {_flow(below)}' for name, below in value.items())}}}"
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case str():
            return _text(value)
        case _:
            return json.dumps(value)


def _text(text: str) -> str:
    """Write a scalar: as it is where nobody could misread it, else in quotes."""
    # Outside of ASCII JSON leaves all as it is, and YAML does not take all; both read the same escapes.
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if is_plain else printable(json.dumps(text, ensure_ascii=False))


_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
