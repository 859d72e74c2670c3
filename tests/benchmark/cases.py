"""What is measured: documents with few and many triggers, and the messages of each handler's queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline_triggers.documents import loader
from pipeline_triggers.language import triggers_json

from tests import PROJECT
from tests.localaws.local_aws import deletion

TOPIC = "arn:aws:sns:eu-central-1:123456789012:raw-uploads"

UPLOAD = """\
  upload-{number}:
    description: The partition {number} of the orders landed
    when: {{s3: {{bucket: "${{RawBucket}}", key: "orders/{number}/dt=*/*.parquet"}}}}
    if: "{{% $object.size > 0 %}}"
    start: orders-training-{number}
    max_starts: 1000000
    parameters:
      InputDataUrl: "{{% $object.uri %}}"
      Date: "{{% $substringAfter($split($object.key, '/')[2], 'dt=') %}}"
      InstanceType: "{{% $object.size > 5e9 ? 'ml.m5.4xlarge' : 'ml.m5.large' %}}"
      Bucket: $.detail.bucket.name
      Epochs: 20
"""
COLLECTED = """\
  collected:
    when: {s3: {bucket: "${RawBucket}", key: "collected/*"}}
    collect: {by: "{% $object.key %}", quiet: 1 hour}
    start: orders-training
    parameters: {InputDataUrl: "{% $batch.manifest %}"}
"""
OTHERS = f"""\
  endpoint:
    when: {{endpoint: {{name: "churn-*", status: in-service}}}}
    start: orders-training
    parameters: {{Name: "{{% $endpoint.name %}}"}}
  topic:
    when: {{sns: {{topic: "{TOPIC}"}}}}
    start: orders-training
    parameters: {{InputDataUrl: "{{% $object.uri %}}"}}
  nightly:
    when: {{schedule: {{cron: "0 2 * * ? *", timezone: Europe/Berlin}}}}
    start: orders-training
    parameters: {{Date: "{{% $scheduled.date %}}"}}
"""
EXAMPLES = """\
    examples:
      - event: {{key: orders/{number}/dt=2026-11-01/a.parquet}}
        starts: {{orders-training-{number}: {{Date: 2026-11-01}}}}
      - event: {{key: orders/{number}/dt=2026-11-01/a.parquet, size: 6000000000, sequencer: 0A}}
        starts: {{orders-training-{number}: {{InstanceType: ml.m5.4xlarge}}}}
      - {{event: {{key: orders/{number}/dt=2026-11-01/a.csv}}, ignored: true}}
"""
HEAD = 'version: 1\nowner: benchmark\npipelines: ["*"]\ntriggers:\n'


def write(folder: Path, uploads: int, others: str = "", *, upload: str = UPLOAD) -> None:
    """Write documents with so many triggers on uploads."""
    folder.mkdir()
    triggers = "".join(upload.format(number=number) for number in range(uploads))
    (folder / "orders.yaml").write_text(HEAD + triggers + others, encoding="utf-8")
    (folder / "stages.yaml").write_text("dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n", encoding="utf-8")


def compiled(folder: Path) -> None:
    """Compile documents as the triggers' layer holds them; a stack may be too large for CloudFormation here."""
    documents = loader.load(folder)
    text = triggers_json.dump(documents.triggers, documents.stages, documents.limits)
    (folder / "compiled_triggers").mkdir()
    (folder / "compiled_triggers" / "triggers.json").write_text(text, encoding="utf-8")


def sample(name: str) -> dict[str, Any]:
    """Return a sample event."""
    event: dict[str, Any] = json.loads((PROJECT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    return event


def of_rule(trigger: str, event: dict[str, Any]) -> str:
    """Return what a rule sends to a handler's queue."""
    return json.dumps({"trigger": f"orders/{trigger}", "event": event})


def upload(trigger: str, key: str, size: int = 100) -> str:
    """Return the message of an upload."""
    event = sample("s3")
    event["detail"]["bucket"] = {"name": "raw-dev"}
    event["detail"]["object"] |= {"key": key, "size": size}
    return of_rule(trigger, event)


def uploads(number: int, count: int = 1) -> list[str]:
    """Return messages of uploads that start a trigger's pipeline."""
    return [upload(f"upload-{number}", f"orders/{number}/dt=2026-11-01/{part}.parquet") for part in range(count)]


def filtered(number: int) -> list[str]:
    """Return the message of an upload that does not meet the trigger's condition."""
    return [upload(f"upload-{number}", f"orders/{number}/dt=2026-11-01/a.parquet", size=0)]


def collected(count: int = 1) -> list[str]:
    """Return messages of uploads that are collected into one batch."""
    return [upload("collected", f"collected/{part}") for part in range(count)]


# By the module of a handler: the message of its first event.
FIRST: dict[str, Callable[[], str]] = {
    "on_s3_upload": lambda: uploads(0)[0],
    "on_endpoint_status": lambda: of_rule("endpoint", sample("endpoint")),
    "on_sns_message": lambda: json.dumps(sample("sns_topic")),
    "on_event": lambda: of_rule("nightly", sample("schedule")),
    "on_batch": lambda: json.dumps({"pipeline": "orders-training"}),
    "janitor": lambda: json.dumps(deletion("orders-training")),
}
