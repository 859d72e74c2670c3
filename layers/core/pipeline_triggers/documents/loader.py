"""The trigger documents: ``layers/triggers/<team>.yaml`` and ``stages.yaml`` → Triggers, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_triggers.documents import loops, quotas, yaml_reader
from pipeline_triggers.documents.document import Document, FieldPath
from pipeline_triggers.documents.schema_check import check_shape
from pipeline_triggers.documents.trigger_check import EXAMPLES, Checked, Stages
from pipeline_triggers.errors import DocumentsError, Problem
from pipeline_triggers.language.sources import topic, topic_filter
from pipeline_triggers.language.stages import STAGES_FILE, references, resolve_trigger
from pipeline_triggers.models import Trigger

_TEAM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_STAGE = re.compile(r"[A-Za-z0-9]+")  # a key of a CloudFormation mapping


@dataclass(frozen=True, slots=True)
class Documents:
    """All trigger documents of a directory, checked.

    ``stages`` maps a stage to its values by name, ``sources`` a trigger's id to the file that it stands in.
    """

    triggers: tuple[Trigger, ...]
    stages: Stages
    sources: Mapping[str, Document] = field(default_factory=dict, compare=False, repr=False)

    def problem(self, trigger_id: str, path: FieldPath, message: str) -> Problem:
        """Say what is wrong at a place of a trigger, as the account sees it."""
        source = self.sources.get(trigger_id, Document(trigger_id))
        return source.located(("triggers", trigger_id.partition("/")[2], *path), message)


def load(directory: Path, drafts: Mapping[Path, str] | None = None) -> Documents:
    """Read and check every document in a directory; ``drafts`` are texts as if they stood in files there.

    Raises:
        DocumentsError: with every problem of every file.

    """
    stages_path = directory / STAGES_FILE
    stages_source = _read(stages_path)
    stages = _stages(stages_source)
    sources = [stages_source]
    triggers: dict[str, tuple[Trigger, Document]] = {}
    drafts = drafts or {}
    written = {path for path in directory.iterdir() if path.suffix.lower() in (".yaml", ".yml")}
    for path in sorted(written | drafts.keys()):
        if path == stages_path:
            continue
        source = yaml_reader.read(str(path), drafts[path]) if path in drafts else _read(path)
        sources.append(source)
        triggers |= {trigger.id: (trigger, source) for trigger in _triggers(path, source, stages)}
    found = tuple(trigger for trigger, _ in triggers.values())
    for values in stages.values():
        of_stage = [resolve_trigger(trigger, {**values, **EXAMPLES}) for trigger in found]
        for trigger_id, way in loops.all_of(of_stage):
            path_to_start = ("triggers", trigger_id.partition("/")[2], "start")
            triggers[trigger_id][1].problem(path_to_start, f"would run for ever: {' → '.join(way)}; {loops.REMEDY}")
        longest = [resolve_trigger(trigger, {**values, **quotas.LONGEST}) for trigger in found]
        for exceeding, told in quotas.exceeded(longest):
            triggers[exceeding][1].problem(("triggers", exceeding.partition("/")[2], "when"), told)
        for trigger_id, told in _topics_written_twice(found, of_stage):
            triggers[trigger_id][1].problem(("triggers", trigger_id.partition("/")[2], "when", "sns", "topic"), told)
        for trigger_id, told in _filters_of_many(of_stage):
            triggers[trigger_id][1].problem(("triggers", trigger_id.partition("/")[2], "when", "sns"), told)
    if problems := [problem for source in sources for problem in source.problems]:
        raise DocumentsError(problems)
    return Documents(found, stages, {trigger_id: source for trigger_id, (_, source) in triggers.items()})


def _topics_written_twice(written: Iterable[Trigger], of_stage: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """SNS refuses a second subscription to a topic; one is compiled for each way in which a topic is written."""
    ways: dict[str, str] = {}
    for trigger, resolved in zip(written, of_stage, strict=True):
        arn, way = topic(resolved.when), topic(trigger.when)
        if arn and way and ways.setdefault(arn, way) != way:
            yield trigger.id, f"is the topic that another trigger writes as {ways[arn]}; write it the same way"


def _filters_of_many(of_stage: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """Give each filter of a topic with several triggers: its one subscription would filter for all of them."""
    by_topic: dict[str, list[Trigger]] = {}
    for trigger in of_stage:
        if trigger.enabled and (arn := topic(trigger.when)):
            by_topic.setdefault(arn, []).append(trigger)
    for arn, users in by_topic.items():
        for trigger in users if len(users) > 1 else []:
            if topic_filter(trigger.when):
                yield trigger.id, f"filters {arn}, which other triggers use as well; write an if instead"


def _read(path: Path) -> Document:
    try:
        return yaml_reader.read(str(path), path.read_text(encoding="utf-8"))
    except OSError as error:
        if path.name == STAGES_FILE and not path.exists():
            remedy = "it names the stages and what differs between them, as in dev: {RawBucket: raw-dev}"
            return _unreadable(path, f"does not exist; {remedy}")
        return _unreadable(path, f"can't be read: {error.strerror}; make it a file that you may read, or move it away")
    except UnicodeDecodeError as error:
        told = f"is no UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}; save it as UTF-8"
        return _unreadable(path, told, line=error.object.count(b"\n", 0, error.start) + 1)


def _unreadable(path: Path, message: str, line: int = 1) -> Document:
    source = Document(str(path), lines={(): line})
    source.problem((), message)
    return source


def _stages(source: Document) -> Stages:
    if source.problems:
        return {}
    data = source.data
    if not isinstance(data, dict) or not data:
        source.problem((), "names no stage; write at least one, as in dev: {RawBucket: raw-dev}")
        return {}
    stages = {stage: values or {} for stage, values in data.items()}
    names = {name for values in stages.values() if isinstance(values, dict) for name in values}
    for stage, values in stages.items():
        if not _STAGE.fullmatch(stage):
            source.problem((stage,), "is no stage name; use letters and digits only")
        if not isinstance(values, dict):
            source.problem((stage,), "holds no values; write names and values, as in {RawBucket: raw-dev}")
            continue
        for missing in sorted(names - values.keys()):
            source.problem((stage,), f"has no {missing}, which another stage has; add it")
        for name, value in values.items():
            if references(f"${{{name}}}") != [name] or "::" in name:
                source.problem((stage, name), "is no name; use letters and digits, beginning with a letter")
            if not isinstance(value, str) or not value:
                source.problem((stage, name), "is no single value; write a text")
            elif "${" in value:
                source.problem(
                    (stage, name), "refers to another value; write that out here, or refer to it where it is used"
                )
    for told in quotas.of_stages({stage: values for stage, values in stages.items() if isinstance(values, dict)}):
        source.problem((), told)
    return {} if source.problems else stages


def is_team(name: str) -> bool:
    """Whether a document may have this name, without its .yaml."""
    return bool(_TEAM.fullmatch(name)) and f"{name}.yaml" != STAGES_FILE


def _triggers(path: Path, source: Document, stages: Stages) -> list[Trigger]:
    team = path.stem
    if not is_team(team) or path.suffix != ".yaml":
        source.problem((), "is no file name for a team; use lower-case letters, digits, dashes and .yaml: churn.yaml")
    if source.data in (None, ""):
        if not source.problems:
            source.problem((), "is empty; write version, owner, pipelines and triggers, or remove the file")
        return []
    check_shape(source)
    triggers = source.data.get("triggers") if isinstance(source.data, dict) else None
    if not isinstance(triggers, dict):
        return []
    head = Checked(source, stages, ())
    head.pipelines()
    found = [
        Checked(source, stages, ("triggers", name)).trigger(f"{team}/{name}")
        for name, raw in triggers.items()
        if isinstance(raw, dict)
    ]
    return [trigger for trigger in found if trigger]
