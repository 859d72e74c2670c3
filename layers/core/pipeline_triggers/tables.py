"""DynamoDB's tables with Python values, as boto3's resources have them; importing boto3 would slow down cold starts.

Values are text, bytes, integers, Decimals, booleans, None, lists, maps, and sets of one type. A number comes back as an
int if it is whole, else as a Decimal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.model import OperationModel, Shape

# What DynamoDB calls an attribute's value in the models of its operations.
_ATTRIBUTE = "AttributeValue"


class Table:
    """A client's operations, on one table."""

    def __init__(self, client: BaseClient, name: str) -> None:
        self.client = client
        self.name = name

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        """Return an operation, such as ``put_item``."""
        return partial(getattr(self.client, operation), TableName=self.name)


def take_python_values(client: BaseClient) -> BaseClient:
    """Let a client of DynamoDB take and give Python values."""
    client.meta.events.register("provide-client-params.dynamodb", _request)
    client.meta.events.register("after-call.dynamodb", _response)
    return client


def _request(params: Mapping[str, Any], model: OperationModel, **_: Any) -> Any:
    return _converted(params, model.input_shape, attribute)


def _response(parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    parsed.update(_converted(parsed, model.output_shape, value))


def _converted(data: Any, shape: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert all attributes' values in what an operation takes or gives."""
    if shape.name == _ATTRIBUTE:
        return convert(data)
    match shape.type_name:
        case "structure" if isinstance(data, Mapping):
            return {name: _member(name, inner, shape, convert) for name, inner in data.items()}
        case "map" if isinstance(data, Mapping):
            return {name: _converted(inner, shape.value, convert) for name, inner in data.items()}
        case "list" if isinstance(data, list):
            return [_converted(inner, shape.member, convert) for inner in data]
        case _:
            return data


def _member(name: str, data: Any, shape: Any, convert: Callable[[Any], Any]) -> Any:
    member: Shape | None = shape.members.get(name)
    # botocore itself refuses what an operation does not take.
    return _converted(data, member, convert) if member else data


def attribute(value: object) -> dict[str, Any]:
    """Write a value as DynamoDB takes it, by its type.

    Raises:
        TypeError: DynamoDB has no such type; floats are not exact there.

    """
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case None:
            return {"NULL": True}
        case bytes():
            return {"B": value}
        case list() | tuple():
            return {"L": [attribute(item) for item in value]}
        case Mapping():
            return {"M": {name: attribute(item) for name, item in value.items()}}
        case set() | frozenset() if len(types := {kind for item in value for kind in attribute(item)}) == 1:
            (kind,) = types
            return {f"{kind}S": sorted(attribute(item)[kind] for item in value)}
    raise TypeError(f"DynamoDB has no type for {value!r}")


def value(attribute: Mapping[str, Any]) -> Any:
    """Read a value that DynamoDB gives."""
    ((kind, written),) = attribute.items()
    match kind:
        case "N":
            return _number(written)
        case "NULL":
            return None
        case "L":
            return [value(item) for item in written]
        case "M":
            return {name: value(item) for name, item in written.items()}
        case "NS":
            return {_number(item) for item in written}
        case "SS" | "BS":
            return set(written)
        case _:
            return written


def _number(written: str) -> int | Decimal:
    exact = Decimal(written)
    return int(exact) if exact == exact.to_integral_value() else exact
