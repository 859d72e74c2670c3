"""``triggers``: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from click.testing import CliRunner, Result
from pipeline_triggers.account import home
from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.cli import main
from pipeline_triggers.operations import check_account, cloudtrail, inventory, overlaps
from pipeline_triggers.operations.inventory import ExistingSchedule

DOCUMENT = """\
version: 1
owner: team
pipelines: [train]
triggers:
  one:
    when: {s3: {bucket: raw, key: "in/*"}}
    start: train
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder with one right document."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "team.yaml").write_text(DOCUMENT)
    return tmp_path


def hourly() -> ExistingSchedule:
    """Return a schedule that somebody made for the pipeline ``train``."""
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/train"
    answer = {
        "Name": "hourly",
        "GroupName": "default",
        "State": "ENABLED",
        "ScheduleExpression": "rate(1 hours)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/x"},
    }
    return ExistingSchedule(Pipeline("123456789012", "eu-central-1", "train"), answer)


def run(directory: Path, *arguments: str) -> Result:
    """Run ``triggers`` on a folder."""
    return CliRunner(mix_stderr=False).invoke(main, [*arguments, "--documents", str(directory)])


def test_compile_writes_two_files_and_says_whether_they_changed(directory: Path) -> None:
    """Compiling again changes nothing."""
    assert run(directory, "compile").output == "1 trigger, compiled files changed\n"
    assert sorted(path.name for path in (directory / "compiled").iterdir()) == ["stack.yaml", "triggers.json"]
    assert run(directory, "compile").output == "1 trigger, compiled files up to date\n"


def test_a_stale_file_fails_the_check_and_says_what_to_run(directory: Path) -> None:
    """``compile --check`` writes nothing."""
    run(directory, "compile")
    (directory / "team.yaml").write_text(DOCUMENT.replace("in/*", "out/*"))
    for _ in range(2):
        checked = run(directory, "compile", "--check")
        assert checked.exit_code == 1
        assert checked.stderr.endswith("out of date; run: make compile\n")


@pytest.mark.parametrize("command", ["compile", "check"])
def test_wrong_documents_fail_with_their_problems(directory: Path, command: str) -> None:
    """On standard error, one line each, and no compiled file is written."""
    (directory / "team.yaml").write_text(DOCUMENT.replace("train]", "other]"))
    failed = run(directory, command)
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[1:] == [
        f"{directory}/team.yaml:7: triggers.one.start: this file may not start train; add it to pipelines (other)"
    ]
    assert not (directory / "compiled").exists()


def test_check_counts_the_triggers(directory: Path) -> None:
    """Without ``--aws`` it needs no account."""
    checked = run(directory, "check")
    assert (checked.exit_code, checked.output) == (0, "1 trigger OK\n")


def test_an_unknown_stage_is_an_error_that_names_the_known_ones(directory: Path) -> None:
    """It is the command line that is wrong."""
    checked = run(directory, "check", "--aws", "--stage", "prod")
    assert checked.exit_code == 2
    assert "stages.yaml has no stage prod; it has dev" in checked.stderr


@pytest.mark.usefixtures("new_clients")
def test_no_account_is_an_error_of_its_own(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials nothing was checked, and that is said."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which remembers the credentials of earlier tests
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    checked = run(directory, "check", "--aws")
    assert checked.exit_code == 1
    assert "the request to AWS failed: Unable to locate credentials" in checked.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListSchedules"), "AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://scheduler"), "Could not connect"),
    ],
)
def test_overlaps_are_a_note_not_an_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    """Nor is an account that does not let itself be looked at for that, or can't be reached; JSON stays JSON."""

    def others(*_: object) -> Iterator[str]:
        yield "schedule default/x starts train"
        raise error

    monkeypatch.setattr(cloudtrail, "reports_deletions", lambda: True)
    monkeypatch.setattr(check_account, "problems", lambda *_: [])
    monkeypatch.setattr(overlaps, "overlaps", lambda *_: iter(["schedule default/x starts train"]))
    checked = run(directory, "check", "--aws", "--json")
    assert (checked.exit_code, checked.stdout) == (0, "[]\n")
    assert checked.stderr == "Note: schedule default/x starts train\n"
    monkeypatch.setattr(overlaps, "overlaps", others)
    checked = run(directory, "check", "--aws")
    assert (checked.exit_code, checked.stdout) == (0, "1 trigger OK\n")
    assert checked.stderr.startswith("Note: other schedules and rules could not be checked: ")
    assert message in checked.stderr


