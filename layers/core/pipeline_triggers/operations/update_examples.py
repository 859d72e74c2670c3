"""``triggers test --update``: writes what came of examples into a document's text, and changes nothing else of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import yaml

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.examples import OUTCOMES
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.operations.examples import Came, Result, stage_values

# What needs no quotes anywhere in YAML.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")

# A node, and the text that takes its place.
Change = tuple[yaml.Node, str]


def updated(text: str, results: Iterable[Result], documents: Documents, stage: str) -> str:
    """Return the text of one of the documents with what its examples came to in a stage."""
    values = stage_values(documents, stage)
    names = {resolve(start.pipeline, values): start.pipeline for one in documents.triggers for start in one.start}
    root = yaml.compose(text)
    edits = []
    for result in results:
        if result.difference:
            example = _at(root, ("triggers", result.example.trigger.partition("/")[2], *result.example.path))
            ((key, outcome),) = (pair for pair in example.value if pair[0].value in OUTCOMES)
            changes = _changed_values(outcome, result.came, values)
            if changes is None:
                edits.append((key.start_mark.index, _end(outcome, text), _written(result.came, names)))
            else:
                edits += [(node.start_mark.index, _end(node, text), fresh) for node, fresh in changes]
    for start, end, fresh in sorted(edits, reverse=True):
        text = text[:start] + fresh + text[end:]
    return text


def _at(node: yaml.Node | None, path: FieldPath) -> yaml.MappingNode:
    for step in path:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == step)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - the loader has read it as one
    return node


def _changed_values(outcome: yaml.Node, came: Came, values: Mapping[str, str]) -> list[Change] | None:
    """Return the parameters that have another value; None where the same pipelines and parameters are not there."""
    if came.outcome != "starts" or not isinstance(outcome, yaml.MappingNode):
        return None
    expected = [(resolve(pipeline.value, values), parameters) for pipeline, parameters in outcome.value]
    if sorted(name for name, _ in expected) != sorted(name for name, _ in came.starts):
        return None
    actual = dict(came.starts)
    nodes = [
        (node, actual[pipeline].get(name.value))
        for pipeline, parameters in expected
        if isinstance(parameters, yaml.MappingNode)
        for name, node in parameters.value
    ]
    changes = []
    for node, value in nodes:
        if value is None:
            return None
        if resolve(node.value, values) != value:
            changes.append((node, _scalar(value)))
    return changes


def _end(node: yaml.Node, text: str) -> int:
    """Return where a node's text ends; a block's mark is behind the space and the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last, text)
    return len(text[: node.end_mark.index].rstrip())


def _written(came: Came, names: Mapping[str, str]) -> str:
    """Write an outcome on one line, as it may stand in a block or between braces.

    ``names`` are the pipelines' as documents write them.
    """
    if came.outcome != "starts":
        return f"{came.outcome}: {'true' if came.outcome == 'duplicate' else _scalar(came.reason)}"
    starts = [f"{_scalar(names[pipeline])}: {_mapping(parameters)}" for pipeline, parameters in came.starts]
    if len({pipeline for pipeline, _ in came.starts}) < len(starts):
        return f"starts: [{', '.join(f'{{{start}}}' for start in starts)}]"
    return f"starts: {{{', '.join(starts)}}}"


def _mapping(parameters: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{_scalar(name)}: {_scalar(value)}' for name, value in parameters.items())}}}"


def _scalar(text: str) -> str:
    # JSON's texts are YAML's.
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
