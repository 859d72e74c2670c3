"""Probes of the deployed stack: policies, new roles, the runtime's boto3, ownership, hidden messages, a rename."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from botocore.exceptions import ClientError, WaiterError

from tests import PROJECT
from tests.localaws.project import Project
from tests.verify_aws.account import NAME, SOURCE, Account, NotSeen, error_of
from tests.verify_aws.probe import Answers, Probe

POLICIES = ("deployer-1", "deployer-2")
HIDDEN_FOR = 600  # seconds

# A role's credentials, as STS calls them and as the environment does.
KEYS = {
    "AccessKeyId": "AWS_ACCESS_KEY_ID",
    "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "SessionToken": "AWS_SESSION_TOKEN",
}

_DEPLOY = ("--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", "--no-confirm-changeset")

# A trigger on the events of SOURCE, and one on a schedule; a dry run, because the pipeline is not the question.
TRIGGERS = """
  {name}:
    when: {{event: {{pattern: {{source: [pipeline-triggers-verify], detail-type: [renamed]}}}}}}
    start: pipeline-triggers-verify
    dry_run: true
  yearly:
    when: {{schedule: {{cron: "0 0 1 1 ? *", timezone: UTC}}}}
    start: pipeline-triggers-verify
    dry_run: true
"""

RUNTIME = """
import boto3, botocore
def handler(event, context):
    model = boto3.client("sagemaker", region_name="us-east-1").meta.service_model
    names = ("StartPipelineExecution", "DescribePipeline")
    return {"boto3": boto3.__version__, "botocore": botocore.__version__,
            "arguments": {name: list(model.operation_model(name).input_shape.members) for name in names}}
"""

HIDE = """
import boto3
def handler(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        arn = record["eventSourceARN"].split(":")
        url = sqs.get_queue_url(QueueName=arn[5])["QueueUrl"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=600)
        print("hidden", record["attributes"]["ApproximateReceiveCount"])
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}
"""


def _deployer_keys(account: Account) -> Mapping[str, str]:
    """Return the credentials of a role that has exactly the deployer's policies."""
    iam = account.client("iam")
    account.role("deployer", "", [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}])
    for policy in POLICIES:
        document = (PROJECT / "docs" / "policies" / f"{policy}.json").read_text(encoding="utf-8")
        arn = f"arn:{account.partition}:iam::{account.id}:policy/{NAME}-{policy}"
        error_of(iam.create_policy, PolicyName=f"{NAME}-{policy}", PolicyDocument=document)
        iam.attach_role_policy(RoleName=f"{NAME}-deployer", PolicyArn=arn)
    account.sleep(15)
    role = f"arn:{account.partition}:iam::{account.id}:role/{NAME}-deployer"
    session = account.client("sts").assume_role(RoleArn=role, RoleSessionName="deployer")
    return dict(session["Credentials"])


def sam(project: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run sam, and return what it printed if it failed."""
    bin_ = Path(sys.executable).parent
    path = os.pathsep.join([str(bin_), os.environ["PATH"]])  # the layers' makefiles run triggers
    # A profile beside a role's keys would have rights of its own.
    dropped = {"AWS_PROFILE"} if KEYS["AccessKeyId"] in environment else set()
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    done = subprocess.run(
        [str(bin_ / "sam"), *arguments],
        cwd=project,
        env={**inherited, "SAM_CLI_TELEMETRY": "0", **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return (done.stdout + done.stderr)[-4000:] if done.returncode else ""


def deploy(account: Account, trigger: str, keys: Mapping[str, str]) -> str:
    """Build and deploy the project with the probes' triggers; return what sam printed if it failed."""
    deployer = {variable: keys[name] for name, variable in KEYS.items()}
    with tempfile.TemporaryDirectory() as directory:
        project = Project.copied_to(Path(directory) / "project")
        project.compile(TRIGGERS.format(name=trigger))
        environment = {**account.environment, "AWS_DEFAULT_REGION": account.region}
        build = sam(project.path, environment, "build", "--build-dir", str(project.path / "built"))
        template = ("--template-file", str(project.path / "built" / "template.yaml"))
        arguments = (*template, "--resolve-s3", "--s3-prefix", NAME, "--force-upload")
        # The bucket for artifacts is sam's own; the deployer may not create it.
        package = ("package", *arguments, "--output-template-file", str(project.path / "packaged.yaml"))
        names = ("--stack-name", NAME, "--parameter-overrides", "Stage=dev")
        failed = build or sam(project.path, environment, *package)
        return failed or sam(project.path, {**environment, **deployer}, "deploy", *arguments, *names, *_DEPLOY)


def _policies(account: Account) -> Answers:
    """Deploy, change and delete, all with the deployer's rights; another probe's stack goes first."""
    begin, keys = datetime.now(UTC), _deployer_keys(account)
    failed = _delete(account, keys)
    answers: Answers = {"deploy": failed or _deploy_anew(account, keys)}
    answers["change"] = answers["deploy"] or deploy(account, "changed", keys)
    answers["delete"] = answers["change"] or _delete(account, keys)
    # Those that CloudFormation can do without are not in its own messages.
    answers["denied"] = sorted(set(_denied(account, begin)))
    return answers


def _deploy_anew(account: Account, keys: Mapping[str, str]) -> str:
    account.pipeline()
    return deploy(account, "before", keys)


def _delete(account: Account, keys: Mapping[str, str]) -> str:
    """Delete the stack, if it exists, with these rights; return why that failed."""
    cloudformation = account.client_with(keys, "cloudformation")
    try:
        cloudformation.delete_stack(StackName=NAME)
        wait = {"Delay": max(1, round(30 * account.pace))}
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig=wait)
    except (ClientError, WaiterError) as error:
        return str(error)
    return ""


