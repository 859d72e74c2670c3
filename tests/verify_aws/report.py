"""The report, as Markdown and as JSON, and the raw answers as fixtures: what any run has seen, and what none has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.tools import costs
from tests.verify_aws.account import Account
from tests.verify_aws.probe import Finding, Probe, Result

Row = Mapping[str, str]  # of report.json: what the latest run saw of a probe

# An upper bound: the dearest request of those that probes make is S3's PUT.
DOLLARS_PER_CALL = 0.0054 / 1000

ANSWERS_SHOWN = 300  # characters
# The files are committed.
STAND_IN = "123456789012"  # for the account's number
REMOVED = "removed"
PERSONAL = {"useridentity", "sourceipaddress", "useragent", "createdby", "lastmodifiedby"}  # of CloudTrail and events


def dollars(calls: int) -> float:
    """Return what a run costs at most, as far as its requests and a day of an idle stack say."""
    alarms, queues, _ = costs.stage()
    return calls * DOLLARS_PER_CALL + sum(item.dollars for item in costs.idle(alarms, queues, 0)) / 30


def add(finding: Finding, probes: Iterable[Probe], account: Account, directory: Path) -> None:
    """Write a finding, and keep what earlier runs saw of other probes, and of this one if this run did not see it."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = read(directory)
    if finding.result == Result.NOT_SEEN and finding.probe.letter in rows:
        return
    rows[finding.probe.letter] = row(finding, account)
    files = {"README.md": page(rows, probes), "report.json": json.dumps(list(rows.values()), indent=2) + "\n"}
    if finding.answers:
        files[f"{finding.probe.letter}.json"] = _json(finding, indent=2) + "\n"
    for name, text in files.items():
        (directory / name).write_text(text.replace(account.id, STAND_IN), encoding="utf-8")


def read(directory: Path) -> dict[str, Row]:
    """Return what earlier runs saw, by the probes' letters."""
    path = directory / "report.json"
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {one["probe"]: one for one in rows}


def row(finding: Finding, account: Account) -> Row:
    """Return a finding for programs."""
    answers = _json(finding)
    return {
        "probe": finding.probe.letter,
        "question": finding.probe.question,
        "assumption": finding.probe.assumption,
        "code": finding.probe.code,
        "result": finding.result,
        "reason": finding.reason,
        "to_do": finding.probe.consequence if finding.result == Result.DIFFERS else "",
        "answers": answers if len(answers) <= ANSWERS_SHOWN else f"{answers[:ANSWERS_SHOWN]}…",
        "region": account.region,
        "seen_at": finding.seen_at.isoformat(timespec="seconds"),
    }


def page(rows: Mapping[str, Row], probes: Iterable[Probe]) -> str:
    """Return the report for people: what differs, then what nobody has seen, then what is as assumed."""
    probes = list(probes)
    seen = [one for one in rows.values() if one["result"] != Result.NOT_SEEN]
    lines = [
        "# What the code assumes of AWS",
        "",
        f"`make verify-aws` looks at these in an account. Seen: {len(seen)} of {len(probes)}.",
        "",
    ]
    for probe in sorted(probes, key=lambda probe: (_urgency(rows.get(probe.letter)), probe.letter)):
        lines += _section(probe, rows.get(probe.letter))
    return "\n".join(lines).rstrip("\n") + "\n"


def _urgency(seen: Row | None) -> int:
    return [Result.DIFFERS, Result.NOT_SEEN, Result.AS_ASSUMED].index(Result(seen["result"] if seen else "not seen"))


def _section(probe: Probe, seen: Row | None) -> list[str]:
    lines = [f"## {probe.letter}: {seen['result'] if seen else 'assumed'}", "", probe.question, ""]
    lines += [f"- Assumed: {probe.assumption}", f"- Code: {probe.code}"]
    if seen:
        when = f"{'Not seen' if seen['result'] == Result.NOT_SEEN else 'Seen on AWS'} on {seen['seen_at'][:10]}"
        lines += [f"- {when}, {seen['region']}: {seen['reason'] or seen['result']}"]
        if seen["result"] != Result.NOT_SEEN:
            lines += [f"- Answers ([all]({probe.letter}.json)): `{seen['answers']}`"]
    if not seen or seen["result"] != Result.AS_ASSUMED:
        lines += [f"- {'To do' if seen and seen['result'] == Result.DIFFERS else 'If not'}: {probe.consequence}"]
    return [*lines, ""]


def _json(finding: Finding, indent: int | None = None) -> str:
    return json.dumps(_without_persons(finding.answers), indent=indent, default=str, ensure_ascii=False)


def _without_persons(answer: Any) -> Any:
    """Return an answer without what says who ran the probes, and from where."""
    if isinstance(answer, Mapping):
        return {
            name: REMOVED if name.replace("-", "").lower() in PERSONAL else _without_persons(value)
            for name, value in answer.items()
        }
    return [_without_persons(one) for one in answer] if isinstance(answer, list) else answer
