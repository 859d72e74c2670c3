"""What ``triggers test --update`` writes: only what differs, and then the examples hold."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline_triggers.cli import main
from pipeline_triggers.documents import loader
from pipeline_triggers.operations import examples
from pipeline_triggers.operations.update_examples import updated

from tests.unit.documents import recipes
from tests.unit.documents.checking import HEAD, STAGES

TRIGGER = """\
    # what comes in
    when: {s3: {bucket: "${RawBucket}", key: "churn/*/data.csv"}}
    start:
      churn-training: {Month: "{% $split($object.key, '/')[1] %}", Bucket: $.detail.bucket.name}
      churn-report: {}
    examples:  # all of them
"""


def rewritten(directory: Path, text: str) -> tuple[str, list[str]]:
    """Return a document's text after an update, and what is said of its examples then."""
    (directory / "stages.yaml").write_text(STAGES, encoding="utf-8")
    path = directory / "churn.yaml"
    path.write_text(text, encoding="utf-8")
    documents = loader.load(directory)
    results = list(examples.play(documents, "dev", examples.offline()))
    fresh = updated(text, results, documents, "dev")
    path.write_text(fresh, encoding="utf-8")
    return fresh, [result.difference for result in examples.play(loader.load(directory), "dev", examples.offline())]


@pytest.mark.parametrize(
    ("example", "fresh"),
    [
        (
            '- {event: {key: churn/1/data.csv}, starts: {churn-training: {Month: "2", Bucket: "${RawBucket}"},'
            " churn-report: {}}}  # why",
            '- {event: {key: churn/1/data.csv}, starts: {churn-training: {Month: 1, Bucket: "${RawBucket}"},'
            " churn-report: {}}}  # why",
        ),
        (
            "- starts:\n          churn-report: {}\n          churn-training:\n            Month: >-\n              x\n"
            "        # for the newcomers\n        event: {key: churn/Straße 1/data.csv}",
            '- starts:\n          churn-report: {}\n          churn-training:\n            Month: "Straße 1"\n'
            "        # for the newcomers\n        event: {key: churn/Straße 1/data.csv}",
        ),
        (
            "- event: {key: churn/1/x.csv}\n        starts:\n          churn-training:\n            Month: x\n"
            "      # the next",
            '- event: {key: churn/1/x.csv}\n        ignored: "the key does not match churn/*/data.csv"\n'
            "      # the next",
        ),
        (
            "- {event: {key: churn/1/data.csv}, ignored: true}",
            "- {event: {key: churn/1/data.csv}, starts:"
            " {churn-training: {Month: 1, Bucket: raw-dev}, churn-report: {}}}",
        ),
        (
            "- {event: {key: churn/1/data.csv}, starts: churn-report}",
            "- {event: {key: churn/1/data.csv}, starts:"
            " {churn-training: {Month: 1, Bucket: raw-dev}, churn-report: {}}}",
        ),
    ],
)
def test_only_the_outcome_that_differs_is_written(tmp_path: Path, example: str, fresh: str) -> None:
    """Comments, order and all other layout stay, in blocks and between braces."""
    after = "\n      - {event: {key: x}, ignored: true}\n"
    text, differences = rewritten(tmp_path, f"{HEAD}{TRIGGER}      {example}{after}")
    assert text == f"{HEAD}{TRIGGER}      {fresh}{after}"
    assert differences == ["", ""]


def test_a_duplicate_is_written_as_one(tmp_path: Path) -> None:
    """What identifies an event is in it, not in the document."""
    lines = "      - {event: {key: churn/1/data.csv}, starts: [churn-training, churn-report]}\n"
    text, differences = rewritten(tmp_path, HEAD + TRIGGER + lines + lines)
    assert text.endswith("      - {event: {key: churn/1/data.csv}, duplicate: true}\n")
    assert differences == ["", ""]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("team", recipes.STAGES)
def test_after_an_update_every_example_holds(tmp_path: Path, team: str, seed: int) -> None:
    """Whatever outcomes the recipes' examples had before: some that are not theirs."""
    random_ = random.Random(seed)  # noqa: S311 - no secret
    recipes.write(tmp_path, team)
    path = tmp_path / f"{team}.yaml"
    documents = loader.load(tmp_path)
    results = list(examples.play(documents, "dev", examples.offline()))
    others = [examples.Came("ignored", reason="for no reason: #1"), examples.Came("rejected", reason="{% x %}")]
    wrong = [
        examples.Result(result.example, random_.choice(others), "another")
        for result in results
        if random_.random() < 0.5
    ]
    before = path.read_text(encoding="utf-8")
    path.write_text(updated(before, wrong, documents, "dev"), encoding="utf-8")
    broken = list(examples.play(loader.load(tmp_path), "dev", examples.offline()))
    assert any(result.difference for result in broken)
    path.write_text(updated(path.read_text(encoding="utf-8"), broken, documents, "dev"), encoding="utf-8")
    assert not any(result.difference for result in examples.play(loader.load(tmp_path), "dev", examples.offline()))


@pytest.mark.parametrize(
    ("options", "stdin", "code"),
    [([], "y\n", 0), ([], "n\n", 1), ([], "", 1), (["--yes"], "", 0)],
)
def test_update_asks_before_it_writes(tmp_path: Path, options: list[str], stdin: str, code: int) -> None:
    """It shows the lines that change; without an answer nothing is written."""
    (tmp_path / "stages.yaml").write_text(STAGES, encoding="utf-8")
    path = tmp_path / "churn.yaml"
    before = f"{HEAD}{TRIGGER}      - {{event: {{key: x}}, rejected: true}}\n"
    path.write_text(before, encoding="utf-8")
    done = CliRunner(mix_stderr=False).invoke(
        main, ["test", "--update", *options, "--documents", str(tmp_path)], input=stdin
    )
    assert done.exit_code == code
    assert "-      - {event: {key: x}, rejected: true}" in done.stdout
    assert (path.read_text(encoding="utf-8") != before) == (code == 0)
