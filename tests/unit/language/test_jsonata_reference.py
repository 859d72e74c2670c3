"""Thousands of expressions against the recorded answers of the reference implementation of JSONata.

``python -m tests.tools.jsonata_reference`` says how to record them.
"""

from __future__ import annotations

import json
from collections import Counter

from tests.unit.language.comparison import DIFFERENT, EQUAL, RECORDING, compared, digest
from tests.unit.language.expressions import EVENTS, VARIABLES, cases

LEAST_EQUAL = 6_400  # of 8,318; the others are refused, mostly where the reference has an error, too


def test_an_accepted_expression_gives_what_the_reference_gives() -> None:
    """Or it is refused with a reason; a wrong value, and a value where the reference has an error, fail here."""
    header, *answers = RECORDING.read_text(encoding="utf-8").splitlines()
    every = list(cases())
    assert json.loads(header)["cases"] == digest(every), "other expressions than the recorded ones: record them again"
    counts: Counter[str] = Counter()
    different = []
    for case, answer in zip(every, answers, strict=True):
        outcome, ours = compared(case.expression, EVENTS[case.event], VARIABLES, answer)
        counts[outcome] += 1
        if outcome == DIFFERENT:
            different.append(f"{case.expression} on event {case.event}: {ours}, but the reference: {answer}")
    assert not different, "\n".join(different[:20])
    assert counts[EQUAL] >= LEAST_EQUAL, counts
