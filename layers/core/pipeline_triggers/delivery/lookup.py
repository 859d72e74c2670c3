"""Fields that events do not carry, looked up in AWS: only for a trigger whose expressions name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from botocore.exceptions import ClientError, ParamValidationError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.lookups import LOOKUPS, FieldName
from pipeline_triggers.models import Occurrence

# How AWS says that something does not exist (any more).
_MISSING = frozenset(
    {
        "404",
        "405",
        "MethodNotAllowed",
        "NoSuchKey",
        "NoSuchBucket",
        "NoSuchVersion",
        "ResourceNotFound",
        "ValidationException",
    }
)


def with_lookups(occurrence: Occurrence, fields: Iterable[FieldName]) -> Occurrence:
    """Return the occurrence with these fields in its variables, each looked up once.

    Raises:
        Rejected: the event does not name what to look up, or that does not exist.
        botocore.exceptions.ClientError, BotoCoreError: AWS can't answer now.

    """
    bindings = dict(occurrence.bindings)
    for variable, field in sorted(fields):
        if variable not in bindings:
            continue  # as on a topic's message that brings no object
        # A resource's name is a text that is not empty.
        bound = {name: value for name, value in bindings[variable].items() if isinstance(value, str) and value}
        try:
            value = LOOKUPS[variable, field].look_up(aws, bound)
        except KeyError as error:
            raise Rejected(f"${variable}.{field} can't be looked up: the event does not say {error}") from error
        except ParamValidationError as error:
            raise Rejected(f"${variable}.{field} can't be looked up: {error}") from error
        except ClientError as error:
            response = error.response["Error"]
            if response["Code"] in _MISSING:
                reason = f"${variable}.{field} can't be looked up: {response['Code']}: {response['Message']}"
                raise Rejected(reason) from error
            raise
        if value is not None:
            bindings[variable] = {**bindings[variable], field: value}
    return replace(occurrence, bindings=bindings)
