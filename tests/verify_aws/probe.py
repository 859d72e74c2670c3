"""A probe: one question to AWS, what the code assumes, and what to change if AWS differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pipeline_triggers.errors import PipelineTriggersError

from tests.verify_aws.account import Account, NotSeen

Answers = dict[str, Any]  # of AWS, as JSON

# What an answer of another shape leads to, here and in the project's own code.
_ODD = (AttributeError, LookupError, TypeError, ValueError, PipelineTriggersError)


@dataclass(frozen=True)
class Probe:
    """One question. ``observe`` asks AWS; ``difference`` says how its answers differ from the assumption, or None."""

    letter: str
    question: str
    assumption: str
    code: str
    consequence: str
    observe: Callable[[Account], Answers]
    difference: Callable[[Answers], str | None]


class Result(StrEnum):
    """What came of a probe."""

    AS_ASSUMED = "as assumed"
    DIFFERS = "differs"
    NOT_SEEN = "not seen"


@dataclass(frozen=True)
class Finding:
    """A probe's result, with the reason where it is not as assumed."""

    probe: Probe
    result: Result
    reason: str
    answers: Answers
    seen_at: datetime


def run(probe: Probe, account: Account) -> Finding:
    """Ask, and judge the answers. What AWS refuses or does not show in time is a finding too."""
    try:
        answers = probe.observe(account)
    except NotSeen as error:
        return Finding(probe, Result.NOT_SEEN, str(error), {}, datetime.now(UTC))
    except (ClientError, BotoCoreError) as error:
        return Finding(probe, Result.NOT_SEEN, f"AWS refused a step of the probe: {error}", {}, datetime.now(UTC))
    except _ODD as error:
        reason = f"AWS's answer to a step of the probe has another shape: {type(error).__name__}: {error}"
        return Finding(probe, Result.NOT_SEEN, reason, {}, datetime.now(UTC))
    return judged(probe, answers)


def judged(probe: Probe, answers: Answers) -> Finding:
    """Judge answers. Those of another shape than the probe expects differ, too."""
    try:
        reason = probe.difference(answers)
    except _ODD as error:
        reason = f"the answers have another shape: {type(error).__name__}: {error}"
    result = Result.AS_ASSUMED if reason is None else Result.DIFFERS
    return Finding(probe, result, reason or "", answers, datetime.now(UTC))


def chosen(probes: Iterable[Probe], letters: str) -> list[Probe]:
    """Return the probes with these letters; all of them for none."""
    return [probe for probe in probes if not letters or probe.letter in letters.upper()]
