"""Values of a trigger with ``collect``: what is wrong with one on the batches that there may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline_triggers.documents import value_check
from pipeline_triggers.documents.batch_sample import EMPTY, BatchSample
from pipeline_triggers.documents.dry_evaluation import problem_on_sample
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import batch_values, values
from pipeline_triggers.language.jsonata.rules import ExpressionError
from pipeline_triggers.models import Occurrence


def problem(source: str, batches: Sequence[BatchSample], *, condition: bool = False) -> str | None:
    """Say what is wrong with a value as the document writes it, or None; a batch has no event of its own."""
    if source.startswith("$."):
        return "is a path into one event, and this is computed of a batch; write {% $batch.… %}"
    for kind, batch in batches:
        message = None if kind == EMPTY else value_check.check(source, batch, condition=condition)
        if message:
            of_batch = message.replace("such an event", kind).replace("this event", kind)
            return of_batch.replace("see the samples in events/", "use the fields of $batch")
        if not condition and _is_empty(source, batch):
            remedy = "guard it, as in {% $x = '' ? 'none' : $x %}"
            return f"is empty on {kind}, and SageMaker refuses empty values; {remedy}"
    return None


def check_condition(source: str, batches: Sequence[BatchSample]) -> str | None:
    """Say what is wrong with an ``only_if``, or None."""
    if not values.JSONATA.fullmatch(source):
        return "is not an expression; write {% … %} around it, as in {% $batch.count > 1 %}"
    return problem(source, batches, condition=True)


def check_expect(source: str, batches: Sequence[BatchSample]) -> str | None:
    """Say what is wrong with an ``expect`` that is computed, or None; it sees the batch's ``by`` and nothing else."""
    batch = batches[0].batch.bindings["batch"]
    sample = {"batch": {name: value for name, value in batch.items() if name == "by"}}
    try:
        message = problem_on_sample(values.expression(source) or "", {}, sample, _not_parts)
    except ExpressionError as error:
        return str(error)
    return (
        message.replace("such an event", "a batch").replace("see the samples in events/", "write collect.by")
        if message
        else None
    )


def _not_parts(value: Any) -> str | None:
    try:
        batch_values.expected("it", value)
    except Rejected:
        return f"does not give 1 to {batch_values.MAX_EXPECTED} names of parts, nor how many; write a list or a number"
    return None


def _is_empty(source: str, batch: Occurrence) -> bool:
    try:
        return values.computed(source, batch) == ""
    except Rejected:
        return False
