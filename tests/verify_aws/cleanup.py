"""Remove everything that has the probes' name, whichever run made it, and however that run ended."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.verify_aws.account import NAME, Account, NotSeen

# What AWS calls something that is gone already, or that it still lists for a while.
GONE = {
    *("ResourceNotFoundException", "ResourceNotFound", "NoSuchEntity", "NoSuchBucket"),
    *("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
}

DELETIONS_TAKE = 600  # seconds at most: AWS goes on deleting pipelines, groups, tables and endpoints in the background


def clean_up(account: Account) -> list[str]:
    """Remove all that probes create, wait until it is gone, and return what is not, with AWS's words.

    What is gone already is no error, and what can't be removed does not keep the rest, so it can be repeated.
    """
    refusals = [refusal for remove in _STEPS if (refusal := _refusal(remove, account))]
    # What was gone before its turn came refuses, too.
    if refusals and (left := _listed(account)):
        return [*left, *refusals]
    try:
        account.wait_for("the end of deletions", lambda: None if _listed(account) else True, DELETIONS_TAKE)
    except NotSeen:
        return _listed(account)
    return []


def _listed(account: Account) -> list[str]:
    try:
        return left_of(account)
    except (ClientError, BotoCoreError) as error:
        return [f"what can't be listed: {error}"]


def _refusal(remove: Callable[[Account], None], account: Account) -> str:
    try:
        remove(account)
    except (ClientError, BotoCoreError, NotSeen) as error:
        return str(error)
    return ""


def left_of(account: Account) -> list[str]:
    """Return what there still is with the probes' name."""
    listed = [f"{kind} {name}" for kind, where in _LISTED.items() for name in _names(account, *where)]
    others = {
        "queue": _queue_urls(account),
        "pipeline": _pipeline_names(account),
        "table": _table_names(account),
        "log group": _log_group_names(account),
        "stack": _stack_names(account),
    }
    return sorted([*listed, *(f"{kind} {name}" for kind, names in others.items() for name in names)])


