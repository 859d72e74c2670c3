"""Plays the documents' examples without an account: an event of each → what its trigger would do.

Whether a rule matches is the embedded AWS's word, or EventBridge's own; all else is what the handlers run.
"""

from __future__ import annotations

import http
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.batches.deployed import variables
from pipeline_triggers.batches.manifest import files, newest, view
from pipeline_triggers.batches.models import Batch, Member
from pipeline_triggers.delivery.admission import match_fields, meet_condition
from pipeline_triggers.delivery.collecting import kept
from pipeline_triggers.delivery.requests import targets
from pipeline_triggers.documents.examples import Example, event_of, view_of
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.documents.section import EXAMPLES
from pipeline_triggers.errors import Filtered, Problem, Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import batch_values, lookups, sources
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.stages import resolve, resolve_all, resolve_trigger
from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.starts.plan import plan

# Says whether an event pattern matches an event.
Matches = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]

STACK = "examples"


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an example: its outcome, its starts with all parameters, the reason, and what identifies it."""

    outcome: str
    starts: tuple[tuple[str, Mapping[str, str]], ...] = ()
    reason: str = ""
    tokens: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """An example, what came of it, and how that differs from what the document says, "" where it does not."""

    example: Example
    came: Came
    difference: str


def offline() -> Matches:
    """Return EventBridge's matching as the embedded AWS has it.

    Raises:
        Rejected: the embedded AWS is not installed.

    """
    try:
        from ministack.services import eventbridge as engine
    except ImportError as error:
        remedy = "install pipeline-triggers[test], or use --aws"
        raise Rejected(f"the embedded AWS, which says whether a rule matches, is not installed; {remedy}") from error

    def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
        request = {"EventPattern": json.dumps(pattern), "Event": json.dumps(event)}
        status, _, body = engine._test_event_pattern(request)
        answer = json.loads(body)
        if status != http.HTTPStatus.OK:
            raise Rejected(f"EventBridge would refuse the pattern: {answer['message']}")
        return bool(answer["Result"])

    return matches


def asked(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Ask EventBridge itself whether a pattern matches (TestEventPattern)."""
    return aws.events().test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"]


def play(documents: Documents, stage: str, matches: Matches) -> Iterator[Result]:
    """Play the examples of all documents as a stage sees them, in the documents' order."""
    values = stage_values(documents, stage)
    for written in documents.triggers:
        trigger = resolve_trigger(written, values)
        seen: set[str] = set()
        for example in documents.examples.get(trigger.id, ()):
            came = outcome(trigger, example, matches, values)
            if came.tokens and came.tokens <= seen:
                came = Came("duplicate", reason="of an example above")
            seen |= came.tokens
            yield Result(example, came, difference(example, came, values))


def stage_values(documents: Documents, stage: str) -> dict[str, str]:
    """Return what stands for each ``${Name}`` while examples are played."""
    return {"AWS::Partition": "aws", **EXAMPLES, **documents.stages[stage]}


def problem(documents: Documents, result: Result) -> Problem:
    """Return what is wrong with an example, with its file and line."""
    return documents.problem(result.example.trigger, result.example.path, result.difference)


# Whole events, each with the part that it is, "" where its trigger has one source.
Events = Sequence[tuple[str, Mapping[str, Any]]]


def outcome(trigger: Trigger, example: Example, matches: Matches, values: Mapping[str, str]) -> Came:
    """Return what comes of an example."""
    try:
        events = events_of(trigger, example, values)
    except Rejected as error:
        return Came("rejected", reason=str(error))
    return came_of(trigger, events, matches, values)


def events_of(trigger: Trigger, example: Example, values: Mapping[str, str]) -> Events:
    """Return the whole events of an example of a trigger.

    Raises:
        Rejected: a file can't be read, or the changes name what such an event does not have.

    """
    views = [view_of(trigger, resolve_all(given, values)) for given in example.events]
    return [(view.part, event_of(example, changes, view)) for view, changes in views]


def came_of(trigger: Trigger, events: Events, matches: Matches, values: Mapping[str, str]) -> Came:
    """Return what comes of events that reach a trigger."""
    try:
        arrived = [_arrived(trigger, part, event, matches, values) for part, event in events]
        occurrences = [_batch(trigger, arrived)] if trigger.collect else [occurrence for _, occurrence in arrived]
        runs = [
            plan(trigger, position, occurrence, STACK)
            for occurrence in occurrences
            for position in targets(trigger, occurrence)
        ]
    except Filtered as error:
        return Came("ignored", reason=str(error))
    except Rejected as error:
        return Came("rejected", reason=str(error))
    starts = tuple((run.pipeline, run.parameters) for run in runs)
    return Came("starts", starts, tokens=frozenset(run.token for run in runs))


