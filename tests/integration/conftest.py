"""One deployed stack for the tests of the handlers: a deploy takes longer than most of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration import STACK
from tests.localaws.local_aws import LocalAws, pipeline_definition
from tests.localaws.project import Project

DOCUMENTS = Path(__file__).parent / "documents"

LEAD = timedelta(seconds=60)  # a deploy takes several on an idle machine

# The pipelines that exist before the deploy: name → parameters, and those with a default.
PIPELINES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "echo": ({}, {"ByExpression": "String", "ByPath": "String", "Uri": "String", "Size": "Integer"}),
    "echo-value": ({"Value": "String"}, {}),
    "report": ({"Version": "String"}, {}),
    "requested": ({"Value": "String"}, {"Size": "String"}),
    "other": ({"Value": "String"}, {"Size": "String"}),
    "collected": ({}, dict.fromkeys(("Manifest", "Events", "Files", "By", "Revision", "Data"), "String")),
    "direct": ({}, {}),
    "direct-schedule": ({"Scheduled_at": "String", "Kind": "String"}, {}),
    "direct-one": ({"Month": "String", "Kind": "String"}, {}),
    "direct-two": ({}, {}),
}


@pytest.fixture(scope="session")
def soon(aws: LocalAws) -> datetime:  # noqa: ARG001 - started before, not meanwhile
    """A time that is still to come when the stack is deployed, and long past when the schedules' tests run."""
    return datetime.now(UTC).replace(microsecond=0) + LEAD


@pytest.fixture(scope="session")
def deployed(aws: LocalAws, new_project: Callable[[], Project], soon: datetime) -> LocalAws:
    """The embedded AWS with the stack, which has every trigger of ``documents/`` and a janitor that does not wait."""
    for name, (required, optional) in PIPELINES.items():
        definition = json.loads(pipeline_definition({**required, **optional}))
        for parameter in definition["Parameters"]:
            if parameter["Name"] in optional:
                parameter["DefaultValue"] = 0 if parameter["Type"] == "Integer" else "none"
        aws.create_pipeline(name, json.dumps(definition))
    aws.create_pipeline("one-at-a-time", pipeline_definition({"Key": "String"}), runs=True)
    for topic in ("others", "others-filtered", "team-news"):
        aws.client("sns").create_topic(Name=topic)
    aws.client("events").create_event_bus(Name="shop")
    project = new_project()
    for document in DOCUMENTS.iterdir():
        text = document.read_text(encoding="utf-8").replace("SOON", f"{soon:%Y-%m-%dT%H:%M:%S}")
        (project.documents / document.name).write_text(text, encoding="utf-8")
    project.compile()
    project.deploy(aws, STACK, "dev", "JanitorDelaySeconds=0", "JanitorIgnore=etl-*")
    assert datetime.now(UTC) < soon, "the deploy took longer than LEAD"
    return aws
