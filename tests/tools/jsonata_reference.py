"""Compare expressions with the reference implementation of JSONata, and record its answers for the tests.

It needs Node and the reference, outside this project: ``npm install --prefix DIRECTORY jsonata@2``, then
``python -m tests.tools.jsonata_reference DIRECTORY/node_modules/jsonata``. ``--suite`` takes the folder test/test-suite
of the reference's repository, and compares its expressions instead; nothing of it is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.unit.language import expressions
from tests.unit.language.comparison import DIFFERENT, RECORDING, REFUSED, compared, digest
from tests.unit.language.expressions import EVENTS, VARIABLES

DRIVER = Path(__file__).with_suffix(".js")

Question = Mapping[str, Any]  # an expression, the event and the variables


def main() -> int:
    """Ask the reference, print how we compare, and record its answers unless an option says otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path, help="the reference's folder, which holds its package.json")
    parser.add_argument("--suite", type=Path, help="compare the reference's own test suite, and record nothing")
    parser.add_argument("--seed", type=int, help="compare other generated expressions, and record nothing")
    parser.add_argument("--generated", type=int, default=expressions.GENERATED, help="how many of them")
    arguments = parser.parse_args()
    if arguments.suite:
        questions = list(of_suite(arguments.suite))
    else:
        seed = expressions.SEED if arguments.seed is None else arguments.seed
        every = list(expressions.cases(seed, arguments.generated))
        questions = [
            {"expression": case.expression, "event": EVENTS[case.event], "variables": VARIABLES} for case in every
        ]
    answers = ask(arguments.reference, questions)
    if not arguments.suite and arguments.seed is None:
        version = json.loads((arguments.reference / "package.json").read_text(encoding="utf-8"))["version"]
        header = json.dumps({"jsonata": version, "cases": digest(every)})
        RECORDING.write_text("\n".join([header, *answers]) + "\n", encoding="utf-8")
    return report(questions, answers)


def ask(reference: Path, questions: list[Question]) -> list[str]:
    """Return the reference's answers."""
    node = shutil.which("node")
    if node is None:
        raise SystemExit("node is not installed; see nodejs.org")
    lines = "\n".join(json.dumps(question) for question in questions)
    # Without a zone, the reference takes that of the machine.
    environment = {**os.environ, "TZ": "UTC"}
    command = [node, str(DRIVER), str(reference.resolve())]
    done = subprocess.run(command, input=lines, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.splitlines()


def of_suite(folder: Path) -> Iterator[Question]:
    """Give the expressions of the reference's test suite; what is not evaluated on an object gets an empty one."""
    data = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("datasets/*.json")}
    for file in sorted(folder.glob("groups/*/*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        for test in content if isinstance(content, list) else [content]:
            expression = test.get("expr") or (file.parent / test["expr-file"]).read_text(encoding="utf-8")
            event = test["data"] if "data" in test else data.get(test.get("dataset"))
            variables = test.get("bindings", {})
            yield {"expression": expression, "event": event if isinstance(event, dict) else {}, "variables": variables}


def report(questions: list[Question], answers: list[str]) -> int:
    """Print how we compare, and return 1 if anything differs."""
    counts: Counter[str] = Counter()
    for question, answer in zip(questions, answers, strict=True):
        outcome, ours = compared(question["expression"], question["event"], question["variables"], answer)
        # Two kinds of refusals: those that the reference shares, and ours alone.
        alone = " where the reference has a value" if outcome == REFUSED and answer[0] in "=-?" else ""
        counts[outcome + alone] += 1
        if outcome == DIFFERENT:
            print(f"{question['expression']}\n    ours: {printable(ours)}\n    the reference's: {answer}")
    print(
        f"{len(questions)} expressions: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    )
    return 1 if counts[DIFFERENT] else 0


def printable(value: Any) -> str:
    """Return a value as JSON; a function has no more than its type."""
    return json.dumps(value, ensure_ascii=False, default=lambda function: type(function).__name__)


if __name__ == "__main__":
    sys.exit(main())
