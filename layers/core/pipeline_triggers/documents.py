"""The trigger documents: ``layers/triggers/<team>.yaml`` and ``stages.yaml`` → Triggers, or every problem at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from pipeline_triggers import catalog, globs, loops, parameters, quotas, yaml_source
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.models import Occurrence, Start, Trigger, When
from pipeline_triggers.samples import sample
from pipeline_triggers.sources import SOURCES
from pipeline_triggers.stages import PSEUDO_PARAMETERS, REFERENCE, references, resolve
from pipeline_triggers.yaml_source import Source

STAGES_FILE = "stages.yaml"

_TEAM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_STAGE = re.compile(r"[A-Za-z0-9]+")  # a key of a CloudFormation mapping
_PIPELINE = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,255}")
_BUS = re.compile(r"(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}")
_MAX_KEY_BYTES = 1024
_JSON_SCALAR = re.compile(r"true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# Stand-ins while checking: the real ones are known to CloudFormation only.
_EXAMPLES = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}

Stages = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Documents:
    """All trigger documents of a directory, checked; ``stages`` maps a stage to its values by name."""

    triggers: tuple[Trigger, ...]
    stages: Stages


def load(directory: Path) -> Documents:
    """Read and check every document in a directory.

    Raises:
        DocumentsError: with every problem of every file.

    """
    stages_path = directory / STAGES_FILE
    stages_source = _read(stages_path)
    stages = _stages(stages_source)
    sources = [stages_source]
    triggers: dict[str, tuple[Trigger, Source]] = {}
    for path in sorted(path for path in directory.iterdir() if path.suffix.lower() in (".yaml", ".yml")):
        if path == stages_path:
            continue
        source = _read(path)
        sources.append(source)
        triggers |= {trigger.id: (trigger, source) for trigger in _triggers(path, source, stages)}
    found = tuple(trigger for trigger, _ in triggers.values())
    for stage in stages:
        of_stage = catalog.load(catalog.dump(found, stages), stage, _EXAMPLES).values()
        if loop := loops.find(of_stage):
            trigger_id, way = loop
            path_to_start = ("triggers", trigger_id.partition("/")[2], "start")
            triggers[trigger_id][1].problem(path_to_start, f"would run for ever: {' → '.join(way)}; {loops.REMEDY}")
        for exceeding, told in quotas.exceeded(of_stage):
            source = triggers[exceeding][1] if exceeding else stages_source
            source.problem(("triggers", exceeding.partition("/")[2], "when") if exceeding else (), told)
    if problems := [problem for source in sources for problem in source.problems]:
        raise DocumentsError(problems)
    return Documents(found, stages)


def _read(path: Path) -> Source:
    try:
        return yaml_source.read(str(path), path.read_text(encoding="utf-8"))
    except OSError as error:
        if path.name == STAGES_FILE and not path.exists():
            remedy = "it names the stages and what differs between them, as in dev: {RawBucket: raw-dev}"
            return _unreadable(path, f"does not exist; {remedy}")
        return _unreadable(path, f"can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return _unreadable(path, f"is no UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}")


def _unreadable(path: Path, message: str) -> Source:
    source = Source(str(path))
    source.problem((), message)
    return source


def _stages(source: Source) -> Stages:
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
    return {} if source.problems else stages


def _triggers(path: Path, source: Source, stages: Stages) -> list[Trigger]:
    team = path.stem
    if not _TEAM.fullmatch(team) or path.suffix != ".yaml":
        source.problem((), "is no file name for a team; use lower-case letters, digits, dashes and .yaml: churn.yaml")
    if not source.problems and source.data in (None, ""):
        source.problem((), "is empty; write version, owner, pipelines and triggers, or remove the file")
    if source.problems or not _fits_schema(source):
        return []
    return [
        trigger
        for name, raw in source.data["triggers"].items()
        if (trigger := _Checked(source, stages, ("triggers", name)).trigger(f"{team}/{name}", raw))
    ]


# ---- the shape, by the schema


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of a document, the one source of its shape for editors and for this check."""
    text = resources.files("pipeline_triggers").joinpath("schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _fits_schema(source: Source) -> bool:
    for error in Draft202012Validator(schema()).iter_errors(source.data):
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in [key for key in error.instance if key not in known]:
                source.problem((*path, key), f"is not known here; {_known(key, known)}")
        elif error.parent is not None or "propertyNames" in error.absolute_schema_path:
            source.problem((*path, error.instance), f"is no name that works here; {error.schema['remedy']}")
        else:
            source.problem(path, _shape_message(error))
    return not source.problems


def _known(key: str, known: list[str]) -> str:
    if close := get_close_matches(key, known, n=1):
        return f"did you mean {close[0]}?"
    return f"known are {', '.join(known)}"


def _shape_message(error: Any) -> str:
    expected, found = error.validator_value, error.instance
    match error.validator:
        case "required":
            missing = ", ".join(name for name in expected if name not in found)
            return f"lacks {missing}; add it"
        case "type":
            return f"must be {_WANTED[str(expected)]}, but is {_kind(found)}"
        case "minLength" | "minProperties" | "minItems":
            return f"is empty; write it: {error.schema.get('description', 'a value')}"
        case "maxLength" | "maxProperties":
            return f"has {len(found)}, but may have {expected} at most"
        case _:
            return f"is {found!r}; {error.schema['remedy']}"


_WANTED = {
    "array": "a list",
    "object": "names with values under them",
    "string": "a text",
    "['string', 'number', 'boolean']": "a single value",
    "['string', 'object']": "a pipeline's name, or names with parameters under them",
}


def _kind(found: object) -> str:
    match found:
        case dict():
            return _WANTED["object"]
        case list():
            return _WANTED["array"]
        case _:
            return f"the text {found!r}"


# ---- the meaning


def _brief(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}…")


def _spelling(word: str) -> str:
    """Make words comparable: in-service, IN_SERVICE and InService are one."""
    return re.sub(r"[-_ ]", "", word).lower()


@dataclass(frozen=True, slots=True)
class _Checked:
    """Reads one trigger whose shape is right, and notes what is wrong in what it says."""

    source: Source
    stages: Stages
    path: yaml_source.Path

    def trigger(self, trigger_id: str, raw: Mapping[str, Any]) -> Trigger | None:
        before = len(self.source.problems)
        when = self.when(raw["when"])
        condition, occurrence = raw.get("if"), sample(when)
        for resolved in self.resolved(("if",), condition or ""):
            if condition and (wrong := parameters.check_condition(resolved, occurrence)):
                self.problem(("if",), f"{_brief(resolved)} {wrong}")
        start = self.starts(raw, occurrence)
        if len(self.source.problems) > before:
            return None
        return Trigger(
            id=trigger_id,
            when=when,
            start=start,
            condition=condition,
            dry_run=raw.get("dry_run") == "true",
            enabled=raw.get("enabled") != "false",
            description=raw.get("description", ""),
        )

    def when(self, raw: Mapping[str, Any]) -> When:
        ((source, asked),) = raw.items()
        fields = {name: self.field(source, name, value) for name, value in asked.items()}
        check = {"s3": self.s3, "event": self.event}.get(source)
        if check:
            check(fields)
        return When(source, fields)

    def field(self, source: str, name: str, value: Any) -> Any:
        if words := SOURCES[source].choices.get(name):
            by_spelling = {_spelling(word): word for word in words}
            asked = value if isinstance(value, list) else [value]
            for word in asked:
                if _spelling(word) not in by_spelling:
                    self.problem(("when", source, name), f"{word!r} is none of {', '.join(words)}")
            return [by_spelling.get(_spelling(word), word) for word in asked]
        if source == "event" and name == "pattern":
            return self.json(("when", source, name), value)
        self.resolved(("when", source, name), value)
        return str(value)

    def json(self, path: yaml_source.Path, value: Any) -> Any:
        """Read an event pattern, in which a scalar without quotes may be a number, a boolean or null."""
        match value:
            case dict():
                return {key: self.json((*path, key), item) for key, item in value.items()}
            case list():
                return [self.json((*path, at), item) for at, item in enumerate(value)]
            case str() if (*self.path, *path) in self.source.unquoted and _JSON_SCALAR.fullmatch(value):
                return json.loads(value)
            case _:
                self.resolved(path, value)
                return str(value)

    def event(self, fields: Mapping[str, Any]) -> None:
        for bus in self.resolved(("when", "event", "bus"), fields.get("bus", "default")):
            if not _BUS.fullmatch(bus):
                self.problem(("when", "event", "bus"), f"{_brief(bus)} is no event bus; write its name or its ARN")
        for key, value in fields["pattern"].items():
            if not isinstance(value, list | dict):
                self.problem(
                    ("when", "event", "pattern", key), f"is {value!r}; a pattern's values are lists: [{value}]"
                )

    def s3(self, fields: Mapping[str, str]) -> None:
        at = ("when", "s3")
        for bucket in self.resolved((*at, "bucket"), fields["bucket"]):
            if not _BUCKET.fullmatch(bucket):
                self.problem(
                    (*at, "bucket"), f"{_brief(bucket)} is no bucket name; write the name alone, without s3://"
                )
        key = fields.get("key")
        if key is None:
            return
        for glob in self.resolved((*at, "key"), key):
            if wrong := globs.check(glob):
                self.problem((*at, "key"), wrong)
            if len(glob.replace("*", "").encode()) > _MAX_KEY_BYTES:
                self.problem((*at, "key"), f"matches nothing: S3's keys have {_MAX_KEY_BYTES} bytes at most")
            if glob.count("*") != key.count("*"):
                self.problem((*at, "key"), "refers to a stage's value that holds *; write the * here")

    def starts(self, raw: Mapping[str, Any], sample: Occurrence | None) -> tuple[Start, ...]:
        if isinstance(raw["start"], str):
            starts = [Start(raw["start"], raw.get("parameters", {}))]
            paths: list[yaml_source.Path] = [("parameters",)]
        else:
            if "parameters" in raw:
                self.problem(("parameters",), "can't stand beside several pipelines; write each one's under its name")
            starts = [Start(pipeline, values) for pipeline, values in raw["start"].items()]
            paths = [("start", start.pipeline) for start in starts]
        for start, path in zip(starts, paths, strict=True):
            self.pipeline(start.pipeline)
            for name, value in start.parameters.items():
                for resolved in self.resolved((*path, name), value):
                    if wrong := parameters.check(resolved, sample):
                        self.problem((*path, name), f"{_brief(resolved)} {wrong}" if resolved else wrong)
        by_stage = zip(*(self.resolved(("start",), start.pipeline) for start in starts), strict=False)
        if twice := [name for names in by_stage for name in names if names.count(name) > 1]:
            self.problem(("start",), f"names {twice[0]} twice; a pipeline starts once")
        return tuple(starts)

    def pipeline(self, name: str) -> None:
        allowed = {glob for written in self.source.data["pipelines"] for glob in self.resolved(("start",), written)}
        for resolved in self.resolved(("start",), name):
            if not _PIPELINE.fullmatch(resolved):
                wrong = f"{_brief(resolved)} is no pipeline name; use letters, digits and inner dashes, 256 at most"
                self.problem(("start",), wrong)
            elif not any(globs.matches_name(glob, resolved) for glob in allowed):
                listed = ", ".join(sorted(allowed))
                self.problem(("start",), f"this file may not start {resolved}; add it to pipelines ({listed})")

    def resolved(self, path: yaml_source.Path, text: str) -> list[str]:
        """Return the text as each stage sees it, stage by stage; unknown names are noted."""
        known = {name for values in self.stages.values() for name in values} | PSEUDO_PARAMETERS
        if not self.stages:
            return []  # stages.yaml is wrong itself
        if "${" in REFERENCE.sub("", text) and not text.startswith("{%"):
            self.problem(path, "has a ${ that begins no reference; write ${Name}, with the brace")
            return []
        if unknown := [name for name in references(text) if name not in known]:
            for name in unknown:
                hint = _known(name, sorted(known))
                self.problem(path, f"${{{name}}} has no value in {STAGES_FILE}; {hint}")
            return []
        return [resolve(text, {**_EXAMPLES, **values}) for values in self.stages.values()]

    def problem(self, path: yaml_source.Path, message: str) -> None:
        self.source.problem((*self.path, *path), message)