# Kind → service, operation, member of its answer, and the name's member there.
_LISTED = {
    "endpoint": ("sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
    "endpoint configuration": ("sagemaker", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    "rule": ("events", "list_rules", "Rules", "Name"),
    "group": ("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    "function": ("lambda", "list_functions", "Functions", "FunctionName"),
    "model package group": (
        *("sagemaker", "list_model_package_groups"),
        *("ModelPackageGroupSummaryList", "ModelPackageGroupName"),
    ),
    "bucket": ("s3", "list_buckets", "Buckets", "Name"),
    "role": ("iam", "list_roles", "Roles", "RoleName"),
    "policy": ("iam", "list_policies", "Policies", "PolicyName"),
}


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
    """Delete the stack; while a killed deploy goes on, CloudFormation refuses that."""
    cloudformation = account.client("cloudformation")
    if _stack_names(account):
        account.when_ready("the stack's end", {"ValidationError"}, cloudformation.delete_stack, 3600, StackName=NAME)
        wait = {"Delay": max(1, round(30 * account.pace))}
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig=wait)


def _artifacts(account: Account) -> None:
    """Delete what sam uploaded; its bucket stays, because it is for all stacks."""
    cloudformation = account.client("cloudformation")
    try:
        bucket = cloudformation.describe_stack_resource(
            StackName="aws-sam-cli-managed-default", LogicalResourceId="SamCliSourceBucket"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # sam was never used here
            return
        raise
    _objects(account, bucket["StackResourceDetail"]["PhysicalResourceId"], f"{NAME}/")


def _endpoints(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    for name in _names(account, *_LISTED["endpoint"]):
        if sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Deleting":
            changing = {"ValidationException"}  # while it is created
            account.when_ready(f"endpoint {name}", changing, sagemaker.delete_endpoint, 1800, EndpointName=name)


def _endpoint_configs(account: Account) -> None:
    for name in _names(account, *_LISTED["endpoint configuration"]):
        _delete(account.client("sagemaker").delete_endpoint_config, EndpointConfigName=name)


def _delete(call: Callable[..., Any], **arguments: Any) -> None:
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise


def _rules(account: Account) -> None:
    events = account.client("events")
    for name in _names(account, *_LISTED["rule"]):
        targets = events.list_targets_by_rule(Rule=name)["Targets"]
        if targets:
            events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
        _delete(events.delete_rule, Name=name)


def _schedules(account: Account) -> None:
    """Delete the group, and with it its schedules."""
    scheduler = account.client("scheduler")
    for group in _pages(account, "scheduler", "list_schedule_groups", "ScheduleGroups"):
        if group["Name"].startswith(NAME) and group["State"] != "DELETING":
            _delete(scheduler.delete_schedule_group, Name=group["Name"])


def _functions(account: Account) -> None:
    lambda_ = account.client("lambda")
    for name in _names(account, *_LISTED["function"]):
        for mapping in lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            if mapping["State"] != "Deleting":
                _delete(lambda_.delete_event_source_mapping, UUID=mapping["UUID"])
        _delete(lambda_.delete_function, FunctionName=name)


def _queue_urls(account: Account) -> list[str]:
    return list(_pages(account, "sqs", "list_queues", "QueueUrls", QueueNamePrefix=NAME))


def _queues(account: Account) -> None:
    for url in _queue_urls(account):
        _delete(account.client("sqs").delete_queue, QueueUrl=url)


def _pipeline_names(account: Account) -> list[str]:
    listed = account.client("sagemaker").list_pipelines(PipelineNamePrefix=NAME, MaxResults=100)
    return [one["PipelineName"] for one in listed["PipelineSummaries"] if one["PipelineName"].startswith(NAME)]


def _pipelines(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    for name in _pipeline_names(account):
        if sagemaker.describe_pipeline(PipelineName=name)["PipelineStatus"] != "Deleting":
            delete = partial(sagemaker.delete_pipeline, PipelineName=name, ClientRequestToken=uuid.uuid4().hex)
            account.when_ready(f"the end of {name}'s executions", {"ConflictException"}, delete, 300)


def _model_packages(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    for name in _names(account, *_LISTED["model package group"]):
        for package in sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]:
            sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)


def _bucket(account: Account) -> None:
    for name in _names(account, *_LISTED["bucket"]):
        _objects(account, name, "")
        _delete(account.client("s3").delete_bucket, Bucket=name)


def _objects(account: Account, bucket: str, prefix: str) -> None:
    s3 = account.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for version in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def _table_names(account: Account) -> list[str]:
    return [name for name in _pages(account, "dynamodb", "list_tables", "TableNames") if name.startswith(NAME)]


def _tables(account: Account) -> None:
    dynamodb = account.client("dynamodb")
    for name in _table_names(account):
        if dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] != "DELETING":
            _delete(dynamodb.delete_table, TableName=name)


def _log_group_names(account: Account) -> list[str]:
    prefixes = (NAME, f"/aws/lambda/{NAME}")
    return [
        str(group["logGroupName"])
        for prefix in prefixes
        for group in _pages(account, "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix)
    ]


def _log_groups(account: Account) -> None:
    for name in _log_group_names(account):
        _delete(account.client("logs").delete_log_group, logGroupName=name)


def _roles(account: Account) -> None:
    iam = account.client("iam")
    for name in _names(account, *_LISTED["role"]):
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)


def _policies(account: Account) -> None:
    iam = account.client("iam")
    for name in _names(account, *_LISTED["policy"]):
        iam.delete_policy(PolicyArn=f"arn:{account.partition}:iam::{account.id}:policy/{name}")


_STEPS = (
    *(
        _stack,
        _artifacts,
        _endpoints,
        _endpoint_configs,
        _rules,
        _schedules,
        _functions,
        _queues,
        _pipelines,
        _model_packages,
        _bucket,
    ),
    *(_tables, _log_groups, _roles, _policies),
)
