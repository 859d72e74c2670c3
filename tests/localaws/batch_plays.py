"""What ``make run`` plays of batches and limits: the shipped triggers of ``sales.yaml``, from upload to last start."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from tests.localaws import STACK, commands
from tests.localaws.local_aws import CommandFailed, LocalAws

FILES = 200
DAY = "2026-11-02"  # a Monday, which the deadline on Tuesday asks for
DEADLINE = datetime(2026, 11, 3, 7, tzinfo=UTC)  # 08:00 in Berlin


@dataclass(frozen=True)
class Batches:
    """The embedded AWS as these plays use it: ``uploads`` is the bucket."""

    aws: LocalAws
    console: Console
    uploads: str
    outcomes: Counter[str]

    def upload(self, *keys: str) -> None:
        """Upload files."""
        s3 = self.aws.client("s3")
        for key in keys:
            s3.put_object(Bucket=self.uploads, Key=key, Body=b"customer,churned\n1,0\n")

    def events(self, trigger: str, *outcomes: str) -> list[dict[str, Any]]:
        """Wait for the verdicts of a trigger's next events in its handler's log."""
        return self._verdicts(trigger, "OnS3Upload", outcomes)

    def ends(self, trigger: str, *outcomes: str) -> list[dict[str, Any]]:
        """Wait for a trigger's next verdicts in the log of ``on_batch``, and show them."""
        verdicts = self._verdicts(trigger, "OnBatch", outcomes)
        for verdict in verdicts:
            self.show(verdict)
        return verdicts

    def _verdicts(self, trigger: str, handler: str, outcomes: tuple[str, ...]) -> list[dict[str, Any]]:
        verdicts = self.aws.new_verdicts(STACK, trigger, len(outcomes), handler)
        came = Counter(verdict["outcome"] for verdict in verdicts)
        self.outcomes.update(came)
        if came != Counter(outcomes):
            raise CommandFailed(f"{dict(came)} instead of {dict(Counter(outcomes))}: {verdicts[-1].get('reason', '')}")
        return verdicts

    def show(self, verdict: Mapping[str, Any]) -> None:
        """Print a verdict, with the parameters as the execution received them."""
        style = "green" if verdict["outcome"] == "STARTED" else "yellow"
        text = f"{verdict['outcome']} {verdict['trigger']} {verdict.get('subject', '')}".rstrip()
        self.console.print(f"verdict    {': '.join(filter(None, (text, verdict.get('reason'))))}", style=style)
        if execution := verdict.get("execution_arn"):
            self.console.print(f"execution  {execution}")
            for name, value in self.parameters(verdict).items():
                self.console.print(f"           {name} = {value}")

    def parameters(self, verdict: Mapping[str, Any]) -> dict[str, str]:
        """Return the parameters that a verdict's execution received."""
        return self.aws.execution_parameters(verdict["execution_arn"])

    def triggers(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command about the deployed stack, and return what it printed as JSON."""
        done = commands.triggers(self.aws, *arguments, "--stack", STACK, "--json")
        if done.returncode:
            raise CommandFailed(f"triggers {' '.join(arguments)}: {done.stderr}")
        printed: list[dict[str, Any]] = json.loads(done.stdout)
        return printed

    def close(self, trigger: str) -> None:
        """Close a trigger's open batch by hand, instead of waiting for its quiet time."""
        (entry,) = (entry for entry in self.triggers("batches", "--trigger", trigger) if entry["state"] == "open")
        self.console.print(f"close      triggers close {entry['batch'][:8]}, instead of waiting until it is quiet")
        self.triggers("close", entry["batch"], "--wait", "30")

    def send(self, **message: str) -> None:
        """Send a message to ``on_batch``, as a schedule would."""
        queue = self.aws.physical_id(STACK, "OnBatchQueue")
        self.aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))

    def text(self, uri: str) -> str:
        """Return what a file holds."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()


def part_files(here: Batches) -> None:
    """Many files become one execution with a manifest that names each of them."""
    keys = [f"sales/2026-10-31/part-{number:03d}.parquet" for number in range(FILES)]
    here.console.print(f"upload     s3://{here.uploads}/{keys[0]} to {keys[-1].rpartition('/')[2]}: {FILES} files")
    here.upload(*keys)
    collected = here.events("sales/train-on-a-day", *["COLLECTED"] * FILES)
    (batch,) = {verdict["batch"] for verdict in collected}
    here.console.print(f"verdicts   {FILES} COLLECTED, all in batch {batch[:8]}", style="yellow")
    here.close("sales/train-on-a-day")
    (started,) = here.ends("sales/train-on-a-day", "STARTED")
    text = here.text(here.parameters(started)["Manifest"])
    prefix, *listed = json.loads(text)
    expect(prefix == {"prefix": f"s3://{here.uploads}/"} and listed == keys, f"another manifest: {text[:200]}")
    here.console.print(f"manifest   [{json.dumps(prefix)}, {json.dumps(listed[0])}, …: {len(listed)} keys")


def join(here: Batches) -> None:
    """A day is complete with its three regions; what is missing is reported, what comes later corrects it."""
    trigger, folder = "sales/daily-report", f"closing/{DAY}"
    here.console.print(f"upload     s3://{here.uploads}/{folder}/emea/_SUCCESS and apac/_SUCCESS")
    here.upload(f"{folder}/emea/_SUCCESS", f"{folder}/apac/_SUCCESS")
    here.events(trigger, "COLLECTED", "COLLECTED")
    here.console.print("verdicts   2 COLLECTED", style="yellow")
    here.console.print("deadline   08:00 on the next business day")
    here.send(deadline=trigger, scheduled=f"{DEADLINE:%Y-%m-%dT%H:%M:%SZ}")
    (missed,) = here.ends(trigger, "MISSED")
    expect("amer" in missed["reason"], f"another reason: {missed['reason']}")
    here.console.print(f"upload     s3://{here.uploads}/{folder}/amer/_SUCCESS")
    here.upload(f"{folder}/amer/_SUCCESS")
    here.events(trigger, "COLLECTED")
    (first,) = here.ends(trigger, "STARTED")
    expect(here.parameters(first)["Revision"] == "1", "the first run is not revision 1")
    here.console.print(f"upload     s3://{here.uploads}/{folder}/emea/_SUCCESS again: a correction")
    here.upload(f"{folder}/emea/_SUCCESS")
    here.events(trigger, "COLLECTED")
    here.close(trigger)
    (second,) = here.ends(trigger, "STARTED")
    expect(here.parameters(second)["Revision"] == "2", "the correction is not revision 2")


def limit(here: Batches) -> None:
    """Three uploads of a pipeline that runs once at a time start one after another, in order."""
    trigger, pipeline = "sales/forecast", "sales-forecast"
    keys = [f"forecast/{name}.csv" for name in ("north", "south", "west")]
    for key in keys:
        here.console.print(f"upload     s3://{here.uploads}/{key}")
        here.upload(key)
        here.events(trigger, "WAITING")
    for key in keys:
        (started,) = here.ends(trigger, "STARTED")
        expect(here.parameters(started)["InputDataUrl"].endswith(key), f"{key} is not next")
        here.send(pipeline=pipeline)
        running = here.aws.running_executions(pipeline)
        expect(running == [started["execution_arn"]], f"{len(running)} executions run at a time")
        here.console.print("running    1 execution, max_running is 1; it ends")
        here.aws.stop_execution(started["execution_arn"])


def pause(here: Batches) -> None:
    """What comes during a pause starts after it."""
    trigger, pipeline, key = "sales/forecast", "sales-forecast", "forecast/east.csv"
    until = (datetime.now(UTC) + timedelta(days=7)).isoformat(timespec="minutes")
    here.console.print(f'pause      triggers pause {trigger} --until {until} --reason "month-end close"')
    here.triggers("pause", trigger, "--until", until, "--reason", "month-end close")
    here.console.print(f"upload     s3://{here.uploads}/{key}")
    here.upload(key)
    here.events(trigger, "WAITING")
    here.send(pipeline=pipeline)
    (waiting,) = (entry for entry in here.triggers("batches", "--trigger", trigger) if entry["state"] == "paused")
    here.console.print(f"batches    {waiting['state']}: {waiting['reason']}", style="yellow")
    expect(not here.aws.running_executions(pipeline), "it started during the pause")
    here.console.print(f"resume     triggers resume {trigger}")
    here.triggers("resume", trigger)
    here.send(pipeline=pipeline)
    (started,) = here.ends(trigger, "STARTED")
    here.aws.stop_execution(started["execution_arn"])


def expect(holds: bool, problem: str) -> None:
    """End a play that goes wrong.

    Raises:
        CommandFailed: it does not hold.

    """
    if not holds:
        raise CommandFailed(problem)


# The triggers that these play, each with all that is played of it.
PLAYS: Mapping[str, tuple[Callable[[Batches], None], ...]] = {
    "sales/train-on-a-day": (part_files,),
    "sales/daily-report": (join,),
    "sales/forecast": (limit, pause),
}


def play(here: Batches, trigger: str) -> Iterator[str]:
    """Play what there is of a trigger, and give "" or what went wrong for each."""
    for one in PLAYS[trigger]:
        here.console.print(f"\nplay       {one.__doc__}")
        try:
            one(here)
        except (CommandFailed, ClientError) as error:
            yield f"{trigger}: {error}"
        else:
            yield ""
