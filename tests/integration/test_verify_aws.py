"""The probes of ``make verify-aws`` against the embedded AWS: they ask, see, judge, and leave nothing.

That engine sends none of the events that the probes G, H, I, J and Q wait for, and can't deliver K's and L's failures;
their judgements are tested with recorded answers (``tests/unit/verify_aws``). C, N and P deploy the stack, which takes
minutes; ``test_deployer.py`` deploys, changes and deletes it with the same policies.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.config import Config

from tests.localaws.local_aws import LocalAws
from tests.verify_aws import __main__ as verify_aws
from tests.verify_aws.__main__ import PROBES, verify
from tests.verify_aws.account import NAME, Account
from tests.verify_aws.cleanup import left_of
from tests.verify_aws.probe import Result, chosen


@pytest.fixture
def account(aws: LocalAws) -> Account:
    """The embedded AWS as an account, where a minute passes in half a second, and nothing is late within twenty."""
    environment = aws.environment
    options = {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "verify": environment["AWS_CA_BUNDLE"],
        "config": Config(proxies={}),
    }
    return Account(aws.session, environment, options, pace=0.01, patience=20)


def test_probes_see_what_the_engine_does(account: Account, tmp_path: Path) -> None:
    """Each that the engine can answer; the report and the fixtures are written, and nothing is left."""
    findings = verify(account, chosen(PROBES, "ABDEFMO"), tmp_path)
    assert {finding.probe.letter: finding.reason for finding in findings} == dict.fromkeys("ABDEFMO", "")
    assert {finding.result for finding in findings} == {Result.AS_ASSUMED}
    assert json.loads((tmp_path / "B.json").read_text())["shown_length"] == 3072
    assert [one["probe"] for one in json.loads((tmp_path / "report.json").read_text())] == list("ABEFDMO")
    assert (tmp_path / "README.md").read_text().startswith("# Seen on AWS\n")
    assert left_of(account) == []


def test_what_does_not_come_is_reported(account: Account, tmp_path: Path) -> None:
    """The engine sends no event of an execution's status."""
    (finding,) = verify(account, chosen(PROBES, "G"), tmp_path)
    assert finding.result == Result.NOT_SEEN
    assert finding.reason == "the event did not come within 600 s"
    assert left_of(account) == []


@pytest.mark.parametrize("allowed", ["", "0"])
def test_nothing_happens_unless_it_is_allowed(
    allowed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """VERIFY_AWS=1 says so; credentials alone do not."""
    monkeypatch.setenv("VERIFY_AWS", allowed)
    monkeypatch.setattr("sys.argv", ["verify-aws"])
    monkeypatch.setattr(verify_aws, "Account", None)
    assert verify_aws.main() == 2
    assert "Set VERIFY_AWS=1 to allow it" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["n", ""])
def test_it_names_the_account_and_asks(
    answer: str, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only y begins."""
    monkeypatch.setenv("VERIFY_AWS", "1")
    monkeypatch.setattr("sys.argv", ["verify-aws"])
    monkeypatch.setattr(verify_aws, "Account", lambda *_, **__: account)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert verify_aws.main() == 2
    printed = capsys.readouterr().err
    assert f"Account {account.id}, Region {account.region}." in printed
    assert f"Everything whose name begins with {NAME} will be deleted" in printed
