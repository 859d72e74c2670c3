"""What AWS says about a deployed stack, read once and many things at a time. Only reads."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import yaml
from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import home
from pipeline_triggers.account.references import unless_gone
from pipeline_triggers.compile.cloudformation import logical_id
from pipeline_triggers.language import lookups, sources, triggers_json
from pipeline_triggers.language.sources import BATCHES, HANDLERS, SOURCES, starter
from pipeline_triggers.models import Limits, Trigger, all_views
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.doctor.template import Template
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.starts import definition

AT_A_TIME = 8  # calls; more are throttled

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the stack: its logical id, its physical id, and the properties that its template gives it."""

    name: str
    id: str
    expected: Mapping[str, Any]


class Deployment:
    """A deployed stack, or with ``only`` what one of its triggers needs. ``documents`` are the triggers on this disk.

    Each property reads when it is first used, and raises botocore's errors.
    """

    def __init__(self, stack: Stack, documents: Mapping[str, Trigger] | None = None, only: str | None = None) -> None:
        self.stack = stack
        self.documents = documents
        self.only = only

    @cached_property
    def home(self) -> home.Home:
        """The account and Region."""
        return home.current()

    # ---- What was deployed

    @cached_property
    def _compiled(self) -> tuple[Mapping[str, Trigger], Mapping[str, Limits]]:
        functions = aws.patient("lambda")
        (layer,) = [id_ for name, id_ in self.stack.resources.items() if name.startswith("TriggersLayer")]
        arn, _, version = layer.rpartition(":")
        location = functions.get_layer_version(LayerName=arn, VersionNumber=int(version))["Content"]["Location"]
        with zipfile.ZipFile(io.BytesIO(aws.download(functions, location))) as archive:
            text = archive.read("python/compiled_triggers/triggers.json").decode()
        stage, values = self.stack.parameters["Stage"], self.home.pseudo_parameters()
        return triggers_json.load(text, stage, values), triggers_json.load_limits(text, stage, values)

    @property
    def triggers(self) -> list[Trigger]:
        """The triggers with which the functions were deployed."""
        return [trigger for trigger in self._compiled[0].values() if self.only in (None, trigger.id)]

    @property
    def limits(self) -> Mapping[str, Limits]:
        """The pipelines' limits with which the functions were deployed."""
        return self._compiled[1]

    @property
    def handlers(self) -> list[str]:
        """The stems of the handlers that the triggers need, that of batches included."""
        if self.only is None:
            return [*HANDLERS, BATCHES]
        return [*{SOURCES[view.when.source].handler: None for view in all_views(self.triggers)}, BATCHES]

    @cached_property
    def _templates(self) -> list[Template]:
        inner = stacks.stack(self.stack.resources["TriggersStack"])
        return [Template(stack, _body(stack.name), self.home) for stack in (inner, self.stack)]

    def resources(self, kind: str) -> Iterator[Resource]:
        """Yield the deployed resources of a type that the triggers need."""
        for template in self._templates:
            for name, expected in template.resources(kind):
                if self._is_needed(name, expected):
                    yield Resource(name, template.stack.resources[name], expected)

    def _is_needed(self, name: str, expected: Mapping[str, Any]) -> bool:
        if self.only is None:
            return True
        views = all_views(self.triggers)
        own = {logical_id(view.view_id, kind) for view in views for kind in ("Rule", "Schedule")}
        own |= {logical_id(trigger.id, "Deadline") for trigger in self.triggers}
        topics = {sources.topic(view.when) or self.topic for view in views if view.when.source == "sns"}
        stems = (*self.handlers, *map(starter, views))
        return name in own or name.startswith(stems) or expected.get("TopicArn") in topics

    @property
    def topic(self) -> str:
        """The ARN of the stack's own topic."""
        return self.stack.resources["RequestsTopic"]

    # ---- The side of events

    @cached_property
    def notifications(self) -> Mapping[str, Any]:
        """GetBucketNotificationConfiguration's answers by bucket; None for one that does not exist."""
        views = all_views(trigger for trigger in self.triggers if trigger.enabled)
        buckets = dict.fromkeys(view.when.fields["bucket"] for view in views if view.when.source == "s3")
        return each(_notifications, buckets)

    @cached_property
    def bucket_keys(self) -> Mapping[str, str]:
        """The customers' keys of the buckets whose objects' metadata a trigger looks up, by bucket."""
        views = all_views(trigger for trigger in self.triggers if trigger.enabled)
        buckets = {view.when.fields["bucket"] for view in views if view.when.source == "s3" and _reads_metadata(view)}
        keys = each(_key, sorted(bucket for bucket in buckets if self.notifications[bucket] is not None))
        return {bucket: key for bucket, key in keys.items() if key}

    def may_decrypt(self, role: str, key: str) -> bool:
        """Whether a key's policy or a grant names a role, or one of the role's own policies allows to decrypt."""
        arn = f":role/{role}"
        kms = aws.patient("kms")
        grants = kms.list_grants(KeyId=key)["Grants"]
        if any(grant["GranteePrincipal"].endswith(arn) and "Decrypt" in grant["Operations"] for grant in grants):
            return True
        policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        documents = [document for (name, _), document in self.inline_policies.items() if name == role]
        documents += [_policy(attached) for attached in _attached(role)]
        return f'{arn}"' in policy or any("kms:Decrypt" in json.dumps(document) for document in documents)

    @cached_property
    def rules(self) -> list[Resource]:
        """The rules; the ids are names on their buses."""
        return [
            Resource(rule.name, rule.id.rpartition("|")[2].rpartition("/")[2], rule.expected)
            for rule in self.resources("AWS::Events::Rule")
        ]

    @cached_property
    def listed_rules(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """ListRules' entries by bus and name."""
        buses = dict.fromkeys(bus_of(rule) for rule in self.rules)
        paginator = aws.events().get_paginator("list_rules")
        return {
            (bus, rule["Name"]): rule
            for bus in buses
            for page in paginator.paginate(EventBusName=bus)
            for rule in page["Rules"]
        }

    @cached_property
    def targets(self) -> Mapping[tuple[str, str], list[Mapping[str, Any]]]:
        """The targets of the rules that exist, by bus and name."""
        return each(_targets, [key for rule in self.rules if (key := (bus_of(rule), rule.id)) in self.listed_rules])

    @cached_property
    def schedules(self) -> list[Resource]:
        """The schedules, those of deadlines and of the janitor included."""
        return list(self.resources("AWS::Scheduler::Schedule"))

    @cached_property
    def existing_schedules(self) -> Mapping[str, Mapping[str, Any] | None]:
        """GetSchedule's answers by name; None for one that does not exist."""
        group = self.stack.resources["ScheduleGroup"]

        def read(name: str) -> Any:
            return unless_gone(lambda: aws.scheduler().get_schedule(GroupName=group, Name=name))

        return each(read, [schedule.id for schedule in self.schedules])

    @cached_property
    def subscriptions(self) -> list[tuple[Resource, Mapping[str, str] | None]]:
        """The subscriptions, each with its attributes; None for one that does not exist."""
        resources = list(self.resources("AWS::SNS::Subscription"))
        return [(resource, _subscription(resource)) for resource in resources]

    @cached_property
    def topics(self) -> list[tuple[Resource, Mapping[str, str]]]:
        """The stack's own topic, with its attributes."""
        resources = list(self.resources("AWS::SNS::Topic"))
        client = aws.sns(self.home.region)
        return [(topic, client.get_topic_attributes(TopicArn=topic.id)["Attributes"]) for topic in resources]

    # ---- The side of queues and functions

    @cached_property
    def queues(self) -> Mapping[str, Mapping[str, str]]:
        """The attributes of the queues that the triggers need, by URL."""
        return each(_queue, [queue.id for queue in self.resources("AWS::SQS::Queue")])

    @cached_property
    def functions(self) -> list[tuple[Resource, Mapping[str, Any]]]:
        """The functions, each with its configuration."""
        resources = list(self.resources("AWS::Lambda::Function"))
        read = each(_function, [resource.id for resource in resources])
        return [(resource, read[resource.id]) for resource in resources]

    @cached_property
    def policies(self) -> Mapping[str, Mapping[str, Any] | None]:
        """The documents in force of the compiled policies, by ARN; None for one that does not exist."""
        return each(_policy, [policy.id for policy in self.resources("AWS::IAM::ManagedPolicy")])

    @cached_property
    def attached(self) -> Mapping[str, set[str]]:
        """The ARNs of the policies attached to each role that a compiled policy is for."""
        roles = {role for policy in self.resources("AWS::IAM::ManagedPolicy") for role in policy.expected["Roles"]}
        return each(_attached, sorted(roles))

    @cached_property
    def inline_policies(self) -> Mapping[tuple[str, str], Mapping[str, Any] | None]:
        """The inline policies that the template gives its roles, as they are, by role and name."""
        keys = [
            (role.id, policy["PolicyName"])
            for role in self.resources("AWS::IAM::Role")
            for policy in role.expected.get("Policies", ())
        ]
        return each(_inline, keys)

    @cached_property
    def pipelines(self) -> Mapping[tuple[str, str | None], Mapping[str, Any] | None]:
        """DescribePipeline's answers by name and version; None for one that does not exist."""
        versions = {
            (start.pipeline, trigger.options.version): None
            for trigger in self.triggers
            if trigger.enabled
            for start in trigger.start
        }
        return each(_pipeline, versions)

    def metric(self, name: str, functions: Iterable[str], begin: Any, end: Any) -> Mapping[str, float]:
        """Return the sum of a metric of Lambda by function."""
        names = list(functions)
        queries = [
            {"Id": f"m{number}", "MetricStat": _sum("AWS/Lambda", name, FunctionName=function)}
            for number, function in enumerate(names)
        ]
        client = aws.patient("cloudwatch")
        results = client.get_metric_data(StartTime=begin, EndTime=end, MetricDataQueries=queries)["MetricDataResults"]
        return {names[int(result["Id"][1:])]: sum(result["Values"]) for result in results}


def each(read: Callable[[Key], Value], keys: Iterable[Key]) -> dict[Key, Value]:
    """Read several things at a time, and return what was read by key.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    keys = list(keys)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(keys, pool.map(read, keys), strict=True))


def bus_of(rule: Resource) -> str:
    """Return the bus of a rule."""
    return str(rule.expected.get("EventBusName", "default"))


def _body(stack: str) -> Mapping[str, Any]:
    answer = aws.cloudformation().get_template(StackName=stack, TemplateStage="Processed")
    body: Any = answer["TemplateBody"]
    template: Mapping[str, Any] = yaml.load(body, Loader=yaml.CSafeLoader) if isinstance(body, str) else body
    return template


def _notifications(bucket: str) -> Any:
    try:
        return aws.s3().get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise


def _reads_metadata(view: Trigger) -> bool:
    return any(lookups.LOOKUPS[name].field == "metadata" for name in lookups.needed(view))


def _key(bucket: str) -> str:
    """Return the customer's key with which a bucket encrypts by default, or ""."""
    answer = aws.s3().get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    (default,) = [rule["ApplyServerSideEncryptionByDefault"] for rule in answer["Rules"]]
    key = default.get("KMSMasterKeyID", "")
    return "" if key.endswith("alias/aws/s3") else key


def _targets(key: tuple[str, str]) -> list[Mapping[str, Any]]:
    bus, name = key
    return list(aws.events().list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"])  # five at most


def _subscription(resource: Resource) -> Mapping[str, str] | None:
    """Return a subscription's attributes, also of one that was made again by hand and so has another ARN."""
    client = aws.sns(resource.expected["TopicArn"].split(":")[3])
    if attributes := _attributes(resource.id):
        return {**attributes, "SubscriptionArn": resource.id}
    for page in client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=resource.expected["TopicArn"]):
        for listed in page["Subscriptions"]:
            if listed["Endpoint"] == resource.expected["Endpoint"]:
                arn = listed["SubscriptionArn"]
                return {**(_attributes(arn) or {"PendingConfirmation": "true"}), "SubscriptionArn": arn}
    return None


def _attributes(arn: str) -> Mapping[str, str] | None:
    if not arn.startswith("arn:"):
        return None  # unconfirmed
    try:
        return aws.sns(arn.split(":")[3]).get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFound", "NotFoundException"):
            return None
        raise


def _queue(url: str) -> Mapping[str, str]:
    attributes: Any = aws.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {str(name): str(value) for name, value in attributes.items()}


def _function(name: str) -> Mapping[str, Any]:
    client = aws.patient("lambda")
    reserved = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    return {**client.get_function_configuration(FunctionName=name), "Reserved": reserved}


def _policy(arn: str) -> Mapping[str, Any] | None:
    client = aws.patient("iam")
    try:
        policy = client.get_policy(PolicyArn=arn)["Policy"]
    except client.exceptions.NoSuchEntityException:
        return None
    version = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    document: Mapping[str, Any] = version["Document"]
    return document


def _attached(role: str) -> set[str]:
    pages = aws.patient("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return {policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]}


def _inline(key: tuple[str, str]) -> Mapping[str, Any] | None:
    client, (role, name) = aws.patient("iam"), key
    try:
        document: Mapping[str, Any] = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    except client.exceptions.NoSuchEntityException:
        return None
    return document


def _pipeline(key: tuple[str, str | None]) -> Mapping[str, Any] | None:
    name, version = key
    try:
        return aws.patient_sagemaker().describe_pipeline(PipelineName=name, **definition.pinned(version))
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFound":
            return None
        raise


def _sum(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    named = [{"Name": dimension, "Value": value} for dimension, value in dimensions.items()]
    return {"Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": named}, "Period": 60, "Stat": "Sum"}
