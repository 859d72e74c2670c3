"""What ``make run`` shows at its end: ``triggers why`` for four uploads, and the layout of the dashboard."""

from __future__ import annotations

import json
import os
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner
from pipeline_triggers.cli import main
from rich.console import Console

from tests.clients import forget_clients
from tests.localaws import STACK
from tests.localaws.local_aws import LocalAws

UNMATCHED = "nobody-waits-for-this.csv"


def show(aws: LocalAws, console: Console, documents: Path) -> None:
    """Ask why an upload started, was filtered, was collected, or came to nothing; and show what the dashboard has."""
    uploads = _uploads(aws)
    with patch.dict(os.environ, {"PATH": os.environ["PATH"], **aws.environment}, clear=True):
        forget_clients()
        for upload in uploads:
            console.print(f"\n$ triggers why {upload} --stack {STACK}")
            done = CliRunner(mix_stderr=False).invoke(
                main, ["why", upload, "--stack", STACK, "--documents", str(documents)]
            )
            console.print((done.stdout + done.stderr).rstrip())
    forget_clients()
    console.print(f"\nThe dashboard {STACK}, a row for the stack and one for each team:")
    body = json.loads(aws.client("cloudwatch").get_dashboard(DashboardName=STACK)["DashboardBody"])
    for _, row in groupby(body["widgets"], key=lambda widget: widget["y"]):
        console.print(" ".join(f"[{widget['properties']['title']}]" for widget in row))


def _uploads(aws: LocalAws) -> list[str]:
    """Return the last upload of each outcome, and one that no rule matches."""
    verdicts = [line for line in aws.log_lines(STACK, "OnS3Upload") if line["message"] == "verdict"]
    lines = [line for line in verdicts if line["outcome"] != "STARTED" or _exists(aws, line["execution_arn"])]
    by_outcome = {line["outcome"]: line["subject"] for line in lines if line.get("subject", "").startswith("s3://")}
    found = [by_outcome[outcome] for outcome in ("STARTED", "FILTERED", "COLLECTED") if outcome in by_outcome]
    if found:
        bucket = found[0].split("/")[2]
        aws.client("s3").put_object(Bucket=bucket, Key=UNMATCHED, Body=b"")
        found.append(f"s3://{bucket}/{UNMATCHED}")
    return found


def _exists(aws: LocalAws, execution: str) -> bool:
    """Whether an execution is still there: those of a pipeline that was deleted are not."""
    pipeline = execution.partition("/execution/")[0].rpartition("/")[2]
    listed = aws.client("sagemaker").list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
    return any(one["PipelineExecutionArn"] == execution for one in listed)
