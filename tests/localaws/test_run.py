"""``make run``: what it shows, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests import PROJECT
from tests.localaws import run
from tests.localaws.local_aws import LocalAws
from tests.localaws.project import Project

TRIGGERS = """
  months:
    when: {s3: {bucket: "${RawBucket}", key: "churn/*/data.csv"}}
    start: churn-training
    parameters:
      InputDataUrl: "{% $object.uri %}"
      Month: "{% $split($object.key, '/')[1] %}"
      Bucket: $.detail.bucket.name
  everything:
    when: {s3: {bucket: "${RawBucket}", key: "churn/**"}}
    start: {copy: {Key: $.detail.object.key}, count: {Size: "{% $object.size %}"}}
  endpoint:
    when: {endpoint: {status: InService}}
    start: copy
  deployment:
    when: {endpoint: {name: shop-*, deployment: Creating}}
    start: copy
  drift:
    when: {drift: {monitoring_schedule: "shop-*"}}
    start: copy
  closed:
    when: {event: {bus: shop, pattern: {source: [acme], detail: {n: [{numeric: [">", 5]}], kind: [{prefix: a}]}}}}
    start: copy
    parameters: {Other: "{% detail.n %}"}
  vague:
    when: {event: {pattern: {source: [{anything-but: acme}], detail-type: [Nothing]}}}
    start: copy
  sibling:
    when: {event: {pattern: {source: [acme.shop], detail-type: [Month closed], detail: {month: [{prefix: "2026-"}]}}}}
    start: copy
    parameters: {Other: "{% 'closed: ' & detail.month & ', ' & (detail.amount * 2) %}"}
  odd:
    when: {event: {pattern: {source: [acme.odd]}}}
    start: copy
    parameters: {Other: "{% $substring(detail.text, 20) %}"}
  failed:
    when: {training_job: {name: "shop-*", status: failed}}
    start: copy
    parameters: {Other: "{% $job.failure_reason %}"}
  monitored:
    when: {drift: {monitoring_schedule: "shop-*"}}
    start: copy
    parameters: {Other: "{% $monitor.endpoint & ': ' & $monitor.violations[0].feature_name %}"}
  served:
    when: {endpoint: {name: "shop-*", status: Failed}}
    start: copy
    parameters: {Other: "{% $endpoint.models[0] & ' ' & $endpoint.data_capture_uri & ' ' & $endpoint.failure_reason %}"}
  tagged:
    when: {s3: {bucket: "${RawBucket}", key: "tagged/*"}}
    dedupe: "{% $object.bucket %}"
    start: copy
    parameters: {Other: "{% $object.tags.project & ' ' & $object.metadata.team %}"}
  requested:
    when: {sns: {}}
    start_one_of: [copy]
    accept: {Other: [x]}
  notified:
    when: {sns: {topic: "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:run-notified"}}
    if: "{% $exists($object) %}"
    start: copy
  alarm:
    when: {alarm: {name: drift, state: ALARM}}
    start: copy
    parameters: {Other: x}
  hourly:
    when: {schedule: {rate: 1 hour}}
    start: copy
    parameters: {Other: "{% $scheduled.time %}"}
  gathered:
    when: {alarm: {name: gathered, state: ALARM}}
    collect: {by: "{% detail.alarmName %}"}
    start: copy
    parameters: {Other: "{% $batch.count %}"}
  done:
    when: {schedule: {at: 2020-01-01T00:00:00, timezone: UTC}}
    start: copy
"""


def test_it_shows_what_became_of_each_upload_and_ends_on_ctrl_c(new_project: Callable[[], Project]) -> None:
    """Verdicts, executions and the parameters that they received; then the way in, until Ctrl-C."""
    project = new_project()
    project.compile(TRIGGERS)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.localaws.run", "--keep", "--project", str(project.path)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        assert process.stdout
        shown = ""
        for line in process.stdout:
            shown += line
            if line.startswith("sam logs"):
                break
        assert shown.count("verdict    STARTED") == 2 + 3 * 2 + 9 + 5, shown
        assert shown.count("verdict    FILTERED") + shown.count("verdict    DUPLICATE") == 3
        assert shown.count("verdict    REJECTED") == 2
        assert shown.count("verdict    COLLECTED") == 1
        assert re.search(r"^26 played: 22 started, .*; 26 as expected, 0 not$", shown, re.MULTILINE)
        for made_up in (
            "closed: 2026-10, 20",
            "ClientError: the data could not be read",
            "churn-prod: tenure",
            "shop-10-model s3://acme-monitoring/capture ClientError: the data could not be read",
            "2026-10 2026-10",
        ):
            assert f"           Other = {made_up}\n" in shown
        assert "not played team/odd: no event could be made up for it: parameter Other" in shown
        assert "not played team/done: its schedule is over" in shown
        assert "the request's parameter RoleArn may not be set" in shown
        assert "fires      the schedule of team/hourly, now" in shown
        assert "the schedule of team/done" not in shown
        removed = shown.index("removed    schedule default/left-behind")
        assert shown.index("delete     pipeline churn-training") < removed < shown.index("does not exist")
        assert "schedule default/left-behind restored" in shown
        assert "$ triggers why s3://raw-dev/nobody-waits-for-this.csv --stack pipeline-triggers-dev\n" in shown
        assert "ENDS  no trigger matches; nearest " in shown
        assert "\n[team] [team: to look at]\n" in shown
        assert "aws sns publish --topic-arn arn:aws:sns:eu-central-1:123456789012:" in shown
        assert "           InputDataUrl = s3://raw-dev/churn/2026-10/data.csv\n" in shown
        assert "           Month = März + 100 %\n" in shown
        assert "           Key = churn/elsewhere/notes.txt\n" in shown
        assert len(re.findall(r"^export \w+=\S+$", shown, re.MULTILINE)) == 7
        directory = Path(re.findall(r"^export AWS_CA_BUNDLE=(.+)/localaws.crt$", shown, re.MULTILINE)[0])
        assert directory.is_dir()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
        assert not directory.exists()
    finally:
        process.kill()
        process.wait()


ONE_TRIGGER = """
  refused:
    when: {s3: {bucket: refused-uploads}}
    start: refused
    parameters: {Undeclared: x}
"""


def test_an_execution_that_does_not_appear_fails_the_run(
    aws: LocalAws, new_project: Callable[[], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs it in a script learns from the exit code."""
    project = new_project()
    project.compile(ONE_TRIGGER)
    monkeypatch.setattr(sys, "argv", ["run", "--project", str(project.path)])
    monkeypatch.setattr(LocalAws, "running", lambda: nullcontext(aws))
    monkeypatch.setattr(run, "definition", lambda *_: '{"Parameters": []}')
    assert run.main() == 1


def test_a_wrong_document_is_reported(
    new_project: Callable[[], Project], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    project = new_project()
    (project.documents / "team.yaml").write_text("owner: x")
    monkeypatch.setattr(sys, "argv", ["run", "--project", str(project.path)])
    assert run.main() == 1
    assert "team.yaml:1: needs version, pipelines, triggers" in capsys.readouterr().out
