"""What must hold at the end of a history of batches."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_triggers.batches import items, rules
from pipeline_triggers.batches.services import Notice
from pipeline_triggers.batches.store import KEPT_MARKS

from tests.simulation.batch_history import DAY, DRY, History
from tests.simulation.batch_world import CLOCKS

JOINED = {"COLLECTED", "DUPLICATE"}
SLACK = 700  # seconds between a decision and its start (a function's time), and clocks that differ


def wrong(history: History) -> list[str]:
    """Say what does not hold."""
    return sorted({problem for check in CHECKS for problem in check(history)})


def _batch_of(item: Mapping[str, Any]) -> str:
    return str(item["pk"]).removeprefix("batch#")


def _members(history: History) -> dict[str, list[str]]:
    """Return the batches in which each event is."""
    batches = defaultdict(list)
    for item in history.world.table.items("batch#"):
        if item["sk"] != "batch":
            data = json.loads(item["data"])
            batches[f"{data['key']}#{data['sequencer']}"].append(_batch_of(item))
    return batches


def _joined(history: History) -> dict[str, set[str]]:
    """Return the batches of which it was reported that each event is in them."""
    about = {
        event: [one for one in notices if one.outcome in JOINED] for event, notices in history.world.verdicts.items()
    }
    return {event: {one.batch for one in notices if one.batch} for event, notices in about.items()}


def _events(history: History) -> Iterator[str]:
    """Each event has a verdict, those collected one batch, in which they are; no batch holds too many."""
    members, joined = _members(history), _joined(history)
    for upload in history.uploads:
        # Of two messages of an event one may be given up after six crashes, and the other one start.
        about = [one for one in history.world.verdicts[upload.id] if "crashed or timed out" not in one.reason]
        verdicts = {notice.outcome for notice in about or history.world.verdicts[upload.id]}
        if not verdicts:
            yield "an event without a verdict"
        if len(verdicts - {"WAITING", "DUPLICATE"}) > 1 and not history.changed_documents:
            yield "verdicts contradict each other"
        if len(joined.get(upload.id, ())) > 1:
            yield "an event was said to be in two batches"
        if len(members[upload.id]) > 1:
            yield "an event in two batches"
        if "COLLECTED" in verdicts and set(members[upload.id]) != joined[upload.id]:
            yield "an event is not in its batch"
        if not verdicts & JOINED and members[upload.id] and not history.changed_documents:
            yield "an event in a batch without a verdict"


def _sizes(history: History) -> Iterator[str]:
    """No batch holds more events than its rules allow, and a full one holds exactly that many."""
    members = Counter(batch for batches in _members(history).values() for batch in batches)
    for item in history.world.table.items("batch#"):
        if item["sk"] == "batch":
            collect = history.deployed[item["trigger"]].collect
            if collect and item["expect"] is None and members[_batch_of(item)] > collect.max_events:
                yield "a batch above max_events"


def _joins(history: History) -> Iterator[str]:
    """A join has one first revision, and what is remembered of it holds the expected parts of all its batches."""
    table = history.world.table
    parts = defaultdict(set)
    for item in table.items("batch#"):
        if item["sk"] != "batch":
            parts[item["pk"].removeprefix("batch#")].add(item.get("part", ""))
    firsts: Counter[tuple[str, str]] = Counter()
    for item in table.items("batch#"):
        collect = history.deployed[item["trigger"]].collect if item["sk"] == "batch" else None
        if collect and collect.expect is not None and collect.late == "all":
            firsts[item["trigger"], item["by"]] += item["revision"] == 1
    if not history.changed_documents and not history.dropped and any(count > 1 for count in firsts.values()):
        yield "a late part without its batch"
    for item in table.items("last"):
        expected: set[str] = set()
        batch = item["id"]
        while batch:
            expected |= parts[batch]
            batch = table.partitions[f"batch#{batch}"]["batch"]["previous"]
        expect, remembered = items.last(item).expect, items.last(item).parts
        if rules.lacking(expect, remembered) != rules.lacking(expect, frozenset(expected)) or remembered - expected:
            yield "a part that nothing remembers"


def _ends(history: History) -> Iterator[str]:
    """Each execution of ours that ended an hour ago has its end in the records, while they are kept, and reported."""
    world = history.world
    noted = {item["execution_arn"] for item in world.history.items("end#")}
    for execution in world.executions:
        if execution.ours and world.now - 89 * 86400 < execution.ends_at < world.now - 3600:
            if execution.arn not in noted:
                yield "a run without its end"
            elif not world.ends[execution.arn]:
                yield "an end that was not reported"


def _final(history: History) -> Mapping[tuple[str, str], list[Notice]]:
    notices = defaultdict(list)
    for _, notice in history.world.log:
        if notice.outcome != "MISSED":
            notices[notice.batch, notice.pipeline].append(notice)
    return notices


def _endings(history: History) -> Iterator[str]:
    """Each batch ends once for each of its pipelines, as reported, with an execution or none."""
    world = history.world
    notices = _final(history)
    started = Counter(one.token for one in world.executions if one.ours)
    if any(count > 1 for count in started.values()):
        yield "started twice"
    for item in world.table.items("open"):
        slot = items.slot(item)
        removed = slot.trigger not in history.world.triggers
        if removed or not slot.rules.is_join or slot.previous or slot.is_due or not rules.missing(slot):
            yield "a batch that stays open"
    if any(True for _ in world.table.items("queue#")):
        yield "a ticket that waits forever"
    if any(item["phase"] != "running" for item in world.table.items("running#")):
        yield "a turn without an end"
    arns = {one.arn for one in world.executions}
    for item in world.table.items("batch#"):
        if item["sk"] != "batch":
            continue
        batch = items.batch(item)
        if set(batch.ends) != {target.key for target in batch.targets}:
            yield "a batch without an end"
        for key, end in batch.ends.items():
            reported = notices.get((batch.id, key.partition("#")[0]), [])
            if end["outcome"] not in {notice.outcome for notice in reported}:
                yield "a final verdict that was not reported"
            if end["outcome"] == "STARTED" and end["execution"] not in arns:
                yield "STARTED without an execution"
    noted = {end.get("execution") for item in world.table.items("batch#") for end in item.get("ends", {}).values()}
    if any(one.ours and one.arn not in noted | _at_once(history) for one in world.executions):
        yield "an execution that nothing notes"


def _at_once(history: History) -> set[str]:
    """Return the executions that started without a batch."""
    return {notice.execution for notices in history.world.verdicts.values() for notice in notices if not notice.batch}


def _verdicts(history: History) -> Iterator[str]:
    """No two verdicts of one batch and target contradict each other, and without crashes there is only one."""
    batches = {
        item["pk"][6:]: items.batch(item) for item in history.world.table.items("batch#") if item["sk"] == "batch"
    }
    for (batch, pipeline), notices in _final(history).items():
        targets = sum(target.pipeline == pipeline for target in batches[batch].targets) if batch in batches else 1
        if len({(notice.outcome, notice.execution) for notice in notices}) > max(1, targets):
            yield "verdicts contradict each other"
        if len(notices) > targets and history.is_calm:
            yield "a verdict reported twice"
    rejected = {key for key, notices in _final(history).items() if any(one.outcome == "REJECTED" for one in notices)}
    letters = {(ticket.batch, ticket.target.pipeline) for ticket in history.world.rejected_tickets()}
    if {key for key in rejected if not _is_dry(history, key[0])} - letters:
        yield "a rejection without its dead letter"
    if letters - rejected:
        yield "a dead letter without its rejection"


def _given_up(history: History) -> Iterator[str]:
    """What only waits is not rejected: neither for crashes that were none, nor before its age."""
    faults = history.world.faults
    crashed = faults.kill or faults.slow or history.world.planned
    rejections = [notice for _, notice in history.world.log if notice.outcome == "REJECTED"]
    if not crashed and any("crashed" in notice.reason for notice in rejections):
        yield "given up early"
    reasons = [letter["MessageAttributes"]["reason"]["StringValue"] for letter in history.world.letters]
    if any(reason.startswith(("not done in", "could not be started within")) for reason in reasons):
        yield "given up early"


def _is_dry(history: History, batch: str) -> bool:
    return bool(history.world.table.partitions[f"batch#{batch}"]["batch"]["trigger"] == DRY)


def _manifests(history: History) -> Iterator[str]:
    """Each execution got each key of its batch once, of a correction also those of the batches before."""
    table = history.world.table
    uploads = {upload.id: upload for upload in history.uploads}
    by_batch = defaultdict(set)
    for event, batches in _members(history).items():
        for batch in batches:
            by_batch[batch].add(event)
    for execution in history.world.executions:
        if "Manifest" not in execution.parameters:
            continue
        events: set[str] = set()
        batch = execution.parameters["Batch"]
        while batch:
            events |= by_batch[batch]
            batch = table.partitions[f"batch#{batch}"]["batch"]["previous"]
        keys = {uploads[event].key for event in events}
        content = json.loads(history.world.objects[execution.parameters["Manifest"]])
        if content != [{"prefix": "s3://raw/"}, *sorted(keys)]:
            yield "a manifest that is not its batch"
        newest: dict[str, str] = {}
        for event in events:
            newest[uploads[event].key] = max(newest.get(uploads[event].key, ""), uploads[event].sequencer)
        lines = [json.loads(line) for line in history.world.objects[execution.parameters["Events"]].splitlines()]
        if sorted((line["key"], line["sequencer"]) for line in lines) != sorted(newest.items()):
            yield "a list of events that is not its batch"
        if execution.parameters["Count"] != str(len(keys)):
            yield "a count that is not its batch's"


def _limits_hold(history: History) -> Iterator[str]:
    """No start of ours is above a limit."""
    world = history.world
    if any(one.over for one in world.executions):
        yield "above max_running"
    forced = history.forced or history.changed_documents
    slack = 2 * CLOCKS + 10 if history.is_calm else SLACK
    for pipeline, limits in world.limits.items():
        times = sorted(one.created_at for one in world.executions if one.ours and one.pipeline == pipeline)
        between = [later - earlier for earlier, later in itertools.pairwise(times)]
        if limits.min_interval and not forced and any(gap < limits.min_interval - slack for gap in between):
            yield "within min_interval"
        if (most := limits.max_per_day) and not forced:
            span = zip(times, times[most:], strict=False)
            if any(b - a < DAY - slack for a, b in span):
                yield "above max_per_day"
    for trigger, times in _starts(history).items():
        most = history.deployed[trigger].max_starts
        hours = Counter(int(time // 3600) for time in times if slack < time % 3600 < 3600 - slack)
        if any(count > most for count in hours.values()):
            yield "above max_starts"
    if world.invalid:
        yield "a call that SageMaker does not take"
    if world.unexpected:
        yield "an exception that nothing explains"


def _starts(history: History) -> Mapping[str, list[float]]:
    """Return when executions of each trigger started."""
    world = history.world
    created = {one.arn: one.created_at for one in world.executions}
    notices = [notice for _, notice in world.log] + [one for about in world.verdicts.values() for one in about]
    starts = {(one.trigger, one.execution) for one in notices if one.outcome == "STARTED"}
    times = defaultdict(list)
    for trigger, execution in starts:
        times[trigger].append(created[execution])
    return times


def _pauses_hold(history: History) -> Iterator[str]:
    """Nothing starts while it is paused."""
    world = history.world
    triggers = {
        end.get("execution"): item["trigger"]
        for item in world.table.items("batch#")
        for end in item.get("ends", {}).values()
    }
    for kind, name, begins, ends in history.paused:
        for one in world.executions:
            concerned = {"all": True, "pipeline": one.pipeline == name, "trigger": triggers.get(one.arn) == name}[kind]
            if one.ours and concerned and begins < one.created_at < ends:
                yield "started while paused"


def _order(history: History) -> Iterator[str]:
    """Batches of a trigger start in the order in which they became due."""
    world = history.world
    if history.forced:
        return
    ready = {}
    for item in world.table.items("batch#"):
        if item["sk"] == "batch":
            ready[item["pk"][6:]] = item
    due: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for (batch, key), at in history.world.table.queued.items():
        end = ready.get(batch, {}).get("ends", {}).get(key)
        if end and end["outcome"] == "STARTED":
            started = next(one for one in world.executions if one.arn == end["execution"])
            if started.created_at > at - 2 * CLOCKS:  # else it was started at once, before it waited
                due[ready[batch]["trigger"], key].append((at, started.created_at))
    for times in due.values():
        for at, created in times:
            if any(
                other_at < at - (400 if world.faults.slow else 130) and other > created for other_at, other in times
            ):
                yield "out of order"


def _deadlines(history: History) -> Iterator[str]:
    """Each missed deadline is reported once, unless a function crashed while it reported."""
    missed = Counter(
        (notice.trigger, notice.batch, notice.by) for _, notice in history.world.log if notice.outcome == "MISSED"
    )
    if history.is_calm and any(count > 1 for count in missed.values()):
        yield "MISSED twice"
    if history.changed_documents or history.dropped or history.forced:
        return
    for name, moment in history.asked:
        for day in history.days:
            in_time = _parts_by(history, name, day, moment - 2 * CLOCKS)
            if not rules.lacking(_expect(history, name), frozenset(in_time)) and missed[name, "", day]:
                yield "MISSED though complete"
            ever = _parts_by(history, name, day, float("inf"))
            if rules.lacking(_expect(history, name), frozenset(ever)) and not missed[name, "", day]:
                yield "no MISSED"
    for item in history.world.table.items("open"):
        slot = items.slot(item)
        if slot.rules.deadline_after is not None and not slot.previous and not missed[slot.trigger, slot.id, slot.by]:
            yield "no MISSED"


def _expect(history: History, trigger: str) -> tuple[str, ...] | int:
    collect = history.deployed[trigger].collect
    assert collect
    assert isinstance(collect.expect, tuple | int)
    return collect.expect


def _parts_by(history: History, trigger: str, day: str, moment: float) -> set[str]:
    """Return the parts that were joined before a moment."""
    parts = set()
    for item in history.world.table.items("event#"):
        upload = history.messages[item["message"]]
        if (upload.trigger, upload.by) == (trigger, day) and item["expires"] - KEPT_MARKS <= moment:
            parts.add(upload.part)
    return parts


CHECKS = (
    _events,
    _endings,
    _ends,
    _verdicts,
    _sizes,
    _joins,
    _manifests,
    _limits_hold,
    _pauses_hold,
    _order,
    _deadlines,
    _given_up,
)


def left_after_90_days(history: History) -> list[str]:
    """Say what is kept that nothing needs any more; an open join keeps the batches that it may correct."""
    kinds = {item["pk"].partition("#")[0] for item in history.world.table.items()}
    if "open" in kinds:
        return []
    return ["kept for ever"] if kinds & {"batch", "kept", "last", "event", "missed", "queue"} else []


# All that these checks may say, the guarantees first.
WRONG = (
    *("an event without a verdict", "an event in a batch without a verdict", "an event is not in its batch"),
    *("an event was said to be in two batches", "an event in two batches", "started twice", "above max_running"),
    *("a manifest that is not its batch", "a list of events that is not its batch", "a count that is not its batch's"),
    *("a batch without an end", "a final verdict that was not reported", "verdicts contradict each other"),
    *("a verdict reported twice", "no MISSED", "MISSED twice", "MISSED though complete"),
    *("a batch that stays open", "a ticket that waits forever", "a turn without an end", "a batch above max_events"),
    *("a late part without its batch", "a part that nothing remembers", "STARTED without an execution"),
    *("an execution that nothing notes", "a rejection without its dead letter", "a dead letter without its rejection"),
    *("within min_interval", "above max_per_day", "above max_starts", "started while paused", "out of order"),
    *("a run without its end", "an end that was not reported"),
    *("kept for ever", "a call that SageMaker does not take", "an exception that nothing explains", "given up early"),
)
