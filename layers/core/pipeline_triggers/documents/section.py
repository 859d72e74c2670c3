"""A part of a document, whose texts are read as each stage sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline_triggers.documents.document import Document, FieldPath
from pipeline_triggers.documents.literal import dynamic_reference
from pipeline_triggers.language.stages import PSEUDO_PARAMETERS, REFERENCE, STAGES_FILE, Stages, references, resolve
from pipeline_triggers.text import brief, did_you_mean

# Stand-ins while checking: only CloudFormation knows the real ones.
EXAMPLES = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a document at a path; paths given to the methods begin there."""

    document: Document
    stages: Stages
    path: FieldPath = ()

    def at(self, *path: str | int) -> Section:
        """Return a part of this part."""
        return Section(self.document, self.stages, (*self.path, *path))

    def is_right(self, *path: str | int) -> bool:
        """Whether there is no problem at a path or below it."""
        return self.document.is_right((*self.path, *path))

    def is_unquoted(self, path: FieldPath) -> bool:
        """Whether the text at a path has no quotes."""
        return (*self.path, *path) in self.document.unquoted

    def problem(self, path: FieldPath, message: str) -> None:
        """Add a problem at a path."""
        self.document.problem((*self.path, *path), message)

    def check(self, path: FieldPath, text: str | None, problem_with: Callable[[str], str | None]) -> None:
        """Add what is wrong with a value; a text that is the same in every stage is checked once."""
        is_expression = text is not None and text.startswith("{%")
        for resolved in dict.fromkeys(self.by_stage(path, text, is_expression=is_expression)):
            if message := problem_with(resolved):
                self.problem(path, f"{brief(resolved)} {message}" if resolved else message)

    def by_stage(self, path: FieldPath, text: str | None, *, is_expression: bool = False) -> list[str]:
        """Return a text as each stage sees it; none where it can't be resolved, which is then a problem.

        In an expression, ``${`` may begin an object of JSONata's.
        """
        if text is None:
            return []
        if not self.stages:  # stages.yaml is wrong itself
            return [] if "${" in text else [text]
        if "${" in REFERENCE.sub("", text) and not is_expression:
            self.problem(path, "has a ${ that does not begin a reference; write ${Name}, with the closing brace")
            return []
        known = {name for values in self.stages.values() for name in values} | PSEUDO_PARAMETERS
        if unknown := [name for name in references(text) if name not in known]:
            for name in unknown:
                self.problem(path, f"${{{name}}} has no value in {STAGES_FILE}; {did_you_mean(name, sorted(known))}")
            return []
        resolved = [resolve(text, {**EXAMPLES, **values}) for values in self.stages.values()]
        if message := next(filter(None, map(dynamic_reference, resolved)), None):
            self.problem(path, message)
        return resolved

    def fields_by_stage(self, fields: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Yield fields as each stage sees them; none where one can't be resolved."""
        for texts in zip(*(self.by_stage((name,), text) for name, text in fields.items()), strict=False):
            yield dict(zip(fields, texts, strict=True))


def places(path: FieldPath, texts: str | list[str]) -> list[tuple[FieldPath, str]]:
    """Return each text of a list, or the one text, with its path."""
    return [(path, texts)] if isinstance(texts, str) else [((*path, at), text) for at, text in enumerate(texts)]
