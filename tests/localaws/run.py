"""``make run``: deploy the project to an embedded AWS, upload files, show what became of each."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipeline_triggers import catalog, documents
from pipeline_triggers import compile as compiler
from pipeline_triggers.models import Trigger
from rich.console import Console

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import CommandFailed, LocalAws

STACK = "pipeline-triggers-dev"
STAGE = "dev"
DOCUMENTS = PROJECT / "layers" / "triggers"
PIPELINES = Path(__file__).parent / "pipelines"

# What stands for a glob's stars in the keys that the run uploads.
SAMPLES = ("2026-10", "März + 100 %")

console = Console(highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Run, and return the exit code: 0 when every upload ended as its trigger says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the embedded AWS up until Ctrl-C")
    arguments = parser.parse_args()
    try:
        with step("compile the documents"):
            triggers = compile_triggers()
        with ExitStack() as stack:
            with step("start the embedded AWS"):
                aws = stack.enter_context(LocalAws.running())
            deploy(aws, triggers)
            surprises = [surprise for trigger in uploads(triggers) for surprise in upload_samples(aws, trigger)]
            if arguments.keep:
                keep_up(aws)
    except CommandFailed as error:
        console.print(f"\n{error}", style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    for surprise in surprises:
        console.print(surprise, style="red")
    return 1 if surprises else 0


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, then how long it took."""
    console.print(f"{what:<36}", end="")
    start = time.monotonic()
    yield
    console.print(f"{time.monotonic() - start:5.1f} s")


def compile_triggers() -> list[Trigger]:
    """Compile the documents, and return the triggers as the dev stage sees them."""
    loaded = documents.load(DOCUMENTS)
    compiled = compiler.compile_documents(loaded)
    compiler.write(DOCUMENTS, compiled)
    pseudo_parameters = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
    triggers = catalog.load(compiled["triggers.json"], STAGE, pseudo_parameters).values()
    return [trigger for trigger in triggers if trigger.enabled]


def deploy(aws: LocalAws, triggers: list[Trigger]) -> None:
    """Make what the triggers refer to, and deploy the project."""
    with step("create pipelines and buckets"):
        for bucket in {trigger.when.fields["bucket"] for trigger in uploads(triggers)}:
            aws.create_bucket(bucket)
        for trigger in triggers:
            for start in trigger.start:
                aws.create_pipeline(start.pipeline, definition(start.pipeline, start.parameters))
    with step("sam build"):
        template = aws.build(STACK)
    with step("sam deploy"):
        aws.deploy(STACK, template, f"Stage={STAGE}")


def definition(pipeline: str, parameters: Any) -> str:
    """Return a pipeline's definition from ``pipelines/``, or one that declares the parameters as texts."""
    path = PIPELINES / f"{pipeline}.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    declared = [{"Name": name, "Type": "String"} for name in parameters]
    return json.dumps({"Version": "2020-12-01", "Parameters": declared, "Steps": []})


def uploads(triggers: list[Trigger]) -> list[Trigger]:
    """Return the triggers that uploads fire."""
    return [trigger for trigger in triggers if trigger.when.source == "s3"]


def upload_samples(aws: LocalAws, trigger: Trigger) -> Iterator[str]:
    """Upload keys that the trigger wants, and one that only its rule lets through; give what was not expected."""
    bucket, glob = trigger.when.fields["bucket"], trigger.when.fields.get("key", "*.csv")
    samples = [(glob.replace("**", "*").replace("*", sample), "STARTED") for sample in SAMPLES]
    if "*" in glob and (prefix := glob.partition("*")[0]):
        samples.append((f"{prefix}elsewhere/notes.txt", "FILTERED"))
    for key, expected in samples:
        console.print(f"\nupload     s3://{bucket}/{key}")
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"customer,churned\n1,0\n2,1\n")
        verdicts = aws.new_verdicts(STACK, trigger.id, len(trigger.start) if expected == "STARTED" else 1)
        for verdict in verdicts:
            show(aws, verdict)
        if any(verdict["outcome"] != expected for verdict in verdicts):
            yield f"{key}: expected {expected}"


def show(aws: LocalAws, verdict: dict[str, Any]) -> None:
    """Print a verdict, with the parameters as the execution received them."""
    console.print(f"event      Object Created {verdict['event_id']}")
    console.print(f"trigger    {verdict['trigger']}")
    style = "green" if verdict["outcome"] == "STARTED" else "yellow"
    console.print(f"verdict    {verdict['outcome']} {verdict.get('reason', '')}".rstrip(), style=style)
    if execution := verdict.get("execution_arn"):
        console.print(f"execution  {execution}")
        for name, value in aws.execution_parameters(execution).items():
            console.print(f"           {name} = {value}")


def keep_up(aws: LocalAws) -> None:
    """Say how to talk to the embedded AWS, and wait for Ctrl-C."""
    console.print("\nThe embedded AWS stays up until Ctrl-C. In another terminal:\n")
    for name, value in aws.environment.items():
        console.print(f"export {name}={value}")
    console.print(f"\nsam logs --stack-name {STACK}")
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
