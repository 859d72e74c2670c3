"""The topics of ``notify``, as the account has them: there, in the stack's Region, and open to EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account.home import Home
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import Problem
from pipeline_triggers.language.stages import resolve

_EVENTS = "events.amazonaws.com"


def problems(documents: Documents, values: Mapping[str, str], here: Home) -> Iterator[Problem]:
    """Yield what keeps EventBridge from publishing to the documents' topics; ``values`` are the stage's."""
    for team, written in documents.notify.items():
        of_team = (document for id_, document in documents.files.items() if id_.partition("/")[0] == team)
        document = next(of_team, None)
        topic = resolve(written, values)
        message = _problem(topic, here)
        if document and message:
            yield document.located(("notify",), message)


def _problem(topic: str, here: Home) -> str | None:
    region, account = topic.split(":")[3:5]
    if (region, account) != (here.region, here.account):
        return f"topic {topic} is not in {here.region} of {here.account}, where the stack's bus is; use one there"
    try:
        attributes = aws.sns(region).get_topic_attributes(TopicArn=topic)["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFound":
            return f"topic {topic} does not exist; create it, or fix notify"
        return f"topic {topic} can't be read: {aws.refusal(error)}"
    statements = _listed(json.loads(attributes.get("Policy", "{}")).get("Statement"))
    if not any(map(_lets_eventbridge_publish, statements)):
        return f"topic {topic} does not let EventBridge publish; docs/operations.md shows the statement for its policy"
    return None


def _lets_eventbridge_publish(statement: Mapping[str, Any]) -> bool:
    """Whether a statement names EventBridge; its conditions are not judged."""
    principal = statement.get("Principal")
    services = principal.get("Service") if isinstance(principal, Mapping) else principal
    is_named = not {_EVENTS, "*"}.isdisjoint(_listed(services))
    may_publish = any(fnmatch("sns:publish", str(action).lower()) for action in _listed(statement.get("Action")))
    return statement.get("Effect") == "Allow" and is_named and may_publish


def _listed(value: Any) -> list[Any]:
    """Return what a policy may also write without a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
