"""``make run``: deploy the project to an embedded AWS, let its triggers' events happen, show what became of each."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader, schedules
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.language import triggers_json
from pipeline_triggers.language.sources import SOURCES, topic
from pipeline_triggers.models import Trigger
from rich.console import Console

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION, STACK, scenarios
from tests.localaws.local_aws import CommandFailed, LocalAws
from tests.localaws.scenarios import Happening

STAGE = "dev"
# As the SageMaker SDK's put_triggers makes it: no stack knows of it.
LEFT_BEHIND = "left-behind"
PIPELINES = Path(__file__).parent / "pipelines"

console = Console(highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Run, and return the exit code: 0 when everything ended as its trigger says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the embedded AWS up until Ctrl-C")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the folder with template.yaml")
    arguments = parser.parse_args()
    # A kill ends it as orderly as a Ctrl-C, also in the background, where a shell has Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with step("compile the documents"):
            triggers = compile_triggers(arguments.project / "layers" / "triggers")
        with ExitStack() as stack:
            with step("start the embedded AWS"):
                aws = stack.enter_context(LocalAws.running())
            deploy(aws, triggers, arguments.project)
            surprises = [surprise for trigger in triggers for surprise in play(aws, trigger)]
            surprises += delete_pipeline(aws, triggers)
            if arguments.keep:
                keep_up(aws, triggers)
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
    loaded = loader.load(directory)
    compiled = compiler.compile_documents(loaded, schedules.past(loaded.triggers, datetime.now(UTC)))
    files.write(directory, compiled)
    pseudo_parameters = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
    triggers = triggers_json.load(compiled["triggers.json"], STAGE, pseudo_parameters).values()
    return [trigger for trigger in triggers if trigger.enabled]


def deploy(aws: LocalAws, triggers: list[Trigger], project: Path) -> None:
    """Make what the triggers refer to, and deploy the project."""
    with step("create pipelines, buckets, topics"):
        for bucket in {trigger.when.fields["bucket"] for trigger in triggers if trigger.when.source == "s3"}:
            aws.create_bucket(bucket)
        for arn in {arn for trigger in triggers if (arn := topic(trigger.when))}:
            aws.client("sns").create_topic(Name=arn.rpartition(":")[2])
        for bus in {bus for trigger in triggers if (bus := trigger.when.fields.get("bus"))}:
            aws.client("events").create_event_bus(Name=bus.rpartition("/")[2])
        for pipeline in {start.pipeline for trigger in triggers for start in trigger.start}:
            aws.create_pipeline(pipeline, definition(pipeline, triggers))
    with step("sam build"):
        template = aws.build(STACK, project)
    with step("sam deploy"):
        aws.deploy(STACK, template, f"Stage={STAGE}", "JanitorDelaySeconds=0", project=project)


def definition(pipeline: str, triggers: list[Trigger]) -> str:
    """Return a pipeline's definition from ``pipelines/``, or one that declares what its triggers set, as texts."""
    path = PIPELINES / f"{pipeline}.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    starts = [(start, trigger) for trigger in triggers for start in trigger.start if start.pipeline == pipeline]
    names = dict.fromkeys(name for start, trigger in starts for name in (*start.parameters, *trigger.accept))
    declared = [{"Name": name, "Type": "String", "DefaultValue": "none"} for name in names]
    return json.dumps({"Version": "2020-12-01", "Parameters": declared, "Steps": []})


def play(aws: LocalAws, trigger: Trigger) -> Iterator[str]:
    """Let happen what the trigger waits for; give what was not expected."""
    played = list(scenarios.of_trigger(trigger, aws.outputs(STACK)["RequestsTopicArn"]))
    if not played:
        console.print(f"\ntrigger    {trigger.id}: publish an event of your own to see it", style="yellow")
    for happening in played:
        yield from show(aws, trigger, happening)


