"""The shape of a source of events: what its ``when`` holds, which events match it, and how they are read.

Each source has a file beside this one, which defines its ``SOURCE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_triggers.language import globs
from pipeline_triggers.models import Occurrence

Fields = Mapping[str, Any]  # of a ``when``, as a document gives them
Event = Mapping[str, Any]
Pattern = dict[str, Any]

# How a text of a document is written: as it is, or for CloudFormation.
Write = Callable[[str], Any]

# Tells a change from every other one; holds None where an event does not say.
Change = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a ``when``.

    ``description`` is its documentation. A field with ``choices`` takes one or several of these words; any other takes
    a text, unless ``schema`` (JSON Schema) says otherwise. ``problem`` says what is wrong with a text, or None.
    ``value`` reads from an occurrence what has to match: what ``glob`` accepts for the field's text, one of its words,
    or the same text. Without ``value``, EventBridge or SNS alone matches the field.
    """

    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)
    problem: Callable[[str], str | None] | None = None
    value: Callable[[Occurrence], Any] | None = None
    glob: Callable[[str, str], bool] | None = None

    def matches(self, expected: Any, actual: Any) -> bool:
        """Whether what an event holds is what a document asks for."""
        if self.glob:
            return self.glob(expected, actual)
        if self.choices:
            return any(word in expected for word in ([actual] if isinstance(actual, str) else actual))
        return bool(expected == actual)

    def json_schema(self) -> dict[str, Any]:
        """Return the field's part of the documents' JSON Schema."""
        if self.choices:
            words = {"$ref": "#/$defs/words", "examples": list(self.choices)}
            return {"description": self.description, **words}
        return {"description": self.description, **(self.schema or {"$ref": "#/$defs/text"})}


@dataclass(frozen=True, slots=True)
class DetailType:
    """How EventBridge's events of one detail-type are read.

    ``change`` returns what changed: two events of the same change are the same occurrence. ``bindings`` returns the
    variables by name.
    """

    change: Callable[[Event], Change]
    bindings: Callable[[Event], dict[str, Any]] = lambda _event: {}


@dataclass(frozen=True, slots=True)
class Grant:
    """IAM actions, and the ARNs that they are for; ``{bucket}`` and ``{name}`` are the trigger's own."""

    actions: tuple[str, ...]
    arns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of ``when``.

    ``handler`` is the stem by which the template names function, queue and role. Of the fields in ``one_of`` a document
    gives exactly one. ``pattern`` writes the event pattern where a rule matches; the events of other sources come
    without a rule. They are read by ``read``, or else as ``detail_types`` says of their detail-type; ``complete`` adds
    what the trigger's own fields say. ``grants`` are
    what the handler needs to tell whether an event is the trigger's at all. ``sample`` names the file in
    ``documents/samples`` for a ``when`` (its own name when left out), and ``fit`` changes it into one that matches;
    ``sample_bindings`` returns the variables that the handler adds to it. ``places`` says where in the event a
    document's examples change what they name.
    """

    name: str
    description: str
    handler: str
    fields: Mapping[str, Field]
    one_of: tuple[str, ...] = ()
    pattern: Callable[[Fields, Write], Pattern] | None = None
    detail_types: Mapping[str, DetailType] = field(default_factory=dict)
    read: Callable[[Event], Occurrence] | None = None
    complete: Callable[[Occurrence, Fields], Occurrence] = lambda occurrence, _fields: occurrence
    grants: tuple[Grant, ...] = ()
    sample: Callable[[Fields], str | None] | None = None
    fit: Callable[[Event, Fields], Event] = lambda event, _fields: event
    sample_bindings: Callable[[Fields], Mapping[str, Mapping[str, Any]]] = lambda _fields: {}
    places: Mapping[str, str] = field(default_factory=dict)

    def sample_name(self, fields: Fields) -> str | None:
        """Return the name of the sample for a ``when`` with these fields, or None."""
        return self.sample(fields) if self.sample else self.name

    def json_schema(self) -> dict[str, Any]:
        """Return the source's part of the documents' JSON Schema."""
        required = [name for name, field in self.fields.items() if field.required]
        return {
            "description": self.description,
            "type": "object",
            **({"required": required} if required else {}),
            **({"oneOf": [{"required": [name]} for name in self.one_of]} if self.one_of else {}),
            "additionalProperties": False,
            "properties": {name: field.json_schema() for name, field in self.fields.items()},
        }


def in_detail(*way: str) -> Callable[[Occurrence], Any]:
    """Return the way to a value of an event's detail."""

    def follow(occurrence: Occurrence) -> Any:
        value = occurrence.event["detail"]
        for name in way:
            value = value[name]
        return value

    return follow


def name_matchers(glob: str | None, write: Write) -> list[Any]:
    """Match a name, its beginning or its end in a pattern; an empty list matches every name.

    That is as much as a rule can match without ``wildcard``, of which a bus allows 30 rules. The handler matches what
    is left of a glob.
    """
    if glob is None:
        return []
    if "*" not in glob:
        return [write(glob)]
    if prefix := globs.literal_prefix(glob):
        return [{"prefix": write(prefix)}]
    # "**/data.csv" matches "data.csv" too, so the slash is left out.
    suffix = glob.rpartition("*")[2].lstrip("/")
    return [{"suffix": write(suffix)}] if suffix else []


def given(**matchers: list[Any]) -> Pattern:
    """Return a pattern's matchers without the empty ones, which EventBridge refuses."""
    return {name: matcher for name, matcher in matchers.items() if matcher}


def same_name(glob: str, name: str) -> bool:
    """Whether the whole name matches the glob, letter case aside."""
    return globs.matches_name(glob.lower(), name.lower())


def length_problem(most: int) -> Callable[[str], str | None]:
    """Return what says that a glob matches no name, since names have so many characters at most."""

    def problem(glob: str) -> str | None:
        if len(glob.replace("*", "")) > most:
            return f"matches nothing; such a name has {most} characters at most"
        return None

    return problem
