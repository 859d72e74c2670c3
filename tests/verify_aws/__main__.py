"""``make verify-aws``: run the probes in the account of the credentials, write the report, remove everything."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3

from tests import PROJECT
from tests.verify_aws import deployment, events, executions, report
from tests.verify_aws.account import NAME, Account
from tests.verify_aws.cleanup import clean_up, left_of
from tests.verify_aws.probe import Finding, Probe, Result, chosen, run

# Those of the deployed stack last: probe C deletes it.
PROBES = [*executions.PROBES, *events.PROBES, *deployment.PROBES]


def verify(account: Account, probes: list[Probe], directory: Path, *, keeps: bool = False) -> list[Finding]:
    """Remove what an earlier run left, run the probes, and remove everything, however this ends."""
    if not account.resumes:
        clean_up(account)
    try:
        findings = list(_findings(account, probes))
        report.write(findings, account, directory)
    finally:
        if not keeps:
            clean_up(account)
    return findings


def _findings(account: Account, probes: list[Probe]) -> Iterator[Finding]:
    for probe in probes:
        _say(f"{probe.letter}  {probe.question}")
        finding = run(probe, account)
        _say(f"   {finding.result}{f': {finding.reason}' if finding.reason else ''}")
        yield finding


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Ask whether to begin; the exit code says whether all was as assumed."""
    parser = argparse.ArgumentParser(prog="make verify-aws", description=__doc__)
    parser.add_argument("--probes", default="", help="letters of the probes to run, all when left out")
    parser.add_argument("--keep", action="store_true", help="keep the pipeline for --resume a day later")
    parser.add_argument("--resume", action="store_true", help="repeat probe A's token after a day, then remove all")
    parser.add_argument("--clean", action="store_true", help="only remove what a run left")
    parser.add_argument("--endpoint-config", default="", help="configuration for probe Q, whose endpoint costs money")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args()
    if os.environ.get("VERIFY_AWS") != "1":
        _say("This creates and deletes resources in your account. Set VERIFY_AWS=1 to allow it.")
        return 2
    account = Account(boto3.Session(), resumes=options.resume, endpoint_config=options.endpoint_config)
    _say(f"Account {account.id}, Region {account.region}. {report.BEFORE}")
    _say(f"Everything whose name begins with {NAME} will be deleted, before and after.")
    if not options.yes and input("Continue? [y/N] ").lower() != "y":
        return 2
    if options.clean:
        clean_up(account)
        return _leftovers(account)
    probes = chosen(PROBES, "A" if options.resume else options.probes)
    findings = verify(account, probes, PROJECT / "docs" / "verified", keeps=options.keep)
    _say(
        f"At most {report.dollars(account.calls):.2f} USD for {account.calls} requests. Report: docs/verified/README.md"
    )
    differ = [finding for finding in findings if finding.result != Result.AS_ASSUMED]
    return (0 if options.keep else _leftovers(account)) or int(bool(differ))


def _leftovers(account: Account) -> int:
    left = left_of(account)
    if left:
        _say(f"Left: {', '.join(left)}. Run make verify-aws CLEAN=1.")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
