"""The topics of ``notify``, as the account has them: there, in the stack's Region, and open to EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    if not any(map(_lets_eventbridge_publish, json.loads(attributes.get("Policy", "{}")).get("Statement", []))):
        return f"topic {topic} does not let EventBridge publish; docs/operations.md shows the statement for its policy"
    return None


def _lets_eventbridge_publish(statement: Mapping[str, Any]) -> bool:
    """Whether a statement names EventBridge; its conditions are not judged."""
    principal, actions = statement.get("Principal"), statement.get("Action")
    services = principal.get("Service", []) if isinstance(principal, Mapping) else []
    is_named = _EVENTS in ([services] if isinstance(services, str) else services)
    may_publish = {str(action).lower() for action in ([actions] if isinstance(actions, str) else actions or [])}
    return statement.get("Effect") == "Allow" and is_named and bool(may_publish & {"sns:publish", "sns:*", "*"})
