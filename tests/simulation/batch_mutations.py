"""``python -m tests.simulation.batch_mutations``: break the code of batches one way at a time; a history must notice.

Each mutation is made in a copy of the library, in a process of its own, which plays histories until one is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests import PROJECT

CORE = PROJECT / "layers" / "core"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A guard taken out: ``held``, which ``file`` of batches holds once, becomes ``broken``."""

    name: str
    file: str
    held: str
    broken: str


MUTATIONS = (
    Mutation(
        "counting by the listing alone", "decision.py", "for turn in ours] + foreign", "for turn in ()] + foreign"
    ),
    Mutation("foreign executions not counted", "decision.py", "for turn in ours] + foreign", "for turn in ours]"),
    Mutation(
        "mark keyed inside the batch", "store.py", '"pk": f"event#{event.mark}"', '"pk": f"event#{batch}{event.mark}"'
    ),
    Mutation(
        "no condition on the mark",
        "store.py",
        '"expires": int(now) + KEPT_MARKS}, ABSENT)',
        '"expires": int(now) + KEPT_MARKS})',
    ),
    Mutation(
        "mark and member written apart from the slot",
        "store.py",
        "self._table.write(change, *self._joining(slot.id, events, now))",
        "self._table.write(*self._joining(slot.id, events, now)); self._table.write(change)",
    ),
    Mutation("marks kept for 7 days", "store.py", "KEPT_MARKS = 30 *", "KEPT_MARKS = 7 *"),
    Mutation("a join does not look at the slot's id", "store.py", 'f"{SAME} AND #count <= :most"', '"#count <= :most"'),
    Mutation(
        "a join does not look at the room",
        "store.py",
        'f"{SAME} AND #count <= :most"',
        'f"{SAME} AND #version_ <= :most"',
    ),
    Mutation("a join is sealed without its count", "store.py", 'if slot.rules.is_join else ""),', 'if False else ""),'),
    Mutation(
        "a batch opens without looking at the last one",
        "store.py",
        "if slot.rules.is_join:\n            condition = SAME",
        "if False:\n            condition = SAME",
    ),
    Mutation("no version", "store.py", '"#version = :version",', '"attribute_exists(#pk)",'),
    Mutation(
        "undo forgets the ticket",
        "store.py",
        "self._gone(turn), self._queued(back), self._uncounted(turn)",
        "self._gone(turn), self._uncounted(turn)",
    ),
    Mutation("no search", "decision.py", "execution.token == token(turn.ticket):", "False:"),
    Mutation(
        "search after 200 s",
        "decision.py",
        "UNANSWERED = LISTED_WITHIN + TIME_OUT + CLOCKS_DIFFER_BY",
        "UNANSWERED = 200",
    ),
    Mutation(
        "another function's end is carried out at once",
        "decision.py",
        "LEFT_ALONE = TIME_OUT + CLOCKS_DIFFER_BY",
        "LEFT_ALONE = -999",
    ),
    Mutation("executions not tracked", "turns.py", "track = situation.limits.max_running is not None", "track = False"),
    Mutation(
        "listed since a time that leaves out our own",
        "decision.py",
        "return min([read_to, *ours, *going])",
        "return min([int(situation.now)])",
    ),
    Mutation(
        "starts not counted",
        "turns.py",
        "counted = limits.min_interval is not None or limits.max_per_day is not None",
        "counted = False",
    ),
    Mutation(
        "a crashed start is overtaken",
        "decision.py",
        "if head.gone_since or head.trigger in starting:",
        "if head.gone_since:",
    ),
    Mutation("a pause is not looked at", "decision.py", "if pause.holds(now) and", "if False and"),
    Mutation(
        "a paused trigger stops the others",
        "decision.py",
        "if head.trigger in situation.capped or pause_of(head, situation.pauses, situation.now):\n            continue",
        "if pause_of(head, situation.pauses, situation.now):\n            return Step(Do.NOTHING)",
    ),
    Mutation(
        "rejection noted as done before its letter",
        "turns.py",
        "    if turn.ending == Ending.REJECTED and not",
        "    services.store.forget(turn)\n    if turn.ending == Ending.REJECTED and not",
    ),
    Mutation(
        "one event twice in a transaction",
        "join.py",
        ".setdefault(event.mark, event)",
        ".setdefault(f'{event.mark}{len(groups)}{event.message}', event)",
    ),
    Mutation(
        "events of the batches before left out of a correction",
        "store.py",
        "before = self.batch(before.previous) if before.previous else None",
        "before = None",
    ),
    Mutation(
        "an object's oldest event wins",
        "manifest.py",
        "_sequence(kept[key]) < _sequence(member)",
        "_sequence(kept[key]) > _sequence(member)",
    ),
    Mutation(
        "each attempt notes its own files",
        "store.py",
        '"attribute_exists(#pk) AND attribute_not_exists(#files)"',
        '"attribute_not_exists(#nothing)"',
    ),
    Mutation(
        "MISSED without a note",
        "records.py",
        "KEPT_BATCHES}\n        self._table.write(self._table.put(item, ABSENT))",
        "KEPT_BATCHES}\n        self._table.write(self._table.put(item))",
    ),
    Mutation(
        "a deadline does not look at what was sealed", "deadlines.py", "    if last:\n", "    if last and not last:\n"
    ),
    Mutation(
        "members expire",
        "items.py",
        '"sk": f"member#{event.mark}", **_kept(**item)}',
        '"sk": f"member#{event.mark}", "expires": 1780001800, **_kept(**item)}',
    ),
    Mutation("the sweep visits no pipelines", "messages.py", "slots + pipelines)", "slots)"),
    Mutation("the sweep visits no slots", "messages.py", "slots + pipelines)", "pipelines)"),
)


def main(arguments: list[str]) -> int:
    """Try each mutation, print what noticed it; the exit code says whether all were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=2000, help="how many to play at most")
    parser.add_argument("--only", default="", help="mutations whose name holds this")
    parser.add_argument("--part", default="0/1", help="one part of the mutations, such as 0/2 and 1/2")
    asked = parser.parse_args(arguments)
    unnoticed = 0
    part, parts = map(int, asked.part.split("/"))
    for mutation in MUTATIONS[part::parts]:
        if asked.only in mutation.name:
            noticed = _tried(mutation, asked.histories)
            unnoticed += not noticed
            print(f"{'noticed' if noticed else 'NOT NOTICED':12} {mutation.name:55} {noticed}", flush=True)  # noqa: T201
    return 1 if unnoticed else 0


def _tried(mutation: Mutation, histories: int) -> str:
    """Return after how many histories what was noticed, "" for nothing."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "core"
        shutil.copytree(CORE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / "pipeline_triggers" / "batches" / mutation.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutation.held) != 1:
            raise SystemExit(
                f"{mutation.name}: {mutation.file} holds {mutation.held!r} {text.count(mutation.held)} times"
            )
        file.write_text(text.replace(mutation.held, mutation.broken), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "tests.simulation.batch_faults",
            "--until-wrong",
            "--histories",
            str(histories),
        ]
        environment = {**os.environ, "PYTHONPATH": f"{copy}:{PROJECT}", "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return ""
    played = re.search(r"^histories +([\d,]+)", ended.stdout, re.MULTILINE)
    problems = re.findall(r"^\d+ histories: (.+) \(seeds", ended.stdout, re.MULTILINE)
    # A world that breaks off has noticed, too.
    why = "; ".join(problems) or ended.stderr.strip().splitlines()[-1][:120]
    return f"{played[1] if played else '?'} histories: {why}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
