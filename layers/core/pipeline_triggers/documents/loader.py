"""The trigger documents: ``layers/triggers/<team>.yaml`` and ``stages.yaml`` → Triggers, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_triggers.documents import direct, loops, quotas, renames, topics, yaml_reader
from pipeline_triggers.documents.document import Document, FieldPath
from pipeline_triggers.documents.examples import Example, read_examples
from pipeline_triggers.documents.limits_check import Limited, limited_twice, read_limits
from pipeline_triggers.documents.literal import dynamic_references
from pipeline_triggers.documents.schema_check import check_shape
from pipeline_triggers.documents.section import EXAMPLES, Section
from pipeline_triggers.documents.stages_check import read_stages
from pipeline_triggers.documents.start_check import Allowed, read_allowed
from pipeline_triggers.documents.trigger_check import read_trigger
from pipeline_triggers.errors import DocumentsError, Problem
from pipeline_triggers.language.stages import STAGES_FILE, Stages, resolve, resolve_trigger
from pipeline_triggers.models import Limits, Trigger

_TEAM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Documents:
    """All trigger documents of a directory, checked.

    ``stages`` maps a stage to its values by name, and is the file ``stages_file``; ``limits`` are the pipelines', by
    their names as documents write them; ``files`` maps a trigger's id to the file that defines it, ``examples`` to its
    examples; ``notify`` maps a team to the ARN of its topic.
    """

    triggers: tuple[Trigger, ...]
    stages: Stages
    limits: Mapping[str, Limits] = field(default_factory=dict)
    files: Mapping[str, Document] = field(default_factory=dict, compare=False, repr=False)
    stages_file: str = field(default=STAGES_FILE, compare=False, repr=False)
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict, compare=False, repr=False)
    notify: Mapping[str, str] = field(default_factory=dict)

    def problem(self, trigger_id: str, path: FieldPath, message: str, severity: str = "error") -> Problem:
        """Return a problem at a path in a trigger."""
        document = self.files.get(trigger_id, Document(trigger_id))
        return document.located(("triggers", trigger_id.partition("/")[2], *path), message, severity)


def load(directory: Path, drafts: Mapping[Path, str] | None = None) -> Documents:
    """Read and check every document in a directory; ``drafts`` are texts as if files there held them.

    Raises:
        DocumentsError: with every problem of every file.

    """
    drafts = drafts or {}
    of_stages = _read(directory / STAGES_FILE, None)
    stages = read_stages(of_stages)
    paths = {path for path in directory.iterdir() if path.suffix.lower() in (".yaml", ".yml")} | drafts.keys()
    teams = {path: _read(path, drafts.get(path)) for path in sorted(paths - {directory / STAGES_FILE})}
    triggers: list[Trigger] = []
    files: dict[str, Document] = {}
    limited: list[Limited] = []
    examples: dict[str, tuple[Example, ...]] = {}
    notify: dict[str, str] = {}
    for path, document in teams.items():
        if _has_data(path, document):
            section = Section(document, stages)
            allowed = read_allowed(section)
            for trigger in _triggers(path.stem, section, allowed):
                triggers.append(trigger)
                files[trigger.id] = document
                examples[trigger.id] = tuple(_examples(trigger, section))
            limited += read_limits(section, allowed)
            if topic := topics.read_notify(section):
                notify[path.stem] = topic
    limits = {one.pipeline: one.limits for one in limited}
    documents = Documents(tuple(triggers), stages, limits, files, of_stages.file, examples, notify)
    problems = [problem for document in (of_stages, *teams.values()) for problem in document.problems]
    problems += [documents.problem(*place_and_message) for place_and_message in _between(documents)]
    problems += limited_twice(limited, stages)
    if problems:
        raise DocumentsError(problems)
    return documents


def _between(documents: Documents) -> Iterator[tuple[str, FieldPath, str]]:
    """Yield (a trigger, a path in it, what is wrong there) where triggers together do what none does alone."""
    yield from renames.problems(documents.triggers)
    for values in documents.stages.values():
        triggers = [resolve_trigger(trigger, {**EXAMPLES, **values}) for trigger in documents.triggers]
        longest = [resolve_trigger(trigger, {**quotas.LONGEST, **values}) for trigger in documents.triggers]
        for trigger_id, way in loops.all_of(triggers):
            yield trigger_id, ("start",), f"would run forever: {' → '.join(way)}; {loops.REMEDY}"
        for trigger_id, message in quotas.exceeded(longest):
            yield trigger_id, ("when",), message
        yield from topics.problems(documents.triggers, triggers)
        limits = {resolve(name, {**EXAMPLES, **values}) for name in documents.limits}
        yield from direct.limited(triggers, limits)


def _read(path: Path, draft: str | None) -> Document:
    """Read a file or its draft; a document with the problem when it can't be read."""
    unreadable = Document(str(path))
    try:
        text = path.read_text(encoding="utf-8") if draft is None else draft
    except OSError as error:
        if path.name == STAGES_FILE and not path.exists():
            remedy = "it names the stages and what differs between them, as in dev: {RawBucket: raw-dev}"
            unreadable.problem((), f"does not exist; {remedy}")
        else:
            remedy = "make it readable, or move it elsewhere"
            unreadable.problem((), f"can't be read: {error.strerror}; {remedy}")
        return unreadable
    except UnicodeDecodeError as error:
        unreadable.lines[()] = error.object.count(b"\n", 0, error.start) + 1
        byte = f"byte {error.start} is 0x{error.object[error.start]:02x}"
        unreadable.problem((), f"is not UTF-8 text: {byte}; save it as UTF-8")
        return unreadable
    document = yaml_reader.read(str(path), text)
    for field_path, message in dynamic_references(document.data):
        document.problem(field_path, message)
    return document


def _examples(trigger: Trigger, section: Section) -> Iterator[Example]:
    path = ("triggers", trigger.id.partition("/")[2])
    raw = section.document.without_wrong(path)
    return read_examples(section.at(*path), trigger, raw.get("examples"))


def is_team(name: str) -> bool:
    """Whether a document may have this name, without its .yaml."""
    return bool(_TEAM.fullmatch(name)) and f"{name}.yaml" != STAGES_FILE


def _has_data(path: Path, document: Document) -> bool:
    """Check a file's name and a document's shape; whether there is something in it to read for its meaning."""
    if not is_team(path.stem) or path.suffix != ".yaml":
        remedy = "use lower-case letters, digits, dashes and .yaml: churn.yaml"
        document.problem((), f"is not a file name for a team; {remedy}")
    if document.data in (None, ""):
        if not document.problems:
            document.problem((), "is empty; write version, owner, pipelines and triggers, or remove the file")
        return False
    check_shape(document)
    return isinstance(document.data, dict)


def _triggers(team: str, section: Section, allowed: Allowed) -> Iterator[Trigger]:
    """Yield the triggers of a document, whose section this is, that have no problem."""
    triggers = section.document.data.get("triggers")
    for name, raw in triggers.items() if isinstance(triggers, dict) else ():
        if isinstance(raw, dict) and (trigger := read_trigger(section.at("triggers", name), f"{team}/{name}", allowed)):
            yield trigger
