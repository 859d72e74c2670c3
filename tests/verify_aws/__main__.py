"""``make verify-aws``: run the probes in the account of the credentials, write the report, remove everything."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests import PROJECT
from tests.verify_aws import deployment, events, executions, report
from tests.verify_aws.account import NAME, Account
from tests.verify_aws.cleanup import clean_up
from tests.verify_aws.probe import Finding, Probe, Result, chosen, run

PROBES = [*executions.PROBES, *events.PROBES, *deployment.PROBES]
DIRECTORY = PROJECT / "docs" / "verified"

CALLS = 1500  # of a run with all probes, as far as it can be said before; most of them wait for something


class NotClean(Exception):
    """Something with the probes' name could not be removed."""


def verify(
    account: Account, probes: list[Probe], directory: Path, *, resumes: bool = False, keeps: bool = False
) -> list[Finding]:
    """Remove what an earlier run left, run the probes, and remove everything, however this ends.

    ``resumes`` leaves what an earlier run kept, and ``keeps`` leaves it for a later one.

    Raises:
        NotClean: something could not be removed, before or after.

    """
    if not resumes:
        _remove(account)
    findings = []
    with ExitStack() as at_the_end:
        at_the_end.callback(_remove_at_the_end, account)
        for probe in probes:
            _say(f"{probe.letter}  {probe.question}")
            finding = run(probe, account)
            _say(f"   {finding.result}{f': {finding.reason}' if finding.reason else ''}")
            report.add(finding, _all(), account, directory)
            findings.append(finding)
        if keeps:
            at_the_end.pop_all()
    return findings


def _remove_at_the_end(account: Account) -> None:
    _say("Removing everything. Ctrl-C stops that; VERIFY_AWS=1 make verify-aws CLEAN=1 continues.")
    _remove(account)


def _remove(account: Account) -> None:
    if left := clean_up(account):
        raise NotClean(f"Not removed: {'; '.join(left)}. Run VERIFY_AWS=1 make verify-aws CLEAN=1.")


def _all() -> list[Probe]:
    return [*PROBES, executions.DAY_LATER]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make verify-aws", description=__doc__)
    parser.add_argument("--probes", default="", help="letters of the probes to run, all when left out")
    parser.add_argument("--keep", action="store_true", help="run probe A, and keep its pipeline for --resume")
    parser.add_argument("--resume", action="store_true", help="a day after --keep: repeat its token, then remove all")
    parser.add_argument("--clean", action="store_true", help="only remove what a run left")
    parser.add_argument("--endpoint-config", default="", help="configuration for probe Q, whose endpoint costs money")
    parser.add_argument("--monitoring-schedule", default="", help="whose next run probe Q waits for, two hours at most")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args()
    unknown = set(options.probes.upper()) - {probe.letter for probe in PROBES}
    if unknown:
        parser.error(f"no probe has the letter {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Ask whether to begin; the exit code says whether all was as assumed, and all is removed."""
    options = _options()
    if os.environ.get("VERIFY_AWS") != "1":
        _say("This creates and deletes resources in your account. Set VERIFY_AWS=1 to allow it.")
        return 2
    if elsewhere := sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")):
        _say(f"{elsewhere[0]} leads to something other than AWS. Unset it: the report says what was seen on AWS.")
        return 2
    try:
        account = Account(
            boto3.Session(),
            endpoint_config=options.endpoint_config,
            monitoring_schedule=options.monitoring_schedule,
        )
    except (BotoCoreError, ClientError) as error:
        _say(f"The account can't be read: {str(error).rstrip('.')}. Set AWS_PROFILE and AWS_DEFAULT_REGION.")
        return 2
    _say(f"Account {account.id}, Region {account.region}. It costs about {report.dollars(CALLS):.2f} USD.")
    _say(f"Everything whose name begins with {NAME} will be deleted, before and after.")
    if not options.yes and not _agreed():
        _say("Nothing was done.")
        return 2
    try:
        if not options.clean:
            return _verify(account, options)
        _remove(account)
    except NotClean as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    return 0


def _agreed() -> bool:
    """Whether the answer is yes; no terminal is a no."""
    try:
        return input("Continue? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        return False


def _verify(account: Account, options: argparse.Namespace) -> int:
    probes = chosen(PROBES, "A" if options.keep else options.probes)
    if options.resume:
        probes = [executions.DAY_LATER]
    findings = verify(account, probes, DIRECTORY, resumes=options.resume, keeps=options.keep)
    _say(f"It cost at most {report.dollars(account.calls):.2f} USD for {account.calls} requests.")
    _say("Report: docs/verified/README.md")
    if options.keep:
        _say("The pipeline is kept. Run VERIFY_AWS=1 make verify-aws RESUME=1 in a day.")
    return int(any(finding.result != Result.AS_ASSUMED for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
