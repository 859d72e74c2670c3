"""Documents → sam build → sam deploy: what changes, what is refused, what is rolled back."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import pytest

from tests.localaws.local_aws import CommandFailed, LocalAws, pipeline_definition
from tests.localaws.project import Project

ONE = """
  stays:
    when: {s3: {bucket: "${RawBucket}", key: "stays/*"}}
    start: echo
  changes:
    when: {s3: {bucket: "${RawBucket}", key: "before/*"}}
    start: echo
  goes:
    when: {s3: {bucket: "${RawBucket}", key: "goes/*"}}
    start: echo
"""

TWO = """
  stays:
    when: {s3: {bucket: "${RawBucket}", key: "stays/*"}}
    start: echo
  changes:
    when: {s3: {bucket: "${RawBucket}", key: "after/*"}}
    start: echo
  comes:
    when: {s3: {bucket: "${RawBucket}", key: "comes/*"}}
    start: echo
"""

# Created after the triggers, it can't be: the bucket exists. So all that came before is rolled back.
BREAKS = """
  Breaks:
    Type: AWS::S3::Bucket
    DependsOn: TriggersStack
    Properties: {BucketName: raw-dev}
"""


def rules(aws: LocalAws, stack: str) -> dict[str, str]:
    """Return the rules of a stack's triggers: trigger → event pattern."""
    events = aws.client("events")
    found = events.list_rules(NamePrefix=f"{stack}-TriggersStack")["Rules"]
    return {rule["Description"].partition(":")[0]: rule["EventPattern"] for rule in found}


def layers(aws: LocalAws, stack: str) -> list[str]:
    """Return the layer versions, and so the compiled triggers, that the upload handler runs with."""
    described = aws.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId="OnS3UploadFunction"
    )
    function = described["StackResourceDetail"]["PhysicalResourceId"]
    configuration = aws.client("lambda").get_function_configuration(FunctionName=function)
    return [layer["Arn"] for layer in configuration["Layers"]]


def left_of(aws: LocalAws, stack: str) -> list[str]:
    """Return the names of what there is of a stack."""
    names = list(aws.client("dynamodb").list_tables()["TableNames"])
    names += [rule["Name"] for rule in aws.client("events").list_rules()["Rules"]]
    names += [url.rpartition("/")[2] for url in aws.client("sqs").list_queues().get("QueueUrls", [])]
    names += [role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]]
    names += [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]]
    names += [group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]]
    names += [one["StackName"] for one in aws.client("cloudformation").describe_stacks()["Stacks"]]
    return [name for name in names if name == stack or name.startswith(f"{stack}-")]


def logical_name(physical: str) -> str:
    """Return the logical id in a name that CloudFormation made: stack-LogicalId-SUFFIX."""
    return physical.rsplit("-", 2)[1]


def break_template(project: Project) -> None:
    """Let the next deploy fail after the triggers are deployed."""
    template = project.path / "template.yaml"
    template.write_text(template.read_text(encoding="utf-8").replace("\nOutputs:", f"{BREAKS}\nOutputs:"))