def _arrived(
    trigger: Trigger, part: str, event: Mapping[str, Any], matches: Matches, values: Mapping[str, str]
) -> tuple[Trigger, Occurrence]:
    """Return an event, and the trigger as its source sees it.

    Raises:
        Filtered: the trigger does not ask for it.
        Rejected: it can't be judged.

    """
    view = trigger.view(part)
    if view is None:
        raise Filtered(f"the trigger has no part {part}" if part else "the trigger has several sources")
    occurrence = _occurrence(view, event, matches, values)
    match_fields(view, occurrence)
    meet_condition(view, occurrence)
    return view, occurrence


def _batch(trigger: Trigger, arrived: Sequence[tuple[Trigger, Occurrence]]) -> Occurrence:
    """Return the batch that the events of an example make, as its expressions see it.

    Raises:
        Filtered: it lacks parts, or ``only_if`` is false.
        Rejected: something can't be computed, or the events belong to several batches.

    """
    several = sorted({batch_values.by(seen, occurrence) for seen, occurrence in arrived})
    if len(several) > 1:
        raise Rejected(f"the events make {len(several)} batches, {', '.join(several)}; write an example for each")
    (by,) = several
    members = [
        Member(
            mark=json.dumps(occurrence.identity),
            part=batch_values.part(seen, occurrence),
            at=str(occurrence.event.get("time", "")),
            depth=occurrence.depth,
            data=kept(seen, occurrence),
        )
        for seen, occurrence in arrived
    ]
    batch = Batch("example", trigger.id, by, targets=(), expect=batch_values.expect(trigger, by))
    in_order = newest(members)
    made = {name: f"s3://examples/{file.key}" for name, file in files(batch, in_order).items()}
    seen_as = view(batch, in_order)
    ends = {"first": variables(seen_as.first), "last": variables(seen_as.last)}
    of_batch = batch_values.of_batch(asdict(seen_as) | made | ends)
    if missing := of_batch.bindings["batch"]["missing"]:
        raise Filtered(f"the batch waits; it lacks {missing if isinstance(missing, int) else ', '.join(missing)}")
    if not batch_values.starts(trigger, of_batch):
        raise Filtered("collect.only_if is false")
    return of_batch


def _occurrence(trigger: Trigger, event: Mapping[str, Any], matches: Matches, values: Mapping[str, str]) -> Occurrence:
    """Read an event as the trigger's handler does, with samples of what that would look up.

    Raises:
        Filtered: the trigger's rule does not match it.
        Rejected: it can't be read.

    """
    if trigger.when.source == "sns":
        (arrival, *_) = from_topic(None, json.dumps(event), {trigger.id: trigger})
        return arrival.occurrence()
    pattern = sources.pattern(trigger.when, lambda text: resolve(text, values))
    if pattern is not None and not matches(pattern, event):
        raise Filtered("the rule's pattern does not match")
    read = eventbridge.read(event, trigger.when.source)
    occurrence = SOURCES[trigger.when.source].complete(read, trigger.when.fields)
    of_sample = sample(trigger.when)
    bindings = {
        **(of_sample.bindings if of_sample else {}),
        **{
            name: {**lookups.samples(name, trigger.when.source), **fields}
            for name, fields in occurrence.bindings.items()
        },
    }
    return replace(occurrence, bindings=bindings)


def difference(example: Example, came: Came, values: Mapping[str, str]) -> str:
    """Say how what came of an example differs from what the document says, "" where it does not."""
    if came.outcome != example.outcome:
        return f"expected {example.outcome}, but the event {words_of(came)}"
    if example.words and example.words.lower() not in came.reason.lower():
        return f"expected a reason with {example.words!r}, but it is {came.reason!r}"
    if example.outcome != "starts":
        return ""
    expected = [pipeline for pipeline, _ in example.starts]
    started = [pipeline for pipeline, _ in came.starts]
    if sorted(resolve(pipeline, values) for pipeline in expected) != sorted(started):
        return f"expected to start {', '.join(expected)}, but the event starts {', '.join(started)}"
    left = list(came.starts)
    for pipeline, parameters in example.starts:
        wanted = {name: resolve(value, values) for name, value in parameters.items()}
        differences = [(one, _differing(wanted, one[1])) for one in left if one[0] == resolve(pipeline, values)]
        nearest, differing = min(differences, key=lambda pair: len(pair[1]))
        if differing:
            return f"{pipeline}: {'; '.join(differing)}"
        left.remove(nearest)
    return ""


def _differing(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is {actual[name]!r}, not {value!r}" if name in actual else f"{name} is not set"
        for name, value in expected.items()
        if actual.get(name) != value
    ]


_IS = {"ignored": "is ignored", "rejected": "is rejected", "duplicate": "is a duplicate"}


def words_of(came: Came) -> str:
    """Say what came of an event."""
    if came.outcome == "starts":
        return f"starts {', '.join(pipeline for pipeline, _ in came.starts)}"
    return f"{_IS[came.outcome]}: {came.reason}"
