"""Which requests IAM policies allow, by the evaluator of the embedded AWS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint

from tests.localaws import ACCOUNT, REGION

Statement = Mapping[str, Any]

_CFN_LINT = Path(cfnlint.__file__).parent / "data"


@dataclass(frozen=True)
class Request:
    """An action on a resource (``*`` where IAM knows no resource), with the condition keys that it carries."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}{f' ({self.reason})' if self.reason else ''}"


def allows(statements: Iterable[Statement], request: Request) -> bool:
    """Whether the statements of an identity's policies allow a request."""
    from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

    context = EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:role/any",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=request.action,
        resource_arn=request.resource,
        region=REGION,
        service_context={name.lower(): value for name, value in request.context.items()},
    )
    parsed = parse_policy_document({"Version": "2012-10-17", "Statement": list(statements)})
    return bool(evaluate(context, [parsed]).decision == "Allow")


def as_list(value: Any) -> list[Any]:
    """Return a list of what IAM takes singly or as a list."""
    return value if isinstance(value, list) else [value]


def without_each_grant(statement: Statement) -> Iterator[tuple[str, list[Statement]]]:
    """Yield the name of each action and each resource of a statement, and what is left of the statement without it."""
    for member in ("Action", "Resource"):
        for grant in as_list(statement[member]):
            rest = [one for one in as_list(statement[member]) if one != grant]
            yield f"{statement.get('Sid', '')}: {json.dumps(grant)}", [{**statement, member: rest}] if rest else []


@cache
def _services() -> dict[str, Any]:
    text = (_CFN_LINT / "AdditionalSpecs" / "Policies.json").read_text(encoding="utf-8")
    services: dict[str, Any] = json.loads(text)
    return services


def resource_types(action: str) -> frozenset[str]:
    """Return the types of resources that an action can be granted on; none where only ``*`` works."""
    service, name = action.split(":")
    return frozenset(_services()[service]["Actions"][name.lower()].get("Resources") or ())


@cache
def resource_schemas() -> dict[str, dict[str, Any]]:
    """Return CloudFormation's schemas of resource types by name."""
    schemas = [
        json.loads(path.read_text(encoding="utf-8")) for path in (_CFN_LINT / "schemas/resources").glob("*.json")
    ]
    return {schema["typeName"]: schema for schema in schemas}
