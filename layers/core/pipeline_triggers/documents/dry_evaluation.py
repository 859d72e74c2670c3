"""Expressions that can't work on the events that they get: found on a sample, before anything is deployed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata import Expression, Scope, compile_expression
from pipeline_triggers.language.jsonata.data import WrongType
from pipeline_triggers.language.jsonata.rules import FUNCTIONS
from pipeline_triggers.language.jsonata.tree import Node, children, text
from pipeline_triggers.language.lookups import LOOKUPS, FieldName, named_in

# Under these, an event holds what a team names itself: nobody can tell what is not there.
FREE = frozenset(
    {
        *("CustomerMetadataProperties", "Environment", "HyperParameters", "Tags", "dimensions"),
        *("Message", "MessageAttributes", "attributes", "body"),  # of SNS
    }
)


# Free, too, but not there for every source.
_OPEN = frozenset({"tags", *(field for (_, field), entry in LOOKUPS.items() if entry.sample == {})})


def problem_on_sample(
    source: str,
    event: Mapping[str, Any],
    bindings: Mapping[str, Any],
    unusable: Callable[[Any], str | None],
    *,
    condition: bool = False,
) -> str | None:
    """Say why an expression can't work on events like this sample, or None.

    A value that the sample happens not to give (the third segment of a key) is not a problem; a name that such events
    do not have, and a function that can't take what they hold, is one. So is what ``unusable`` says of a result.
    """
    expression = compile_expression(source)
    # By another way than by its name, a looked-up field is not there.
    hidden = LOOKUPS.keys() - named_in(expression.nodes)
    available = {
        variable: {name: value for name, value in fields.items() if (variable, name) not in hidden}
        for variable, fields in bindings.items()
    }
    if problem := _problem_of_names(expression, event, bindings, available):
        return problem
    return _problem_of_value(source, expression, Scope(event, available), unusable, condition=condition)


def _problem_of_names(
    expression: Expression, event: Mapping[str, Any], bindings: Mapping[str, Any], available: Mapping[str, Any]
) -> str | None:
    """Say which name such an event does not have; ``available`` are the bindings that the expression gets."""
    for variable, field in sorted(named_in(expression.nodes)):
        if variable in bindings and field not in bindings[variable]:
            return f"uses ${variable}.{field}, which is not available for such an event; leave it out"
    if hidden := _named_otherwise(expression.nodes, available):
        variable, field = hidden
        return f"does not name {field} as ${variable}.{field}; write exactly that"
    if unknown := _unknown_variables(expression.nodes, available):
        names = " or ".join(f"${name}" for name in available)
        remedy = f"use {names}" if names else "no variables are available here"
        return f"uses ${unknown[0]}, which is not a variable here; {remedy}"
    if missing := _missing_paths(expression.tree, event, available):
        return f"uses {missing[0]}, which such an event does not have; {_remedy(missing[0], bindings)}"
    return None


def _problem_of_value(
    source: str, expression: Expression, scope: Scope, unusable: Callable[[Any], str | None], *, condition: bool
) -> str | None:
    """Say why the expression's value on the sample can't be used, or why there is none."""
    constant = is_constant(source)
    free = any(node.type == "name" and node.value in FREE | _OPEN for node in expression.nodes)
    try:
        result = expression.judge(scope)[0] if condition else expression.evaluate(scope)
        if constant and result in (None, ""):
            return "resolves to nothing on any event; write a value"
        if result is not None:
            return None if free else unusable(result)
        if _is_plain_path(expression.nodes) and not free:
            return "resolves to nothing on such an event; see the samples in events/, or guard it with $exists"
    except Rejected as error:
        if constant:
            return f"{error}; fix it".replace("this event", "any event")
        if free:
            return None
        if isinstance(error.__cause__, WrongType) or getattr(error.__cause__, "error", "").startswith("T"):
            # What JSONata calls a type error.
            return f"{error}; convert its input, as with $string or $number".replace("this event", "such an event")
    return None


def _remedy(missing: str, bindings: Mapping[str, Any]) -> str:
    """Say where to look instead of a path that leads to nothing: a variable's fields are few enough to list."""
    variable, *names = missing.split(".")
    fields = bindings.get(variable.removeprefix("$")) if variable.startswith("$") and len(names) == 1 else None
    return f"{variable} has {', '.join(sorted(fields))}" if fields else "see the samples in events/"


