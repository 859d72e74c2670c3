"""What the core layer carries of botocore: the operations that handlers call, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore
import pytest
from pipeline_triggers.compile.policies import _START
from pipeline_triggers.language.lookups import LOOKUPS
from pipeline_triggers.language.sources import SOURCES

from tests import PROJECT
from tests.tools.templates import written

LAYER = PROJECT / "layers" / "core"
PACKAGES = re.search(r"^PACKAGES := (.*)$", (LAYER / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()  # type: ignore[index]

# Actions that name no operation, or whose operation AWS calls itself.
NOT_CALLED = {
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),  # Lambda's poller
    *("logs:CreateLogStream", "logs:PutLogEvents"),  # Lambda's log
    "dynamodb:ConditionCheckItem",  # a part of TransactWriteItems
    *(
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:ListBucket",
    ),  # arguments and answers of other operations
}


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library and botocore as the layer's makefile leaves them."""
    folder = tmp_path_factory.mktemp("layer")
    shutil.copytree(Path(botocore.__file__).parent, folder / "botocore", ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("", *PACKAGES):
        for file in (LAYER / "pipeline_triggers" / package).glob("*.py"):
            target = folder / file.relative_to(LAYER)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    subprocess.run([sys.executable, LAYER / "trim_botocore.py", folder], check=True)
    return folder


def operations(folder: Path) -> set[str]:
    """Return the operations in a folder's models, by the prefix of their service's actions."""
    models = {path.parts[-3]: json.loads(path.read_text()) for path in folder.glob("botocore/data/*/*/service-2.json")}
    return {f"{service}:{operation}" for service, model in models.items() for operation in model["operations"]}


def granted() -> Iterator[str]:
    """Return the actions that the functions' roles allow."""
    resources = written()["Resources"]
    functions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Serverless::Function"]
    roles = {function["Role"]["Fn::GetAtt"][0] for function in functions}
    for role in roles:
        for policy in resources[role]["Properties"]["Policies"]:
            for statement in _statements(policy["PolicyDocument"]["Statement"]):
                yield from [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    yield from _START
    lists = [*(entry.grants for entry in LOOKUPS.values()), *(source.grants for source in SOURCES.values())]
    yield from (action for grants in lists for grant in grants for action in grant.actions)


def _statements(written: list[Any]) -> Iterator[dict[str, Any]]:
    """Return statements, also those that stand under a condition of the template."""
    for statement in written:
        if "Fn::If" in statement:
            yield from _statements([one for one in statement["Fn::If"][1:] if "Action" in one])
        else:
            yield statement


def test_each_operation_that_a_role_allows_is_in_the_layer(trimmed: Path) -> None:
    """Also the janitor's and those of looked-up fields; an operation that is missing fails at its first call."""
    actions = {"s3:HeadObject" if one == "s3:GetObject" else one for one in granted()} | {"s3:GetObject"}
    actions = {one for one in actions if not one.startswith("kms:")} - NOT_CALLED
    assert len(actions) > 25
    assert actions - operations(trimmed) == set()


def test_the_layer_has_few_other_operations(trimmed: Path) -> None:
    """A word of the library may be an operation's by chance."""
    assert len(operations(trimmed)) < 60
    assert sum(path.stat().st_size for path in (trimmed / "botocore" / "data").rglob("*")) < 700_000


def test_clients_of_the_layer_work(trimmed: Path) -> None:
    """With pages, endpoints and the arguments of the newest version."""
    script = """
import sys
sys.path.insert(0, sys.argv[1])
import botocore.session
assert botocore.__file__.startswith(sys.argv[1])
session = botocore.session.get_session()
client = session.create_client("sagemaker", region_name="eu-central-1")
assert client.meta.endpoint_url == "https://api.sagemaker.eu-central-1.amazonaws.com"
assert client.get_paginator("list_pipeline_executions")
assert "PipelineVersionAlias" in client.meta.service_model.operation_model("StartPipelineExecution").input_shape.members
for service in ("cloudformation", "dynamodb", "events", "s3", "scheduler", "sns", "sqs"):
    print(session.create_client(service, region_name="cn-north-1").meta.endpoint_url)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, trimmed], capture_output=True, text=True, check=True, env={}
    )
    assert "https://dynamodb.cn-north-1.amazonaws.com.cn" in done.stdout.split()


def test_the_layer_carries_the_versions_that_the_tests_run_with() -> None:
    """What is tried here is what is deployed."""
    pins = re.findall(r"^([\w-]+)==(\S+)", (LAYER / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert "botocore" in dict(pins)
    assert {name: version(name) for name, _ in pins} == dict(pins)


def test_the_layer_has_the_bytecode_of_the_functions_python() -> None:
    """Another Python would compile everything anew at each cold start."""
    template = written()
    (runtime,) = re.findall(r"^RUNTIME := (.*)$", (LAYER / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert template["Globals"]["Function"]["Runtime"] == f"python{runtime}"


def test_a_client_of_s3_can_be_used(trimmed: Path) -> None:
    """Its model's context parameters keep their documentation, which botocore reads when it looks for an endpoint."""
    script = (
        "from pipeline_triggers import aws; client = aws.s3();"
        " parameters = client._ruleset_resolver._get_client_context_params(); print(len(parameters) > 0)"
    )
    environment = {"PYTHONPATH": str(trimmed), "AWS_DEFAULT_REGION": "eu-central-1"}
    packages = Path(botocore.__file__).parent.parent
    environment["PYTHONPATH"] += f":{packages}"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