def test_unreadable_trails_are_a_note_not_an_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who deploys may not be allowed to look at them."""

    def denied() -> bool:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeTrails")

    monkeypatch.setattr(check_account, "problems", lambda *_: [])
    monkeypatch.setattr(overlaps, "overlaps", lambda *_: iter([]))
    monkeypatch.setattr(cloudtrail, "reports_deletions", denied)
    checked = run(directory, "check", "--aws")
    assert (checked.exit_code, checked.stdout) == (0, "1 trigger OK\n")
    assert checked.stderr.startswith("Note: CloudTrail's trails could not be checked: ")


def let_import_find(monkeypatch: pytest.MonkeyPatch, *found: ExistingSchedule) -> None:
    """Stand for the account that ``triggers import`` asks."""
    monkeypatch.setattr(home, "current", lambda: Home("aws", "123456789012", "eu-central-1"))
    monkeypatch.setattr(inventory, "existing", lambda *_: iter(found))
    monkeypatch.setattr(inventory, "pipeline_names", lambda: {"train": "train"})
    monkeypatch.setattr(inventory, "required_parameters", lambda _: ({"train": ("Month",)}, []))


def test_an_unwritable_document_is_an_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file's name."""
    let_import_find(monkeypatch, hourly())
    output = directory / "no" / "moved.yaml"
    imported = run(directory, "import", "--output", str(output))
    assert imported.exit_code == 1
    assert f"Error: {output}: No such file or directory; name another file as --output" in imported.stderr


def test_an_import_says_what_the_pipelines_require(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, and in the document."""
    let_import_find(monkeypatch, hourly())
    imported = run(directory, "import")
    assert imported.exit_code == 0
    assert "Missing: trigger hourly: train requires Month; add values\n" in imported.stderr
    assert "    # Missing: train requires Month; add values\n" in imported.stdout


@pytest.mark.parametrize("team", ["../x y: #", "Churn", "a--b", "", "stages"])
def test_a_team_is_what_its_document_may_be_called(directory: Path, team: str) -> None:
    """Otherwise it could not be saved; no call to AWS is made."""
    imported = run(directory, "import", "--team", team)
    assert imported.exit_code == 2
    assert f"{team!r} can't name a team's document; use lower-case letters" in imported.stderr


def test_an_account_without_schedules_gives_no_document(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a file written."""
    let_import_find(monkeypatch)
    output = directory / "moved.yaml"
    imported = run(directory, "import", "--output", str(output))
    assert (imported.exit_code, imported.stdout) == (0, "")
    assert imported.stderr.startswith("Nothing to import: ")
    assert not output.exists()


def test_list_shows_each_trigger(directory: Path) -> None:
    """What fires it, what it starts; and the same as JSON."""
    listed = run(directory, "list")
    assert listed.exit_code == 0
    assert [line.split() for line in listed.output.splitlines()] == [
        ["trigger", "state", "starts", "when"],
        ["team/one", "enabled", "train", "s3", "bucket=raw", "key=in/*"],
    ]
    (trigger,) = json.loads(run(directory, "list", "--json").output)
    assert (trigger["trigger"], trigger["when"]["source"]) == ("team/one", "s3")


def test_list_says_what_a_start_waits_for(directory: Path) -> None:
    """The column is there where a trigger has a batch or limits."""
    (directory / "sales.yaml").write_text(
        "version: 1\nowner: s\npipelines: [sales]\ntriggers:\n"
        "  one: {when: {s3: {bucket: raw}}, start: sales, collect: {}}\n"
        "limits: {sales: {max_running: 1}}\n"
    )
    listed = run(directory, "list").output
    assert listed.splitlines()[0].endswith("batch and limits")
    assert "or at 10000 events; sales: 1 at a time" in listed


def test_explain_needs_an_event(directory: Path) -> None:
    """A file that is not valid JSON is named."""
    (directory / "event.json").write_text("{")
    explained = run(directory, "explain", str(directory / "event.json"))
    assert explained.exit_code == 1
    assert "event.json is not valid JSON" in explained.stderr
