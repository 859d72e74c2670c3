"""What SageMaker's API says of a StartPipelineExecution call. botocore itself checks no patterns and no maxima."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def _input() -> Any:
    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))
    return model.operation_model("StartPipelineExecution").input_shape


def misfits(call: Mapping[str, Any]) -> list[str]:
    """Return what of the call does not fit the service's model."""
    return list(_misfits("", _input(), call))


def _misfits(path: str, shape: Any, value: Any) -> Iterator[str]:
    limits = shape.metadata
    size = value if isinstance(value, int) else len(value)
    if not limits.get("min", size) <= size <= limits.get("max", size):
        yield f"{path} has the size {size}, not {limits}"
    if isinstance(value, str) and "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        yield f"{path} is {value!r}, not {limits['pattern']}"
    if shape.type_name == "structure":
        for name in (value.keys() ^ shape.members.keys()) - (shape.members.keys() - set(shape.required_members)):
            yield f"{path}.{name} is missing, or not known"
        for name in value.keys() & shape.members.keys():
            yield from _misfits(f"{path}.{name}", shape.members[name], value[name])
    if shape.type_name == "list":
        for member in value:
            yield from _misfits(f"{path}[]", shape.member, member)
