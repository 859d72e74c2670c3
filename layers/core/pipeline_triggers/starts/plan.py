"""Occurrence → Run: one StartPipelineExecution call, decided in full, and the token that identifies it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import trigger_values
from pipeline_triggers.language.values import evaluate, no_execution, no_experiment
from pipeline_triggers.models import Occurrence, Run, Trigger
from pipeline_triggers.starts.definition import pinned
from pipeline_triggers.text import brief

MAX_DEPTH = 10  # of executions, each started by the end of the one before

MAX_PARAMETERS = 200  # StartPipelineExecution: PipelineParameters

# StartPipelineExecution: PipelineExecutionDisplayName, PipelineExecutionDescription
MAX_DISPLAY_NAME_LENGTH, MAX_DESCRIPTION_LENGTH = 82, 3072


def plan(trigger: Trigger, target: int, occurrence: Occurrence, stack: str) -> Run:
    """Decide one start: ``target`` is the position in ``trigger.start``.

    Raises:
        Rejected: a value can't be computed from this event, or it ends too long a chain of executions.

    """
    return planned(trigger, target, occurrence, token_of(trigger, target, occurrence, stack))


def planned(trigger: Trigger, target: int, occurrence: Occurrence, token: str) -> Run:
    """Decide one start that a token identifies.

    Raises:
        Rejected: a value can't be computed from this event, or it ends too long a chain of executions.

    """
    if occurrence.depth > MAX_DEPTH:
        chain = f"each of {MAX_DEPTH} pipelines in a row was started by the end of the one before"
        raise Rejected(f"{chain}, most likely a loop; end it in the documents, or start it anew")
    start = trigger.start[target]
    occurrence = trigger_values.bound(trigger.id, occurrence)
    computed = {name: _evaluate(f"parameter {name}", source, occurrence) for name, source in start.parameters.items()}
    requested = occurrence.request.parameters if occurrence.request else {}
    values = {**computed, **requested}
    if len(values) > MAX_PARAMETERS:
        raise Rejected(f"{len(values)} parameters, with those of the request; SageMaker takes {MAX_PARAMETERS}")
    options, occurred = _options(trigger, occurrence, token), digest(occurrence.identity)
    return Run(start.pipeline, values, token, options, occurred, trigger.secret)


def token_of(trigger: Trigger, target: int, occurrence: Occurrence, stack: str) -> str:
    """Return what identifies a start: each delivery of an occurrence has the same token.

    It depends on what happened and on what is to be started for it, never on what was looked up or on the clock.

    Raises:
        Rejected: the trigger's ``dedupe`` can't be computed from this event.

    """
    pipeline = trigger.start[target].pipeline
    # Not the position: what is taken out of the list before a redrive must not make the rest start again.
    same = [start.pipeline for start in trigger.start[:target]].count(pipeline)
    identity = [stack, trigger.first_id, pipeline, same, *_identity(trigger, occurrence), *_again(occurrence)]
    return digest(identity)


def mark_of(trigger: Trigger, occurrence: Occurrence, stack: str) -> str:
    """Return what identifies an event among all that a stack collects, whichever batch takes it.

    A dry run's marks are its own, so that switching it off collects the same events for good.

    Raises:
        Rejected: the trigger's ``dedupe`` can't be computed from this event.

    """
    part = [f"part {trigger.part}"] if trigger.part else []
    tried = ["dry run"] if trigger.dry_run else []
    return digest([stack, trigger.first_id, *_identity(trigger, occurrence), *_again(occurrence), *part, *tried])


def digest(identity: Sequence[object]) -> str:
    """Return what stands for an identity, in 64 characters."""
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def identified(token: str) -> str:
    """Return how the description of an execution ends, by which it can be found."""
    return f"identity {token}"


def _identity(trigger: Trigger, occurrence: Occurrence) -> tuple[str, ...]:
    if trigger.dedupe:
        return ("dedupe", _evaluate("dedupe", trigger.dedupe, occurrence))
    if occurrence.request and occurrence.request.dedupe:
        return ("dedupe", occurrence.request.dedupe)
    return occurrence.identity


def _again(occurrence: Occurrence) -> tuple[str, ...]:
    """Return what tells it from the same occurrence before, whatever names that, a business key included."""
    return (f"again {occurrence.again}",) if occurrence.again else ()


def _options(trigger: Trigger, occurrence: Occurrence, token: str) -> dict[str, Any]:
    """Return StartPipelineExecution's arguments besides the pipeline, its parameters and the token."""
    options = trigger.options

    def value(field: str, source: str | None, problem: Callable[[str], str | None] = lambda _: None) -> str | None:
        if source is None:
            return None
        text = _evaluate(field, source, occurrence)
        if message := problem(text):
            raise Rejected(f"{field}: {brief(text)} {message}")
        return text

    selected = {
        "SelectedSteps": [{"StepName": step} for step in options.steps],
        "SourcePipelineExecutionArn": value("source_execution", options.source_execution, no_execution),
    }
    return _given(
        PipelineExecutionDisplayName=_display_name(trigger.id, token, value("display_name", options.display_name)),
        PipelineExecutionDescription=_description(trigger, occurrence, token),
        ParallelismConfiguration=_given(MaxParallelExecutionSteps=options.max_parallel_steps),
        SelectiveExecutionConfig=_given(**selected) if options.steps else None,
        MlflowExperimentName=value("mlflow_experiment", options.mlflow_experiment, no_experiment),
        **pinned(options.version),
    )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: argument for name, argument in arguments.items() if argument not in (None, "", {}, [])}


def _evaluate(field: str, source: str, occurrence: Occurrence) -> str:
    try:
        return evaluate(source, occurrence)
    except Rejected as error:
        raise Rejected(f"{field}: {error}") from error


def _display_name(trigger_id: str, token: str, chosen: str | None) -> str:
    """Name the execution as the document says, or after its trigger, in the letters that SageMaker allows here."""
    if name := _allowed(chosen or "")[:MAX_DISPLAY_NAME_LENGTH].strip("-"):
        return name
    suffix = f"-{token[:8]}"
    return _allowed(trigger_id)[: MAX_DISPLAY_NAME_LENGTH - len(suffix)].strip("-") + suffix


def _allowed(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _description(trigger: Trigger, occurrence: Occurrence, token: str) -> str:
    """Say where an execution comes from, in one line; its end stays, by which it is found."""
    depth = f"depth {occurrence.depth}" if occurrence.depth else ""
    origin = f"trigger {trigger.id}, event {occurrence.event_id}"
    origin = ", ".join(filter(None, (origin, *_again(occurrence), depth, identified(token))))
    description = "; ".join(filter(None, (trigger.description, origin)))
    return " ".join(description.split())[-MAX_DESCRIPTION_LENGTH:]