def show(aws: LocalAws, trigger: Trigger, happening: Happening) -> Iterator[str]:
    """Do it, and print its verdicts, with the parameters as the executions received them."""
    console.print(f"\n{happening.told}")
    happening.do(aws)
    handler = SOURCES[trigger.when.source].handler
    verdicts = aws.new_verdicts(STACK, trigger.id, happening.verdicts, handler, subject=happening.subject)
    for verdict in verdicts:
        console.print(f"event      {verdict['event_id']}")
        console.print(f"trigger    {verdict['trigger']}")
        style = "green" if verdict["outcome"] == "STARTED" else "yellow"
        console.print(f"verdict    {verdict['outcome']} {verdict.get('reason', '')}".rstrip(), style=style)
        if execution := verdict.get("execution_arn"):
            console.print(f"execution  {execution}")
            for name, value in aws.execution_parameters(execution).items():
                console.print(f"           {name} = {value}")
    outcomes = {verdict["outcome"] for verdict in verdicts}
    if not outcomes <= happening.outcomes:
        yield f"{trigger.id}: {happening.told}: {', '.join(sorted(outcomes))}"


def delete_pipeline(aws: LocalAws, triggers: list[Trigger]) -> Iterator[str]:
    """Delete the pipeline of the first upload, show what becomes of the next one and of what it leaves behind.

    Then it is created again, and gets back what it had.
    """
    for trigger in triggers:
        if trigger.when.source == "s3" and not trigger.dry_run and trigger.condition is None:
            pipeline = trigger.start[0].pipeline
            uploaded = next(scenarios.of_trigger(trigger, ""))
            aws.put_schedule(LEFT_BEHIND, pipeline)
            console.print(f"\ndelete     pipeline {pipeline}, which the schedule {LEFT_BEHIND} starts, too")
            aws.delete_pipeline(pipeline)
            told = clean_up(aws, pipeline)
            outcomes = frozenset({"REJECTED"} if len(trigger.start) == 1 else {"REJECTED", "STARTED"})
            yield from show(aws, trigger, replace(uploaded, outcomes=outcomes))
            console.print(f"\ncreate     pipeline {pipeline} again")
            aws.create_pipeline(pipeline, definition(pipeline, triggers))
            if [one["what"] for one in told["removed"]] != [f"schedule default/{LEFT_BEHIND}"]:
                yield f"deleted {pipeline}: {json.dumps(told)}"
            else:
                yield from restore(aws, told["restore"][0])
            return


def clean_up(aws: LocalAws, pipeline: str) -> dict[str, Any]:
    """Show what the janitor removes and keeps, and why."""
    told = aws.clean_up(STACK, pipeline)
    for one in told["removed"]:
        console.print(f"removed    {one['what']}", style="green")
    for one in told["kept"]:
        console.print(f"kept       {one['what']}: {one['reason']}", style="yellow")
    return told


def restore(aws: LocalAws, command: str) -> Iterator[str]:
    """Show what the command that a clean-up tells brings back."""
    console.print(f"restore    {command}")
    done = aws.triggers(*command.split()[1:], "--json")
    for line in json.loads(done.stdout or "[]"):
        console.print(f"           {line['what']} {line['outcome']} {line['why']}".rstrip())
    if done.returncode:
        yield f"{command}: {done.stderr}"


def keep_up(aws: LocalAws, triggers: list[Trigger]) -> None:
    """Say how to talk to the embedded AWS, and wait for Ctrl-C."""
    console.print("\nThe embedded AWS stays up until Ctrl-C. In another terminal:\n")
    for name, value in aws.environment.items():
        console.print(f"export {name}={shlex.quote(value)}")
    for trigger in triggers:
        if trigger.when.source == "sns" and not topic(trigger.when):
            asked = shlex.quote(json.dumps(scenarios.request(trigger), ensure_ascii=False))
            console.print(f"\naws sns publish --topic-arn {aws.outputs(STACK)['RequestsTopicArn']} --message {asked}")
    console.print(f"\nsam logs --stack-name {STACK}")
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
