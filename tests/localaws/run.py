"""``make run``: deploy the project to an embedded AWS, upload files, show what became of each."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipeline_triggers import catalog, documents, globs
from pipeline_triggers import compile as compiler
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.models import Trigger
from rich.console import Console

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import CommandFailed, LocalAws

STACK = "pipeline-triggers-dev"
STAGE = "dev"
PIPELINES = Path(__file__).parent / "pipelines"

# What stands for a glob's stars in the keys that the run uploads.
SAMPLES = ("2026-10", "März + 100 %")

console = Console(highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Run, and return the exit code: 0 when every upload ended as its trigger says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the embedded AWS up until Ctrl-C")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the folder with template.yaml")
    arguments = parser.parse_args()
    # A kill ends it as orderly as a Ctrl-C.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        with step("compile the documents"):
            triggers = compile_triggers(arguments.project / "layers" / "triggers")
        with ExitStack() as stack:
            with step("start the embedded AWS"):
                aws = stack.enter_context(LocalAws.running())
            deploy(aws, triggers, arguments.project)
            surprises = [surprise for trigger in uploads(triggers) for surprise in upload_samples(aws, trigger)]
            if arguments.keep:
                keep_up(aws)
    except (CommandFailed, DocumentsError) as error:
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


def compile_triggers(directory: Path) -> list[Trigger]:
    """Compile the documents, and return the triggers as the dev stage sees them."""
    loaded = documents.load(directory)
    compiled = compiler.compile_documents(loaded)
    compiler.write(directory, compiled)
    pseudo_parameters = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
    triggers = catalog.load(compiled["triggers.json"], STAGE, pseudo_parameters).values()
    return [trigger for trigger in triggers if trigger.enabled]


def deploy(aws: LocalAws, triggers: list[Trigger], project: Path) -> None:
    """Make what the triggers refer to, and deploy the project."""
    with step("create pipelines and buckets"):
        for bucket in {trigger.when.fields["bucket"] for trigger in uploads(triggers)}:
            aws.create_bucket(bucket)
        for pipeline in {start.pipeline for trigger in triggers for start in trigger.start}:
            aws.create_pipeline(pipeline, definition(pipeline, triggers))
    with step("sam build"):
        template = aws.build(STACK, project)
    with step("sam deploy"):
        aws.deploy(STACK, template, f"Stage={STAGE}", project=project)


def definition(pipeline: str, triggers: list[Trigger]) -> str:
    """Return a pipeline's definition from ``pipelines/``, or one that declares what its triggers set, as texts."""
    path = PIPELINES / f"{pipeline}.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    starts = [start for trigger in triggers for start in trigger.start if start.pipeline == pipeline]
    names = dict.fromkeys(name for start in starts for name in start.parameters)
    declared = [{"Name": name, "Type": "String", "DefaultValue": "none"} for name in names]
    return json.dumps({"Version": "2020-12-01", "Parameters": declared, "Steps": []})


def uploads(triggers: list[Trigger]) -> list[Trigger]:
    """Return the triggers that uploads fire."""
    return [trigger for trigger in triggers if trigger.when.source == "s3"]


def upload_samples(aws: LocalAws, trigger: Trigger) -> Iterator[str]:
    """Upload keys that the trigger wants, and one that only its rule lets through; give what was not expected."""
    bucket, glob = trigger.when.fields["bucket"], trigger.when.fields.get("key", "*.csv")
    keys = [glob.replace("**", "*").replace("*", sample) for sample in SAMPLES]
    if prefix := globs.literal_prefix(glob):
        keys.append(f"{prefix}elsewhere/notes.txt")
    for key in dict.fromkeys(keys if "*" in glob else [glob]):
        uri = f"s3://{bucket}/{key}"
        console.print(f"\nupload     {uri}")
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"customer,churned\n1,0\n2,1\n")
        wanted = globs.matches(glob, key)
        verdicts = aws.new_verdicts(STACK, trigger.id, len(trigger.start) if wanted else 1, subject=uri)
        for verdict in verdicts:
            show(aws, verdict)
        outcomes = {verdict["outcome"] for verdict in verdicts}
        if outcomes != {"STARTED" if wanted else "FILTERED"}:
            yield f"{trigger.id}: {key}: {', '.join(sorted(outcomes))}"


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
        console.print(f"export {name}={shlex.quote(value)}")
    console.print(f"\nsam logs --stack-name {STACK}")
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
