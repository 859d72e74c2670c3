"""The least that starts a pipeline for an upload, and what every handler is measured against: it guards nothing."""

import json
from typing import Any

import boto3

sagemaker: Any = boto3.client("sagemaker")


def handler(event: dict[str, Any], _context: object) -> None:
    """Start the pipeline for each message of a batch."""
    for record in event["Records"]:
        detail = json.loads(record["body"])["event"]["detail"]
        uri = f"s3://{detail['bucket']['name']}/{detail['object']['key']}"
        sagemaker.start_pipeline_execution(
            PipelineName="orders-training", PipelineParameters=[{"Name": "InputDataUrl", "Value": uri}]
        )
