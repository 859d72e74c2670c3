"""The command asks before it touches an account, and its exit code says how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.localaws import ACCOUNT, REGION
from tests.unit.verify_aws.missing import refuse
from tests.unit.verify_aws.test_whole_probes import by_token
from tests.unit.verify_aws.world import World
from tests.verify_aws import __main__ as verify_aws
from tests.verify_aws.account import NAME
from tests.verify_aws.cleanup import left_of

ALLOWED = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Run the command with these arguments in an account in moto, and answer its question."""
    monkeypatch.setenv("VERIFY_AWS", "1")
    monkeypatch.setattr(verify_aws, "DIRECTORY", tmp_path)

    def main(*arguments: str, answer: Any = "y", world: Callable[[], World] = World) -> int:
        def asked(_: str) -> str:
            if isinstance(answer, type):
                raise answer
            return str(answer)

        monkeypatch.setattr(verify_aws, "Account", lambda *_, **__: world())
        monkeypatch.setattr("builtins.input", asked)
        monkeypatch.setattr("sys.argv", ["verify-aws", *arguments])
        return verify_aws.main()

    with mock_aws():
        yield main


@pytest.mark.parametrize("allowed", ["", "0", "true"])
def test_nothing_happens_unless_it_is_allowed(
    allowed: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """VERIFY_AWS=1 says so; credentials and --yes do not."""
    monkeypatch.setenv("VERIFY_AWS", allowed)
    assert run("--yes", world=lambda: pytest.fail("it looked at the account")) == 2
    assert "Set VERIFY_AWS=1 to allow it." in capsys.readouterr().err


def test_an_emulator_is_not_taken_for_aws(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report would say that its answers were seen on AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://127.0.0.1:4566")
    assert run("--yes", world=lambda: pytest.fail("it looked at the account")) == 2
    assert "AWS_ENDPOINT_URL_S3 leads to something other than AWS. Unset it" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["n", "", "yess", "Y ES", EOFError, KeyboardInterrupt])
@pytest.mark.parametrize("option", ["--probes=A", "--clean", "--resume", "--keep"])
def test_it_names_the_account_and_asks(answer: Any, option: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Only y and yes begin, and no terminal is a no."""
    world = World()
    world.queue("of-an-earlier-run")
    assert run(option, answer=answer, world=lambda: world) == 2
    printed = capsys.readouterr().err
    assert f"Account {ACCOUNT}, Region {REGION}. It costs about 0.2" in printed
    assert f"Everything whose name begins with {NAME} will be deleted, before and after." in printed
    assert len(left_of(World())) == 1


@pytest.mark.parametrize("answer", ["y", " YES "])
def test_it_runs_and_says_what_it_cost(answer: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """All as assumed, nothing left: the exit code is 0."""
    assert run("--probes=d", answer=answer) == 0
    printed = capsys.readouterr().err
    assert "D  Does CreateSchedule accept a role" in printed
    assert "   as assumed\n" in printed
    assert " USD for " in printed
    assert left_of(World()) == []


def test_a_difference_is_in_the_exit_code(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """With its reason on the terminal."""
    assert run("--probes=A") == 1  # moto forgets tokens
    assert "   differs: a token started a second execution at once\n" in capsys.readouterr().err


def test_what_is_left_is_in_the_exit_code(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that tries again."""
    assert run("--probes=D", world=lambda: World({"DeleteRole": refuse("AccessDenied")})) == 1
    assert f"Not removed: role {NAME}-new-0" in capsys.readouterr().err
    assert run("--clean") == 0
    assert left_of(World()) == []


def test_a_day_later_the_token_is_repeated(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """--keep leaves its pipeline, --resume compares with its executions, and removes it."""
    executions: list[str] = []

    def start(asked: Any) -> Any:
        executions.append(by_token(asked)["PipelineExecutionArn"])
        return {"PipelineExecutionArn": executions[-1]}

    def listed(_: Any) -> Any:
        return {"PipelineExecutionSummaries": [{"PipelineExecutionArn": one} for one in executions]}

    def world() -> World:
        return World({"StartPipelineExecution": start, "ListPipelineExecutions": listed})

    assert run("--keep", "--probes=D", world=world) == 0
    assert "Run VERIFY_AWS=1 make verify-aws RESUME=1 in a day." in capsys.readouterr().err
    assert left_of(World()) == [f"pipeline {NAME}", f"role {NAME}-pipelines"]
    assert run("--resume", world=world) == 0
    assert left_of(World()) == []


def test_ctrl_c_removes_everything_and_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a traceback."""

    def interrupt(_: Any) -> Any:
        raise KeyboardInterrupt

    assert run("--probes=AB", world=lambda: World({"StartPipelineExecution": interrupt})) == 130
    assert capsys.readouterr().err.endswith(
        "Ctrl-C stops that; VERIFY_AWS=1 make verify-aws CLEAN=1 continues.\nInterrupted.\n"
    )
    assert left_of(World()) == []


def test_an_unknown_letter_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Instead of a run without probes."""
    with pytest.raises(SystemExit):
        run("--probes=AXZ")
    assert "no probe has the letter X, Z" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("region", "problem"), [("", "You must specify a region."), (REGION, "Unable to locate credentials.")]
)
def test_an_account_that_can_not_be_read_is_an_error(
    region: str, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No Region, no credentials: what to set."""
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    if region:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("VERIFY_AWS", "1")
    monkeypatch.setattr("sys.argv", ["verify-aws"])
    assert verify_aws.main() == 2
    message = f"The account can't be read: {problem} Set AWS_PROFILE and AWS_DEFAULT_REGION."
    assert message in capsys.readouterr().err
