"""Remove everything that has the probes' name, whichever run made it, and however that run ended."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from tests.verify_aws.account import NAME, Account


def clean_up(account: Account) -> None:
    """Remove all that probes create. What is gone already is no error, so it can be repeated.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: something can't be removed; the rest still is there.

    """
    _stack(account)
    for remove in (_endpoints, _rules, _schedules, _functions, _queues, _pipelines, _model_packages, _bucket):
        remove(account)
    for remove in (_tables, _log_groups, _roles, _policies):
        remove(account)


def left_of(account: Account) -> list[str]:
    """Return what there still is with the probes' name."""
    return sorted(
        [
            *(
                f"endpoint {name}"
                for name in _names(account, "sagemaker", "list_endpoints", "Endpoints", "EndpointName")
            ),
            *(f"rule {name}" for name in _names(account, "events", "list_rules", "Rules", "Name")),
            *(
                f"group {name}"
                for name in _names(account, "scheduler", "list_schedule_groups", "ScheduleGroups", "Name")
            ),
            *(f"function {name}" for name in _names(account, "lambda", "list_functions", "Functions", "FunctionName")),
            *(f"queue {url}" for url in _queue_urls(account)),
            *(f"pipeline {name}" for name in _pipeline_names(account)),
            *(f"bucket {name}" for name in _names(account, "s3", "list_buckets", "Buckets", "Name")),
            *(f"role {name}" for name in _names(account, "iam", "list_roles", "Roles", "RoleName")),
            *(f"policy {name}" for name in _names(account, "iam", "list_policies", "Policies", "PolicyName")),
            *(f"table {name}" for name in _table_names(account)),
            *(f"log group {name}" for name in _log_group_names(account)),
            *(f"stack {name}" for name in _stack_names(account)),
        ]
    )


def _pages(account: Account, service: str, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
    client = account.client(service)
    if not client.can_paginate(operation):
        yield from getattr(client, operation)(**arguments).get(member, [])
        return
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(member, [])


def _names(account: Account, service: str, operation: str, member: str, name: str) -> list[str]:
    """Return the names of what a list holds, of those that begin with the probes' name."""
    arguments = {"Scope": "Local"} if operation == "list_policies" else {}
    listed = [str(one[name]) for one in _pages(account, service, operation, member, **arguments)]
    return [one for one in listed if one.startswith(NAME)]


def _stack_names(account: Account) -> list[str]:
    stacks = _pages(account, "cloudformation", "describe_stacks", "Stacks")
    return [one["StackName"] for one in stacks if one["StackName"] == NAME and one["StackStatus"] != "DELETE_COMPLETE"]


def _stack(account: Account) -> None:
    cloudformation = account.client("cloudformation")
    if _stack_names(account):
        cloudformation.delete_stack(StackName=NAME)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=NAME)


def _endpoints(account: Account) -> None:
    for name in _names(account, "sagemaker", "list_endpoints", "Endpoints", "EndpointName"):
        account.client("sagemaker").delete_endpoint(EndpointName=name)


def _rules(account: Account) -> None:
    events = account.client("events")
    for name in _names(account, "events", "list_rules", "Rules", "Name"):
        targets = events.list_targets_by_rule(Rule=name)["Targets"]
        if targets:
            events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=name)


def _schedules(account: Account) -> None:
    scheduler = account.client("scheduler")
    for group in _names(account, "scheduler", "list_schedule_groups", "ScheduleGroups", "Name"):
        for schedule in _pages(account, "scheduler", "list_schedules", "Schedules", GroupName=group):
            if schedule["GroupName"] == group:
                scheduler.delete_schedule(Name=schedule["Name"], GroupName=group)
        scheduler.delete_schedule_group(Name=group)


def _functions(account: Account) -> None:
    lambda_ = account.client("lambda")
    for name in _names(account, "lambda", "list_functions", "Functions", "FunctionName"):
        for mapping in lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
        lambda_.delete_function(FunctionName=name)


def _queue_urls(account: Account) -> list[str]:
    return list(_pages(account, "sqs", "list_queues", "QueueUrls", QueueNamePrefix=NAME))


def _queues(account: Account) -> None:
    for url in _queue_urls(account):
        account.client("sqs").delete_queue(QueueUrl=url)


def _pipeline_names(account: Account) -> list[str]:
    listed = account.client("sagemaker").list_pipelines(PipelineNamePrefix=NAME, MaxResults=100)
    return [one["PipelineName"] for one in listed["PipelineSummaries"] if one["PipelineName"].startswith(NAME)]


def _pipelines(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    for name in _pipeline_names(account):
        account.wait_for(f"the end of {name}'s executions", partial(_deleted, sagemaker, name), 300)


def _deleted(sagemaker: Any, name: str) -> bool | None:
    try:
        sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=uuid.uuid4().hex)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConflictException":  # an execution is running
            return None
        raise
    return True


def _model_packages(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    groups = ("sagemaker", "list_model_package_groups", "ModelPackageGroupSummaryList", "ModelPackageGroupName")
    for name in _names(account, *groups):
        for package in sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]:
            sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)


def _bucket(account: Account) -> None:
    s3 = account.client("s3")
    for name in _names(account, "s3", "list_buckets", "Buckets", "Name"):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for version in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=name)


def _table_names(account: Account) -> list[str]:
    return [name for name in _pages(account, "dynamodb", "list_tables", "TableNames") if name.startswith(NAME)]


def _tables(account: Account) -> None:
    for name in _table_names(account):
        account.client("dynamodb").delete_table(TableName=name)


def _log_group_names(account: Account) -> list[str]:
    prefixes = (NAME, f"/aws/lambda/{NAME}")
    return [
        str(group["logGroupName"])
        for prefix in prefixes
        for group in _pages(account, "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix)
    ]


def _log_groups(account: Account) -> None:
    for name in _log_group_names(account):
        account.client("logs").delete_log_group(logGroupName=name)


def _roles(account: Account) -> None:
    iam = account.client("iam")
    for name in _names(account, "iam", "list_roles", "Roles", "RoleName"):
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)


def _policies(account: Account) -> None:
    iam = account.client("iam")
    for name in _names(account, "iam", "list_policies", "Policies", "PolicyName"):
        iam.delete_policy(PolicyArn=f"arn:{account.partition}:iam::{account.id}:policy/{name}")
