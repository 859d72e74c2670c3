"""What a trigger of a document means: a Trigger, or what is wrong with what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Any

from pipeline_triggers.documents import pattern_check, schedules, value_check
from pipeline_triggers.documents.direct import attribute_problem, direct_problems, value_problem
from pipeline_triggers.documents.document import Document, FieldPath
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.language import globs, lookups, values
from pipeline_triggers.language.sources import SOURCES, topic
from pipeline_triggers.language.stages import PSEUDO_PARAMETERS, REFERENCE, STAGES_FILE, references, resolve
from pipeline_triggers.models import MAX_STARTS, Occurrence, Options, Start, Trigger, When
from pipeline_triggers.text import brief, did_you_mean, spelling

# Stand-ins while checking: the real ones are known to CloudFormation only.
EXAMPLES = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}

Stages = Mapping[str, Mapping[str, str]]

_PIPELINE = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,255}")
_BUS = re.compile(r"(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAMES = re.compile(r"[A-Za-z0-9*-]+")
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}|(?=.*[^0-9])[A-Za-z0-9._-]{1,128}")
_MAX_KEY_BYTES = 1024
_JSON_SCALAR = re.compile(r"true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_OF_ONE_PIPELINE = frozenset({"steps", "source_execution", "version"})


def _if_literal(wrong: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """Leave what is computed to the event."""
    return lambda text: None if values.literal(text) is None else wrong(text)


def _no_version(text: str) -> str | None:
    return (
        None if _VERSION.fullmatch(text) else "is no version; write a number, or an alias of letters, digits and . _ -"
    )


# What a literal has to be besides a value.
_OPTIONS = {
    "source_execution": _if_literal(values.no_execution),
    "mlflow_experiment": _if_literal(values.no_experiment),
    "version": _no_version,
}


def _check_key(text: str, sample: Occurrence | None) -> str | None:
    if wrong := value_check.check_key(text, sample):
        return wrong
    if fields := sorted(lookups.named_by([text])):
        named = ", ".join(f"${'.'.join(field)}" for field in fields)
        return f"names {named}, which AWS may answer otherwise the next time; use what the event itself says"
    return None


def _check_sent(when: When, sample: Occurrence | None, text: str, *, direct: bool) -> str | None:
    problem = value_problem if direct else attribute_problem
    return value_check.check(text, sample) or problem(when.source, text)


def _places(path: FieldPath, written: str | list[str]) -> list[tuple[FieldPath, str]]:
    """Return where each text of a list stands; or the one text."""
    return [(path, written)] if isinstance(written, str) else [((*path, at), text) for at, text in enumerate(written)]


@dataclass(frozen=True, slots=True)
class Checked:
    """Reads one trigger whose shape is right, and notes what is wrong in what it says."""

    source: Document
    stages: Stages
    path: FieldPath

    def trigger(self, trigger_id: str) -> Trigger | None:
        """Return the trigger, or None when a problem has been noted."""
        # What has no shape has been told, and is as if it were not there; the rest is read all the same.
        is_whole = self.source.is_right(self.path)
        raw: dict[str, Any] = self.source.without_wrong(self.path)
        if "start" in raw:
            raw.pop("start_one_of", None)  # that both stand there has been told
        when = self._when(raw["when"]) if "when" in raw and self.source.is_right((*self.path, "when")) else None
        occurrence = sample(when) if when else None
        is_direct = raw.get("delivery") == "direct"
        check_value = partial(value_check.check, sample=occurrence)
        self._each(("if",), raw.get("if"), partial(value_check.check_condition, sample=occurrence))
        self._each(("dedupe",), raw.get("dedupe"), partial(_check_key, sample=occurrence))
        for name in ("display_name", "source_execution", "mlflow_experiment"):
            self._each((name,), raw.get(name), check_value)
        for name, check in _OPTIONS.items():
            self._each((name,), raw.get(name), check)
        for at, step in enumerate(raw.get("steps", [])):
            self._resolved(("steps", at), step)
        start: tuple[Start, ...] = ()
        if {"start", "start_one_of"} & raw.keys():
            start = self._starts(raw, partial(_check_sent, when, occurrence, direct=is_direct) if when else check_value)
        else:
            for name, value in raw.get("parameters", {}).items():
                self._each(("parameters", name), value, check_value)
        if when:
            self._requests(raw, when)
            self._tags(raw, when)
            for path, wrong in direct_problems(raw, when) if is_direct else ():
                self._problem(path, wrong)
        if not is_whole or when is None or not self.source.is_right(self.path):
            return None
        return Trigger(
            id=trigger_id,
            when=when,
            start=start,
            one_of="start_one_of" in raw,
            accept=raw.get("accept", {}),
            condition=raw.get("if"),
            dedupe=raw.get("dedupe"),
            max_starts=int(raw.get("max_starts", MAX_STARTS)),
            options=Options(
                display_name=raw.get("display_name"),
                max_parallel_steps=int(raw["max_parallel_steps"]) if "max_parallel_steps" in raw else None,
                steps=tuple(raw.get("steps", ())),
                source_execution=raw.get("source_execution"),
                version=raw.get("version"),
                mlflow_experiment=raw.get("mlflow_experiment"),
            ),
            dry_run=raw.get("dry_run") == "true",
            direct=is_direct,
            enabled=raw.get("enabled") != "false",
            description=raw.get("description", ""),
            tags=raw.get("tags", {}),
        )

    def pipelines(self) -> list[tuple[str, ...]]:
        """Return what a document may start, as each stage sees it; what is no name is noted."""
        written = self.source.data.get("pipelines")
        if not isinstance(written, list) or not self.source.is_right(("pipelines",)):
            return []
        for place, text in _places(("pipelines",), written):
            for resolved in self._resolved(place, text):
                if not _NAMES.fullmatch(resolved):
                    self._problem(place, f"{brief(resolved)} is no pipeline's name; use letters, digits, dashes and *")
        return list(
            zip(*(self._resolved(place, text) for place, text in _places(("pipelines",), written)), strict=False)
        )

    # ---- when

    def _when(self, raw: Mapping[str, Any]) -> When:
        ((source, asked),) = raw.items()
        fields = {name: self._field(source, name, value) for name, value in asked.items()}
        checks = {"s3": self._s3, "sns": self._sns, "schedule": self._schedule, "event": self._event}
        if check := checks.get(source):
            check(fields)
        return When(source, fields)

    def _field(self, source: str, name: str, value: Any) -> Any:
        path = ("when", source, name)
        field = SOURCES[source].fields[name]
        if words := field.choices:
            by_spelling = {spelling(word): word for word in words}
            asked = _places(path, value)
            for place, word in asked:
                if spelling(word) not in by_spelling:
                    self._problem(place, f"{brief(word)} is no {name}; {did_you_mean(word, words)}")
            return [by_spelling.get(spelling(word), word) for _, word in asked]
        if isinstance(value, dict):  # a pattern, or a filter policy
            return self._json(path, value)
        for resolved in self._resolved(path, value):
            if field.problem and (problem := field.problem(resolved)):
                self._problem(path, problem)
        return value

    def _json(self, path: FieldPath, value: Any) -> Any:
        """Read an event pattern, in which a scalar without quotes may be a number, a boolean or null."""
        match value:
            case dict():
                return {key: self._json((*path, key), item) for key, item in value.items()}
            case list():
                return [self._json((*path, at), item) for at, item in enumerate(value)]
            case _ if (*self.path, *path) in self.source.unquoted and _JSON_SCALAR.fullmatch(value):
                return json.loads(value)
            case _:
                self._resolved(path, value)
                return value

    def _event(self, fields: Mapping[str, Any]) -> None:
        for bus in self._resolved(("when", "event", "bus"), fields.get("bus", "default")):
            if not _BUS.fullmatch(bus):
                self._problem(("when", "event", "bus"), f"{brief(bus)} is no event bus; write its name or its ARN")
        for path, wrong in pattern_check.problems(fields["pattern"]):
            self._problem(("when", "event", "pattern", *path), wrong)

    def _sns(self, fields: Mapping[str, Any]) -> None:
        filters = {"attributes", "body"} & fields.keys()
        for name in filters:
            at = ("when", "sns", name)
            if "topic" not in fields:
                self._problem(at, "filters a topic's messages; write the topic, or leave it out")
            elif len(filters) > 1:
                told = "has a filter of attributes and one of body; SNS takes one, so write the other as an if"
                self._problem(("when", "sns"), told)
            for path, wrong in pattern_check.filter_problems(fields[name]):
                self._problem((*at, *path), wrong)
        for arn in self._resolved(("when", "sns", "topic"), fields.get("topic")):
            if not _TOPIC.fullmatch(arn):
                remedy = "write its ARN, as in arn:aws:sns:eu-central-1:123456789012:alarms"
                self._problem(("when", "sns", "topic"), f"{brief(arn)} is no standard topic; {remedy}")

    def _schedule(self, fields: Mapping[str, str]) -> None:
        at = ("when", "schedule")
        # What has passed is left out of a stack that is the same for all stages.
        for name in ("at", "start", "end", *(["timezone"] if "at" in fields else [])):
            if references(fields.get(name, "")):
                self._problem((*at, name), "differs per stage, and when it has passed would, too; write it out")
                return
        by_stage = zip(*(self._resolved((*at, name), text) for name, text in fields.items()), strict=False)
        for texts in by_stage:
            for name, wrong in schedules.problems(dict(zip(fields, texts, strict=True))):
                self._problem((*at, name) if name else at, wrong)

    def _s3(self, fields: Mapping[str, str]) -> None:
        at = ("when", "s3")
        for bucket in self._resolved((*at, "bucket"), fields["bucket"]):
            if not _BUCKET.fullmatch(bucket) or ".." in bucket:
                self._problem(
                    (*at, "bucket"), f"{brief(bucket)} is no bucket name; write the name alone, without s3://"
                )
        key = fields.get("key")
        for glob in self._resolved((*at, "key"), key):
            if glob.startswith(("s3://", "/", "{%", "$.")):
                told = "is no key; write it as S3 lists it, without s3://, the bucket or a leading /"
                self._problem((*at, "key"), f"{brief(glob)} {told}")
            if wrong := globs.check(glob):
                self._problem((*at, "key"), wrong)
            if len(glob.replace("*", "").encode()) > _MAX_KEY_BYTES:
                self._problem((*at, "key"), f"matches nothing; S3's keys have {_MAX_KEY_BYTES} bytes at most")
            if key is not None and glob.count("*") != key.count("*"):
                self._problem((*at, "key"), "refers to a stage's value that holds *; write the * here")

    # ---- what to start

    def _starts(self, raw: Mapping[str, Any], check: Callable[[str], str | None]) -> tuple[Start, ...]:
        starts, names_at, parameters_at = self._written_starts(raw)
        for start, name_at, at in zip(starts, names_at, parameters_at, strict=True):
            self._pipeline(name_at, start.pipeline)
            for name, value in start.parameters.items():
                self._each((*at, name), value, check)
        resolved = (self._resolved(at, start.pipeline) for at, start in zip(names_at, starts, strict=True))
        by_stage = zip(*resolved, strict=False)
        if twice := [name for names in by_stage for name in names if names.count(name) > 1]:
            self._problem(names_at[0][:1], f"names {twice[0]} twice; name each pipeline once")
        if len(starts) > 1:
            for name in _OF_ONE_PIPELINE & raw.keys():
                self._problem((name,), "is for one pipeline; write a trigger for each pipeline, or leave it out")
        if "source_execution" in raw and "steps" not in raw and self.source.is_right((*self.path, "steps")):
            self._problem(("source_execution",), "goes with steps; write the steps to run, or leave it out")
        return tuple(starts)

    def _written_starts(self, raw: Mapping[str, Any]) -> tuple[list[Start], list[FieldPath], list[FieldPath]]:
        """Return what a trigger may start, and where the name and the parameters of each stand."""
        name = "start_one_of" if "start_one_of" in raw else "start"
        if isinstance(raw[name], dict):
            for other, remedy in (
                ("parameters", "write each one's parameters under its name"),
                ("accept", "write one name, or start_one_of"),
            ):
                if other in raw:
                    self._problem((other,), f"goes with one pipeline; {remedy}")
            at: list[FieldPath] = [(name, pipeline) for pipeline in raw[name]]
            return [Start(pipeline, values) for pipeline, values in raw[name].items()], at, at
        written = _places((name,), raw[name])
        starts = [Start(pipeline, raw.get("parameters", {})) for _, pipeline in written]
        return starts, [at for at, _ in written], [("parameters",)] * len(starts)

    def _pipeline(self, at: FieldPath, name: str) -> None:
        resolved = self._resolved(at, name)
        # Where what it may start is wrong itself, that has been told.
        by_stage = replace(self, path=()).pipelines() if self.source.is_right(("pipelines",)) else []
        for of_stage, allowed in zip_longest(resolved, by_stage[: len(resolved)]):
            if not _PIPELINE.fullmatch(of_stage):
                wrong = f"{brief(of_stage)} is no pipeline name; use letters, digits and inner dashes, 256 at most"
                self._problem(at, wrong)
            elif allowed and not any(globs.matches_name(glob, of_stage) for glob in allowed):
                listed = ", ".join(sorted(set(allowed)))
                self._problem(at, f"this file may not start {of_stage}; add it to pipelines ({listed})")

    def _requests(self, raw: Mapping[str, Any], when: When) -> None:
        if when.source != "sns" or topic(when):
            for name in {"start_one_of", "accept"} & raw.keys():
                self._problem((name,), "is for publishers' requests; write when: {sns: {}}, or leave it out")
        for name, accepted in raw.get("accept", {}).items():
            for at, value in _places(("accept", name), accepted):
                for resolved in self._resolved(at, value):
                    if len(resolved) > values.MAX_VALUE_LENGTH:
                        self._problem(at, f"has {len(resolved)} characters; SageMaker takes {values.MAX_VALUE_LENGTH}")
                    elif isinstance(accepted, str) and (wrong := globs.check(resolved)):
                        self._problem(at, wrong)

    def _tags(self, raw: Mapping[str, Any], when: When) -> None:
        if raw.get("tags") and SOURCES[when.source].pattern is None:
            self._problem(("tags",), f"are those of a rule, and a trigger on {when.source} has none; leave them out")
        for key, value in raw.get("tags", {}).items():
            for resolved in self._resolved(("tags", key), value):
                if not _TAG_VALUE.fullmatch(resolved):
                    remedy = "use letters, digits, spaces and . : / = + - @ _, 256 at most"
                    self._problem(("tags", key), f"{brief(resolved)} is no tag's value; {remedy}")

    # ---- texts

    def _each(self, path: FieldPath, text: str | None, check: Callable[[str], str | None]) -> None:
        """Check a text as each stage sees it."""
        for resolved in self._resolved(path, text):
            if wrong := check(resolved):
                self._problem(path, f"{brief(resolved)} {wrong}" if resolved else wrong)

    def _resolved(self, path: FieldPath, text: str | None) -> list[str]:
        """Return the text as each stage sees it, stage by stage; unknown names are noted."""
        if text is None:
            return []
        if not self.stages:  # stages.yaml is wrong itself
            return [] if "${" in text else [text]
        known = {name for values in self.stages.values() for name in values} | PSEUDO_PARAMETERS
        if "${" in REFERENCE.sub("", text) and not text.startswith("{%"):
            self._problem(path, "has a ${ that begins no reference; write ${Name}, with the brace")
            return []
        if unknown := [name for name in references(text) if name not in known]:
            for name in unknown:
                self._problem(path, f"${{{name}}} has no value in {STAGES_FILE}; {did_you_mean(name, sorted(known))}")
            return []
        return [resolve(text, {**EXAMPLES, **values}) for values in self.stages.values()]

    def _problem(self, path: FieldPath, message: str) -> None:
        self.source.problem((*self.path, *path), message)