def _denied(account: Account, begin: datetime) -> Iterator[str]:
    """Yield what CloudTrail says was denied to the deployer; it says so some minutes later."""
    account.sleep(15 * 60)
    cloudtrail = account.client("cloudtrail")
    key = [{"AttributeKey": "Username", "AttributeValue": "deployer"}]
    for page in cloudtrail.get_paginator("lookup_events").paginate(LookupAttributes=key, StartTime=begin):
        for event in page["Events"]:
            record = json.loads(event["CloudTrailEvent"])
            if "AccessDenied" in record.get("errorCode", "") or "Unauthorized" in record.get("errorCode", ""):
                yield f"{record['eventSource']}: {record['eventName']}: {record.get('errorMessage', '')}"


def _policies_difference(answers: Answers) -> str | None:
    failed = next((step for step in ("deploy", "change", "delete") if answers[step]), None)
    return f"{failed} failed; denied were: {'; '.join(answers['denied']) or 'none'}" if failed else None


def _new_role(account: Account) -> Answers:
    _, queue = account.queue("scheduled")
    refusals = []
    for number in range(5):
        allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
        role = account.role(f"new-{number}-{uuid.uuid4().hex[:8]}", "scheduler", [allowed])
        target = {"Arn": queue, "RoleArn": role, "Input": "{}"}
        refusals.append(error_of(account.schedule, f"new-{number}", target, "rate(365 days)"))
    return {"refusals": refusals}


def _new_role_difference(answers: Answers) -> str | None:
    refused = [refusal for refusal in answers["refusals"] if refusal]
    return f"{len(refused)} of {len(answers['refusals'])} were refused: {refused[0]['message']}" if refused else None


def _runtime(account: Account) -> Answers:
    logs = [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}]
    function = account.function("runtime", RUNTIME, logs)
    answer = account.client("lambda").invoke(FunctionName=function)["Payload"].read()
    return dict(json.loads(answer))


def _runtime_difference(answers: Answers) -> str | None:
    needed = {
        "StartPipelineExecution": {"PipelineVersionId", "PipelineVersionAlias", "MlflowExperimentName"},
        "DescribePipeline": {"PipelineVersionId", "PipelineVersionAlias"},
    }
    missing = [f"{call} {name}" for call, names in needed.items() for name in names - set(answers["arguments"][call])]
    return f"boto3 {answers['boto3']} does not know {', '.join(sorted(missing))}" if missing else None


def _ownership(account: Account) -> Answers:
    cloudformation = account.client("cloudformation")
    resources = _stack_resources(account)
    rule, schedule = resources["AWS::Events::Rule"], resources["AWS::Scheduler::Schedule"]
    name = rule.rpartition("/")[2].rpartition("|")[2]
    asked = {"schedule": schedule, "rule": name, "rule_arn": account.arn("events", f"rule/{name}")}
    return {"physical_ids": resources} | {
        how: error_of(cloudformation.describe_stack_resources, PhysicalResourceId=physical_id)
        for how, physical_id in asked.items()
    }


def _stack_resources(account: Account) -> dict[str, str]:
    """Return the physical id of one resource of each type in the triggers' nested stack, deployed if need be."""
    cloudformation = account.client("cloudformation")
    if error_of(cloudformation.describe_stacks, StackName=NAME):
        failed = _deploy_anew(account, _deployer_keys(account))
        if failed:
            raise NotSeen(f"the stack could not be deployed: {failed[-300:]}")
    nested = cloudformation.describe_stack_resource(StackName=NAME, LogicalResourceId="TriggersStack")
    stack = nested["StackResourceDetail"]["PhysicalResourceId"]
    listed = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    return {one["ResourceType"]: one["PhysicalResourceId"] for one in listed}


def _ownership_difference(answers: Answers) -> str | None:
    if answers["schedule"]:
        return "a schedule is not found by its name"
    if answers["rule"] and answers["rule_arn"]:
        return "a rule is found neither by its name nor by its ARN"
    return None


