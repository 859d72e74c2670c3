"""The probes of ``make verify-aws`` against the embedded AWS: they ask, see, judge, and leave nothing.

That engine sends none of the events that the probes G, H, I, J and Q wait for, and none of K's and L's failures;
``tests/unit/verify_aws`` runs every probe as a whole where AWS's answers are made up.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.config import Config

from tests.localaws.local_aws import LocalAws
from tests.verify_aws.__main__ import PROBES, verify
from tests.verify_aws.account import Account
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
    assert "Seen: 7 of 18." in (tmp_path / "README.md").read_text()
    assert left_of(account) == []


def test_what_does_not_come_is_reported(account: Account, tmp_path: Path) -> None:
    """The engine sends no event of an execution's status."""
    (finding,) = verify(account, chosen(PROBES, "G"), tmp_path)
    assert finding.result == Result.NOT_SEEN
    assert finding.reason == "the event did not come within 600 s"
    assert left_of(account) == []


@pytest.mark.thorough
def test_probes_of_the_deployed_stack_see_what_the_engine_does(account: Account, tmp_path: Path) -> None:
    """Three deploys, a change and a deletion with the deployer's policies, and a rename under events."""
    findings = verify(account, chosen(PROBES, "PNC"), tmp_path)
    assert {finding.probe.letter: finding.reason for finding in findings} == dict.fromkeys("PNC", "")
    assert left_of(account) == []
