"""What only the account knows of the documents: do the pipelines and buckets exist, and do the buckets speak?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws, catalog, definition
from pipeline_triggers.documents import Documents
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Trigger
from pipeline_triggers.parameters import literal


def pseudo_parameters() -> dict[str, str]:
    """Return what CloudFormation would know in the account and Region that the credentials and the settings name.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked.

    """
    identity = aws.sts().get_caller_identity()
    return {
        "AWS::AccountId": identity["Account"],
        "AWS::Partition": identity["Arn"].split(":")[1],
        "AWS::Region": aws.sagemaker().meta.region_name,
    }


def triggers_of(documents: Documents, stage: str, values: Mapping[str, str]) -> list[Trigger]:
    """Return the triggers as a stage sees them, with the pseudo parameters' values."""
    compiled = catalog.dump(documents.triggers, documents.stages)
    return list(catalog.load(compiled, stage, values).values())


def problems(documents: Documents, stage: str) -> list[str]:
    """Return what keeps the documents from working in the account, Region and stage, each with its remedy.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the account can't be asked at all.

    """
    values = pseudo_parameters()
    triggers = [trigger for trigger in triggers_of(documents, stage, values) if trigger.enabled]
    return [*_pipeline_problems(triggers), *_bucket_problems(triggers, values["AWS::AccountId"])]


def _pipeline_problems(triggers: list[Trigger]) -> Iterator[str]:
    described = cache(definition.describe)
    for trigger in triggers:
        for start in trigger.start:
            try:
                declared = described(start.pipeline)
            except Rejected as error:
                yield f"{trigger.id}: {error}"
            except ClientError as error:
                yield f"{trigger.id}: pipeline {start.pipeline} can't be looked at: {_brief(error)}"
            else:
                values = {name: literal(source) for name, source in start.parameters.items()}
                for misfit in definition.misfits(declared, values):
                    yield f"{trigger.id}: {start.pipeline}: {misfit}"


def _bucket_problems(triggers: list[Trigger], account: str) -> Iterator[str]:
    region = aws.sagemaker().meta.region_name
    used = {trigger.when.fields["bucket"]: trigger.id for trigger in triggers if trigger.when.source == "s3"}
    for bucket, trigger_id in used.items():
        try:
            # us-east-1 has no name here; eu-west-1 once had another.
            answer: Mapping[str, Any] = aws.s3().get_bucket_location(Bucket=bucket, ExpectedBucketOwner=account)
            location = answer.get("LocationConstraint") or "us-east-1"
            lies_in = "eu-west-1" if location == "EU" else location
            notifications = aws.s3().get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucket":
                yield f"{trigger_id}: bucket {bucket} does not exist; create it, or mend the trigger"
            else:
                yield f"{trigger_id}: bucket {bucket} can't be looked at, or is another account's: {_brief(error)}"
            continue
        if lies_in != region:
            yield (
                f"{trigger_id}: bucket {bucket} lies in {lies_in}, where its events stay; deploy there as well,"
                f" or let a rule there send them to the default bus in {region}"
            )
        if "EventBridgeConfiguration" not in notifications:
            yield (
                f"{trigger_id}: bucket {bucket} does not send its events to EventBridge; this switches it on, and"
                f" keeps the notifications that the bucket has:\n{switch_on_command(bucket)}"
            )


def switch_on_command(bucket: str) -> str:
    """Write the command that lets a bucket send its events to EventBridge.

    PutBucketNotificationConfiguration replaces everything, so the command reads what is there first.
    """
    merged = f"merge(@, `{json.dumps({'EventBridgeConfiguration': {}})}`)"
    name = shlex.quote(bucket)
    read = f"aws s3api get-bucket-notification-configuration --bucket {name} --query {shlex.quote(merged)}"
    return (
        f"aws s3api put-bucket-notification-configuration --bucket {name}"
        f' --notification-configuration "$({read} --output json)"'
    )


def _brief(error: ClientError) -> str:
    details = error.response["Error"]
    return f"{details['Code']}: {details['Message']}"