def test_a_changed_document_adds_changes_and_removes_rules(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """A deploy makes the account's rules what the documents say, and a failed one leaves them as they were."""
    project = new_project()
    project.compile(ONE)
    project.deploy(aws, "changing")
    before = rules(aws, "changing")
    assert before.keys() == {"team/stays", "team/changes", "team/goes"}

    project.compile(TWO)
    project.deploy(aws, "changing")
    after = rules(aws, "changing")
    assert after.keys() == {"team/stays", "team/changes", "team/comes"}
    assert after["team/stays"] == before["team/stays"]
    assert "before/" in before["team/changes"]
    assert "after/" in after["team/changes"]

    in_force = layers(aws, "changing")
    project.compile(ONE)
    break_template(project)
    with pytest.raises(CommandFailed):
        project.deploy(aws, "changing")
    assert rules(aws, "changing") == after
    assert layers(aws, "changing") == in_force


def test_a_first_deploy_that_fails_leaves_nothing(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """The stack and its rules are gone, so that the fixed project can be deployed at once."""
    project = new_project()
    project.compile(ONE)
    break_template(project)
    with pytest.raises(CommandFailed):
        project.deploy(aws, "broken")
    assert left_of(aws, "broken") == []


def test_each_stage_is_a_stack_of_its_own(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """The same compiled files deploy as dev and as prod, each with its bucket; one is deleted without the other."""
    project = new_project()
    project.compile(ONE)
    template = project.build(aws, "any-stage")
    for stage in ("dev", "prod"):
        aws.deploy(f"as-{stage}", template, f"Stage={stage}", project=project.path)
    assert '"raw-dev"' in rules(aws, "as-dev")["team/stays"]
    assert '"raw-prod"' in rules(aws, "as-prod")["team/stays"]

    aws.client("cloudformation").delete_stack(StackName="as-dev")
    aws.client("cloudformation").get_waiter("stack_delete_complete").wait(StackName="as-dev")
    # The records stay: the ledger, the snapshots, and the verdicts in the logs.
    assert left_of(aws, "as-dev")
    assert all(name.endswith(("Table", "LogGroup")) for name in map(logical_name, left_of(aws, "as-dev")))
    assert '"raw-prod"' in rules(aws, "as-prod")["team/stays"]


def test_stale_compiled_files_stop_the_build(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """A document that was changed and not compiled can't be deployed, and sam build says what to run."""
    project = new_project()
    project.compile(ONE)
    document = project.documents / "team.yaml"
    document.write_text(document.read_text(encoding="utf-8").replace("stays/*", "stayed/*"), encoding="utf-8")
    with pytest.raises(CommandFailed, match=r"compiled/triggers\.json.*run: make compile"):
        project.build(aws, "stale")


def test_a_rename_under_a_stream_of_uploads_loses_none_and_starts_none_twice(
    aws: LocalAws, new_project: Callable[[], Project]
) -> None:
    """An upload a second while the deploy replaces the rule; each starts once, and none is rejected."""
    document = """
  {name}:
    when: {{s3: {{bucket: "${{RawBucket}}", key: "stream/*"}}}}
    start: stream
    parameters: {{Key: "{{% $object.key %}}"}}
"""
    aws.create_pipeline("stream", pipeline_definition({"Key": "String"}))
    project = new_project()
    aws.create_bucket("raw-dev")
    aws.client("s3").put_object(Bucket="raw-dev", Key="stream/a-before", Body=b"x")
    project.compile(document.format(name="old"))
    project.deploy(aws, "renaming")
    project.compile(document.format(name="new").replace("    when:", "    was: old\n    when:"))
    deploying = Thread(target=project.deploy, args=(aws, "renaming"))
    keys: list[str] = []
    deploying.start()
    while deploying.is_alive():
        keys.append(f"stream/{len(keys)}")
        aws.client("s3").put_object(Bucket="raw-dev", Key=keys[-1], Body=b"x")
        deploying.join(timeout=1)
    keys.append("stream/after")
    aws.client("s3").put_object(Bucket="raw-dev", Key=keys[-1], Body=b"x")
    assert rules(aws, "renaming").keys() == {"team/new"}
    executions = aws.executions("stream", len(keys))
    assert sorted(aws.execution_parameters(execution)["Key"] for execution in executions) == sorted(keys)
    outcomes = {line["outcome"] for line in aws.log_lines("renaming", "OnS3Upload") if line["message"] == "verdict"}
    assert outcomes <= {"STARTED", "DUPLICATE"}

    # What is deployed is what the documents say, and a backfill starts only what came before the rule.
    documents = ("--stack", "renaming", "--documents", str(project.documents))
    assert aws.triggers("diff", "--deployed", *documents).stdout == "no trigger changes\n"
    before = aws.triggers("backfill", "new", "--prefix", "stream/", "--leave", "0", "--yes", *documents)
    assert before.returncode == 0, before.stderr
    assert f"{len(keys) + 1} events: {len(keys)} DUPLICATE, 1 WOULD START" in before.stdout
    started = {aws.execution_parameters(one)["Key"] for one in aws.executions("stream", len(keys) + 1)}
    assert started == {*keys, "stream/a-before"}