def is_constant(source: str) -> bool:
    """Whether an expression gives the same on every event."""
    nodes = compile_expression(source).nodes
    own = {argument.value for node in nodes if node.type == "lambda" for argument in node.arguments}
    own |= {node.lhs.value for node in nodes if node.type == "bind"}
    of_event = ("name", "wildcard", "descendant")
    variables = {node.value for node in nodes if node.type == "variable"} - own - FUNCTIONS
    return not variables and not any(node.type in of_event for node in nodes)


def _is_plain_path(nodes: Collection[Node]) -> bool:
    """Whether an expression only follows names, so that nothing of an event decides whether it finds something."""
    plain = ("path", "name", "variable", "block", "bind", "number", "filter", "index", "wildcard", "descendant")
    # How long a list is differs from event to event.
    further = any(node.type == "number" and node.value > 0 for node in nodes)
    of_resources = any(node.type == "name" and node.value == "resources" for node in nodes)
    return (of_resources or not further) and all(node.type in plain for node in nodes)


def _named_otherwise(nodes: Collection[Node], bindings: Mapping[str, Any]) -> FieldName | None:
    """Return a field that would have to be asked for, and is named apart from its variable."""
    used = {node.value for node in nodes if node.type == "variable"}
    kinds = ("name", "string") if "lookup" in used else ("name",)
    words = {node.value for node in nodes if node.type in kinds}
    for variable, field in sorted(LOOKUPS):
        if variable in used & bindings.keys() and field in words and field not in bindings[variable]:
            return variable, field
    return None


def _unknown_variables(nodes: Collection[Node], known: Collection[str]) -> list[str]:
    bound = {*known, *FUNCTIONS, "", "$"}
    for node in nodes:
        if node.type == "lambda":
            bound |= {argument.value for argument in node.arguments}
        elif node.type == "bind":
            bound.add(node.lhs.value)
    return [node.value for node in nodes if node.type == "variable" and node.value not in bound]


def _missing_paths(ast: Node, event: Mapping[str, Any], bindings: Mapping[str, Any]) -> list[str]:
    """Return the paths from the event or from a variable that lead to nothing, unless ``$exists`` guards them."""
    found: list[tuple[str, bool]] = []
    _collect_missing(ast, event, bindings, found, guarded=False)
    guarded = {path for path, is_guarded in found if is_guarded}
    return [path for path, _ in found if path not in guarded]


def _collect_missing(
    node: Node, event: Any, bindings: Mapping[str, Any], found: list[tuple[str, bool]], *, guarded: bool
) -> None:
    if node.type == "path":
        if (path := _missing(node.steps, event, bindings)) is not None:
            found.append((path, guarded))
        return
    if node.type == "name" and node.value not in event:
        found.append((node.value, guarded))
    in_exists = node.type == "function" and node.procedure.value == "exists"
    for child, is_selecting in children(node):
        if not is_selecting:
            _collect_missing(child, event, bindings, found, guarded=guarded or in_exists)


def _missing(steps: list[Node], event: Any, bindings: Mapping[str, Any]) -> str | None:
    first, *rest = steps
    here: Any
    if first.type == "variable":
        if first.value in ("", "$"):
            here = event
        elif first.value in bindings:
            here = bindings[first.value]
        else:
            return None
    else:
        here, rest = event, steps
    walked = [first] if first.type == "variable" else []
    for step in rest:
        if step.type != "name" or not isinstance(here, dict):
            return None
        walked.append(step)
        if step.value in FREE:
            return None
        if step.value not in here:
            return ".".join(map(text, walked))
        if step.value in _OPEN:
            return None
        here = here[step.value]
        while isinstance(here, list) and here:
            here = here[0]
        if getattr(step, "stages", None):
            return None
    return None
