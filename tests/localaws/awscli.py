"""A command of the AWS CLI, as ``triggers`` prints it, done with boto3: the CLI itself need not be installed."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from botocore import xform_name

from tests.localaws.local_aws import LocalAws

# What the CLI calls otherwise than the API.
_RENAMED = {("sns", "notification-endpoint"): "endpoint"}
_SERVICES = {"s3api": "s3"}

_INNER = re.compile(r'"\$\((aws .*)\)"')


def run(aws: LocalAws, commands: str) -> None:
    """Carry out commands that ``&&`` joins."""
    for command in commands.split(" && "):
        if inner := _INNER.search(command):
            answer = _keep_and_switch_on(_call(aws, inner[1]))
            command = command.replace(inner[0], shlex.quote(json.dumps(answer)))
        _call(aws, command)


def _keep_and_switch_on(notifications: dict[str, Any]) -> dict[str, Any]:
    """Do what the one ``--query`` does that commands here have."""
    return {name: value for name, value in notifications.items() if name != "ResponseMetadata"} | {
        "EventBridgeConfiguration": {}
    }


def _call(aws: LocalAws, command: str) -> Any:
    program, service, operation, *words = shlex.split(command)
    assert program == "aws", command
    client = aws.client(_SERVICES.get(service, service))
    (name,) = [one for one in client.meta.service_model.operation_names if xform_name(one, "-") == operation]
    shape = client.meta.service_model.operation_model(name).input_shape
    members = {xform_name(member, "-"): member for member in shape.members}
    arguments: dict[str, Any] = {}
    while words:
        option = words.pop(0).removeprefix("--")
        if option in ("query", "output"):
            words.pop(0)
            continue
        if option == "cli-input-json":
            arguments |= json.loads(words.pop(0))
            continue
        member = members[_RENAMED.get((service, option), option)]
        kind = shape.members[member].type_name
        if kind == "boolean":
            arguments[member] = True
        elif kind == "list" and not words[0].startswith("["):
            arguments[member] = [words.pop(0)]
        else:
            text = words.pop(0)
            arguments[member] = json.loads(text) if kind in ("list", "structure", "map") else text
    return getattr(client, xform_name(name))(**arguments)