def _hidden(account: Account) -> Answers:
    actions = ["sqs:*", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    url, queue = account.queue("hidden")
    function = account.function("hidden", HIDE, [{"Effect": "Allow", "Action": actions, "Resource": "*"}])
    account.client("lambda").create_event_source_mapping(
        EventSourceArn=queue, FunctionName=function, BatchSize=1, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    account.client("sqs").send_message(QueueUrl=url, MessageBody="{}")

    def receives() -> list[str] | None:
        refused = error_of(logs.filter_log_events, **lines)  # before the first delivery there is no such group
        found = [] if refused else [one["message"].strip() for one in logs.filter_log_events(**lines)["events"]]
        return found or None

    logs, lines = account.client("logs"), {"logGroupName": f"/aws/lambda/{function}", "filterPattern": "hidden"}
    account.wait_for("the first delivery", receives, 300)
    # Shorter than it is hidden, and far longer than the queue's own 30 seconds.
    account.sleep(HIDDEN_FOR / 2)
    return {"receives": receives() or []}


def _hidden_difference(answers: Answers) -> str | None:
    if not answers["receives"]:
        return "the function did not receive the message"
    if len(answers["receives"]) > 1:
        return f"the message came back {len(answers['receives']) - 1} times before its time"
    return None


def _rename(account: Account) -> Answers:
    """Publish an event each second while a deploy renames the trigger, and look which events have a verdict."""
    _stack_resources(account)
    keys = _deployer_keys(account)
    sent: list[str] = []
    begin = datetime.now(UTC) - timedelta(minutes=1)
    events = account.client("events")
    with ThreadPoolExecutor(1) as thread:
        renamed = thread.submit(deploy, account, "after", keys)
        while not renamed.done() or len(sent) < 5:
            entry = {"Source": SOURCE, "DetailType": "renamed", "Detail": "{}"}
            sent.append(events.put_events(Entries=[entry])["Entries"][0]["EventId"])
            account.sleep(1)
    account.sleep(120)
    return {"failed": renamed.result(), "sent": sent, "decided": sorted(_decided(account, begin))}


def _decided(account: Account, begin: datetime) -> set[str]:
    """Return the ids of the events that have a verdict other than REJECTED, as those of an unknown trigger are."""
    stack = account.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    (group,) = [one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == "OnEventLogGroup"]
    pages = (
        account.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=group, startTime=int(begin.timestamp() * 1000), filterPattern='{ $.message = "verdict" }'
        )
    )
    verdicts = (json.loads(event["message"]) for page in pages for event in page["events"])
    return {verdict["event_id"] for verdict in verdicts if verdict.get("outcome") != "REJECTED"}


def _rename_difference(answers: Answers) -> str | None:
    if answers["failed"]:
        return "the deploy that renames the trigger failed"
    lost = [event for event in answers["sent"] if event not in answers["decided"]]
    return f"{len(lost)} of {len(answers['sent'])} events have no verdict, or are rejected" if lost else None


PROBES = [
    Probe(
        "P",
        "Does a deploy that renames a trigger leave a gap in which its events are lost?",
        "None: CloudFormation creates the new rule before it removes the old one. Both may fire for a moment.",
        "compile/cloudformation.py (logical_id), docs/triggers.md",
        "Document the gap, and rename in two deploys: add the new trigger, then remove the old one.",
        _rename,
        _rename_difference,
    ),
    Probe(
        "N",
        "Does DescribeStackResources find a stack by a schedule's name, a rule's name and a rule's ARN?",
        "By the schedule's name, and by the rule's name or ARN.",
        "account/ownership.py",
        "List the stacks' resources; otherwise the janitor takes what stacks own for orphans.",
        _ownership,
        _ownership_difference,
    ),
    Probe(
        "C",
        "Do the deployer's two policies suffice to deploy, change and delete the stack?",
        "They do.",
        "docs/policies/deployer-1.json, deployer-2.json",
        "Allow what CloudTrail lists as denied, and add its type of resource to tests/unit/test_policies.py.",
        _policies,
        _policies_difference,
    ),
    Probe(
        "D",
        "Does CreateSchedule accept a role that was created a moment ago? Five times.",
        "It does: the stack creates its schedules right after their role.",
        "template.yaml (ScheduleRole, TriggersStack)",
        "Create the role earlier: let the triggers' stack depend on something slow.",
        _new_role,
        _new_role_difference,
    ),
    Probe(
        "M",
        "Which boto3 does the runtime have, and does it know the arguments that the code sends?",
        "It knows them. Until that is seen, the layer carries a botocore of its own.",
        "layers/core/Makefile, starts/plan.py (_options)",
        "Keep botocore in the layer.",
        _runtime,
        _runtime_difference,
    ),
    Probe(
        "O",
        "Does a message stay hidden that its function hid and then reports as failed?",
        "It does. This is how an event waits.",
        "delivery/handler.py",
        "Let an event wait as a new message with a delay.",
        _hidden,
        _hidden_difference,
    ),
]
