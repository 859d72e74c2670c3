"""The report of a run, as Markdown and as JSON, and the raw answers as fixtures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.tools import costs
from tests.verify_aws.account import Account
from tests.verify_aws.probe import Finding, Probe, Result

# An upper bound: the dearest request of those that probes make is S3's PUT.
DOLLARS_PER_CALL = 0.0054 / 1000

BEFORE = (
    "It costs a few cents: requests, and the stack's alarms for the time that they exist. Nothing else is left running."
)


def dollars(calls: int) -> float:
    """Return what a run has cost at most, as far as its requests and a day of the stack's alarms say."""
    alarms, queues, _ = costs.stage()
    return calls * DOLLARS_PER_CALL + sum(item.dollars for item in costs.idle(alarms, queues, 0)) / 30


def markdown(findings: Iterable[Finding], where: str) -> str:
    """Write the findings for people: those that differ first."""
    ordered = sorted(
        findings, key=lambda finding: (list(Result)[::-1].index(finding.result) != 1, finding.probe.letter)
    )
    lines = ["# Seen on AWS", "", f"`make verify-aws` in {where}. Raw answers: one JSON file for each probe.", ""]
    for finding in ordered:
        probe = finding.probe
        lines += [f"## {probe.letter}: {finding.result}", "", probe.question, ""]
        lines += [f"- Assumed: {probe.assumption}", f"- Code: {probe.code}"]
        seen = f"Seen on AWS on {finding.seen_at:%Y-%m-%d}"
        lines += [f"- {'Not seen' if finding.result == Result.NOT_SEEN else seen}: {finding.reason or 'as assumed'}"]
        lines += [f"- To do: {probe.consequence}"] if finding.result == Result.DIFFERS else []
        lines += [""]
    return "\n".join(lines)


def unseen(probes: Iterable[Probe]) -> str:
    """Write the page for as long as nobody has run the probes."""
    lines = ["# Assumed of AWS", "", "Nobody has run `make verify-aws` yet, which looks at these in an account.", ""]
    for probe in sorted(probes, key=lambda probe: probe.letter):
        lines += [f"## {probe.letter}: assumed", "", probe.question, ""]
        lines += [f"- Assumed: {probe.assumption}", f"- Code: {probe.code}", f"- If not: {probe.consequence}", ""]
    return "\n".join(lines)


def write(findings: Iterable[Finding], account: Account, directory: Path) -> None:
    """Write the report and the fixtures; the account's number is replaced, because the files are committed."""
    findings = list(findings)
    directory.mkdir(parents=True, exist_ok=True)
    files = {"README.md": markdown(findings, account.region), "report.json": json.dumps(summary(findings), indent=2)}
    for finding in findings:
        if finding.answers:
            files[f"{finding.probe.letter}.json"] = json.dumps(
                finding.answers, indent=2, default=str, ensure_ascii=False
            )
    for name, text in files.items():
        (directory / name).write_text(text.replace(account.id, "123456789012").rstrip("\n") + "\n", encoding="utf-8")


def summary(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return the findings for programs."""
    return [
        {
            "probe": finding.probe.letter,
            "question": finding.probe.question,
            "assumption": finding.probe.assumption,
            "code": finding.probe.code,
            "result": finding.result,
            "reason": finding.reason,
            "to_do": finding.probe.consequence if finding.result == Result.DIFFERS else "",
            "seen_at": finding.seen_at.isoformat(timespec="seconds"),
        }
        for finding in findings
    ]
