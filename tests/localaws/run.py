"""``make run``: deploy the project to an embedded AWS, play an event for each trigger, show what became of it."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from pipeline_triggers.account.home import Home
from pipeline_triggers.cli.deployed import limits_of
from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader, schedules
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.language.sources import SOURCES, takes_requests, topic
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.operations.check_account import triggers_of
from rich.console import Console

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION, STACK, batch_plays, commands, questions, scenarios
from tests.localaws.local_aws import CommandFailed, LocalAws
from tests.localaws.scenarios import NotPlayed, Scenario

STAGE = "dev"
# As the SageMaker SDK's put_triggers makes it: no stack knows of it.
LEFT_BEHIND = "left-behind"
PIPELINES = Path(__file__).parent / "pipelines"

console = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass
class Results:
    """What became of the scenarios: how often each outcome came, and what did not end as it must."""

    outcomes: Counter[str] = field(default_factory=Counter)
    played: int = 0
    failures: list[str] = field(default_factory=list)
    not_played: list[str] = field(default_factory=list)

    def show(self) -> None:
        """Print the summary, and each failure."""
        outcomes = ", ".join(f"{count} {outcome.lower()}" for outcome, count in self.outcomes.most_common())
        as_expected = self.played - len(self.failures)
        console.print(f"\n{self.played} played: {outcomes}; {as_expected} as expected, {len(self.failures)} not")
        for reason in self.not_played:
            console.print(f"not played {reason}", style="yellow")
        for failure in self.failures:
            console.print(f"FAILED     {failure}", style="red")


def main() -> int:
    """Run, and return the exit code: 0 when everything ended as its trigger says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the embedded AWS up until Ctrl-C")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the folder with template.yaml")
    arguments = parser.parse_args()
    # A kill ends it as orderly as a Ctrl-C, also in the background, where a shell has Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    results = Results()
    try:
        with step("compile the documents"):
            triggers, limits = compile_triggers(arguments.project / "layers" / "triggers")
        with ExitStack() as stack:
            with step("start the embedded AWS"):
                aws = stack.enter_context(LocalAws.running())
            deploy(aws, triggers, limits, arguments.project)
            for trigger in triggers:
                is_limited = any(start.pipeline in limits for start in trigger.start)
                play(aws, trigger, is_limited, results)
            delete_pipeline(aws, triggers, results)
            questions.show(aws, console, arguments.project / "layers" / "triggers")
            results.show()
            if arguments.keep:
                keep_up(aws, triggers)
    except (CommandFailed, DocumentsError) as error:
        console.print(f"\n{error}", style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    return 1 if results.failures else 0


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print what is being done, then how long it took."""
    console.print(f"{title:<36}", end="")
    start = time.monotonic()
    yield
    console.print(f"{time.monotonic() - start:5.1f} s")


def compile_triggers(directory: Path) -> tuple[list[Trigger], dict[str, Limits]]:
    """Compile the documents, and return the enabled triggers and the limits as the dev stage sees them."""
    loaded = loader.load(directory)
    files.write(directory, compiler.compile_documents(loaded, schedules.past(loaded.triggers, datetime.now(UTC))))
    values = Home("aws", ACCOUNT, REGION).pseudo_parameters()
    triggers = [trigger for trigger in triggers_of(loaded, STAGE, values) if trigger.enabled]
    return triggers, limits_of(loaded, STAGE, values)


def deploy(aws: LocalAws, triggers: list[Trigger], limits: Mapping[str, Limits], project: Path) -> None:
    """Create what the triggers refer to, and deploy the project; a limited pipeline's executions run until stopped."""
    sources = [view.when for trigger in triggers for view in trigger.views()]
    with step("create pipelines, buckets, topics"):
        for bucket in {when.fields["bucket"] for when in sources if when.source == "s3"}:
            aws.create_bucket(bucket)
        for arn in {arn for when in sources if (arn := topic(when))}:
            aws.client("sns").create_topic(Name=arn.rpartition(":")[2])
        for bus in {bus for when in sources if (bus := when.fields.get("bus"))}:
            aws.client("events").create_event_bus(Name=bus.rpartition("/")[2])
        for pipeline in {start.pipeline for trigger in triggers for start in trigger.start}:
            aws.create_pipeline(pipeline, definition(pipeline, triggers), runs=pipeline in limits)
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


def play(aws: LocalAws, trigger: Trigger, is_limited: bool, results: Results) -> None:
    """Play what the trigger waits for; a start of a limited pipeline may have to wait for its turn."""
    if trigger.id in batch_plays.PLAYS:
        here = batch_plays.Batches(aws, console, trigger.when.fields["bucket"], results.outcomes)
        for problem in batch_plays.play(here, trigger.id):
            results.played += 1
            results.failures += filter(None, [problem])
        return
    for view in trigger.views():
        try:
            for scenario in scenarios.of_trigger(view, aws.outputs(STACK)["RequestsTopicArn"]):
                outcomes = scenario.outcomes | {"WAITING"} if is_limited else scenario.outcomes
                show(aws, view, replace(scenario, outcomes=outcomes), results)
        except NotPlayed as reason:
            results.not_played.append(f"{view.view_id}: {reason}")


def show(aws: LocalAws, trigger: Trigger, scenario: Scenario, results: Results) -> None:
    """Play a scenario, and print its verdicts, with the parameters as the executions received them."""
    console.print(f"\n{scenario.title}")
    results.played += 1
    title = f"{trigger.id}: {' '.join(scenario.title.split(None, 1))}"
    handler = SOURCES[trigger.when.source].handler
    try:
        scenario.play(aws)
        verdicts = aws.new_verdicts(STACK, trigger.id, scenario.verdicts, handler, subject=scenario.subject)
    except (CommandFailed, ClientError) as error:
        results.failures.append(f"{title}: {error}")
        return
    for verdict in verdicts:
        show_verdict(aws, verdict)
    outcomes = [verdict["outcome"] for verdict in verdicts]
    results.outcomes.update(outcomes)
    for verdict in verdicts:
        if verdict["outcome"] not in scenario.outcomes:
            expected = " or ".join(sorted(scenario.outcomes))
            reason = verdict.get("reason", "")
            results.failures.append(f"{title}: {verdict['outcome']} instead of {expected}: {reason}".rstrip(": "))


def show_verdict(aws: LocalAws, verdict: dict[str, Any]) -> None:
    """Print a verdict, with the parameters as the execution received them."""
    console.print(f"event id   {verdict['event_id']}")
    console.print(f"trigger    {verdict['trigger']}")
    style = "green" if verdict["outcome"] == "STARTED" else "yellow"
    console.print(f"verdict    {verdict['outcome']} {verdict.get('reason', '')}".rstrip(), style=style)
    if execution := verdict.get("execution_arn"):
        console.print(f"execution  {execution}")
        for name, value in aws.execution_parameters(execution).items():
            console.print(f"           {name} = {value}")


def delete_pipeline(aws: LocalAws, triggers: list[Trigger], results: Results) -> None:
    """Delete the pipeline of the first upload, show what becomes of the next one and of what it leaves behind.

    Then it is created again, and gets back what it had.
    """
    plain = (one for one in triggers if one.when.source == "s3" and not one.direct and not one.collect)
    trigger = next((one for one in plain if not one.dry_run and one.condition is None and one.dedupe is None), None)
    if trigger is None:
        return
    pipeline = trigger.start[0].pipeline
    upload = next(scenarios.of_trigger(trigger, ""))
    aws.put_schedule(LEFT_BEHIND, pipeline)
    console.print(f"\ndelete     pipeline {pipeline}, which the schedule {LEFT_BEHIND} starts, too")
    aws.delete_pipeline(pipeline)
    report = clean_up(aws, pipeline)
    outcomes = frozenset({"REJECTED"} if len(trigger.start) == 1 else {"REJECTED", "STARTED"})
    show(aws, trigger, replace(upload, outcomes=outcomes), results)
    console.print(f"\ncreate     pipeline {pipeline} again")
    aws.create_pipeline(pipeline, definition(pipeline, triggers))
    results.played += 1
    if [removed["what"] for removed in report["removed"]] != [f"schedule default/{LEFT_BEHIND}"]:
        results.failures.append(f"the clean-up after {pipeline} removed {json.dumps(report['removed'])}")
    elif problem := restore(aws, report["restore"][0]):
        results.failures.append(problem)


def clean_up(aws: LocalAws, pipeline: str) -> dict[str, Any]:
    """Show what the janitor removes and keeps, and why."""
    report = aws.clean_up(STACK, pipeline)
    for removed in report["removed"]:
        console.print(f"removed    {removed['what']}", style="green")
    for kept in report["kept"]:
        console.print(f"kept       {kept['what']}: {kept['reason']}", style="yellow")
    return report


def restore(aws: LocalAws, command: str) -> str | None:
    """Show what the command of a clean-up's report brings back; return what went wrong, or None."""
    console.print(f"restore    {command}")
    done = commands.triggers(aws, *command.split()[1:], "--json")
    for line in json.loads(done.stdout or "[]"):
        console.print(f"           {line['what']} {line['outcome']} {line['why']}".rstrip())
    return f"{command}: {done.stderr}" if done.returncode else None


def keep_up(aws: LocalAws, triggers: list[Trigger]) -> None:
    """Say how to talk to the embedded AWS, and wait for Ctrl-C."""
    console.print("\nThe embedded AWS stays up until Ctrl-C. In another terminal:\n")
    for name, value in aws.environment.items():
        console.print(f"export {name}={shlex.quote(value)}")
    for trigger in triggers:
        if takes_requests(trigger.when):
            message = shlex.quote(json.dumps(scenarios.request(trigger), ensure_ascii=False))
            console.print(f"\naws sns publish --topic-arn {aws.outputs(STACK)['RequestsTopicArn']} --message {message}")
    console.print(f"\nsam logs --stack-name {STACK}")
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
