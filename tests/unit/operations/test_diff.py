"""What ``triggers diff`` says of two versions of documents: each trigger that changed, and no other."""

from __future__ import annotations

import copy
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pipeline_triggers.account import home
from pipeline_triggers.account.home import Home
from pipeline_triggers.cli import main
from pipeline_triggers.documents import loader
from pipeline_triggers.language.stages import resolve_trigger
from pipeline_triggers.operations import examples, stacks
from pipeline_triggers.operations.diff import changes, version
from pipeline_triggers.operations.doctor.deployment import Deployment
from pipeline_triggers.operations.stacks import Stack

from tests.unit.documents.checking import HEAD, STAGES

Triggers = dict[str, Any]

# By a field of a trigger: values that differ from each other.
VALUES: Mapping[str, list[Any]] = {
    "when": [
        {"s3": {"bucket": "raw", "key": "in/*.csv"}},
        {"s3": {"bucket": "raw", "key": "in/**"}},
        {"s3": {"bucket": "raw"}},
        {"training_job": {"name": "churn-*", "status": ["Failed", "Completed"]}},
        {"training_job": {"name": "churn-*", "status": ["Failed"]}},
        {"alarm": {"name": "churn-drift", "state": "ALARM"}},
        {"event": {"pattern": {"source": ["acme.shop"], "detail": {"orders": [{"numeric": [">", 0]}]}}}},
    ],
    "start": [
        {"churn-training": {"A": "1", "B": "{% 'b' %}"}, "churn-report": {}},
        {"churn-training": {"A": "2", "B": "{% 'b' %}"}, "churn-report": {}},
        {"churn-training": {"A": "2"}},
        {"churn-report": {}},
    ],
    "if": ["{% true %}", "{% false %}"],
    "dedupe": ["{% id %}", "{% time %}"],
    "max_starts": [1, 2],
    "enabled": [True, False],
    "dry_run": [True, False],
    "description": ["one", "another"],
    "tags": [{"a": "1"}, {"a": "1", "b": "2"}],
    "collect": [{"quiet": "5 minutes"}, {"quiet": "6 minutes", "only_if": "{% $batch.count > 1 %}"}],
}
OPTIONAL = [name for name in VALUES if name not in ("when", "start")]


def drawn(random_: random.Random) -> Triggers:
    """Draw a trigger."""
    names = ["when", "start", *random_.sample(OPTIONAL, 3)]
    return {name: copy.deepcopy(random_.choice(VALUES[name])) for name in names}


def shuffled(value: Any, random_: random.Random) -> Any:
    """Write a value's mappings, and the lists of words, in another order."""
    if isinstance(value, dict):
        names = random_.sample(list(value), len(value))
        return {name: shuffled(value[name], random_) for name in names}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return random_.sample(value, len(value))
    return value


def changed(trigger: Triggers, random_: random.Random) -> Triggers:
    """Give one field of a trigger another value, or none."""
    name = random_.choice(list(trigger))
    others = [value for value in VALUES[name] if value != trigger[name]]
    if name in OPTIONAL and random_.random() < 0.3 and trigger[name] not in (True, False):
        return {field: value for field, value in trigger.items() if field != name}
    return {**trigger, name: copy.deepcopy(random_.choice(others))}


def loaded(directory: Path, triggers: Triggers) -> loader.Documents:
    """Write a document and load it."""
    directory.mkdir()
    head = {"version": "1", "owner": "team", "pipelines": ["churn-*"]}
    (directory / "stages.yaml").write_text("dev:\n", encoding="utf-8")
    text = yaml.safe_dump({**head, "triggers": triggers}, sort_keys=False)
    (directory / "churn.yaml").write_text(text, encoding="utf-8")
    return loader.load(directory)


@pytest.mark.parametrize("seed", range(50))
def test_it_names_each_changed_trigger_and_no_other(tmp_path: Path, seed: int) -> None:
    """Whatever else stands in another order."""
    random_ = random.Random(seed)  # noqa: S311 - no secret
    before = {f"t{number}": {**drawn(random_), "display_name": f"n{number}"} for number in range(8)}
    after = dict(before)
    expected = set()
    kinds = random_.sample(["changed", "removed", "renamed", "added", "changed"], random_.randint(0, 5))
    for name, kind in zip(random_.sample(list(before), len(kinds)), kinds, strict=True):
        expected.add((kind, f"churn/{name}-new" if kind in ("renamed", "added") else f"churn/{name}"))
        if kind == "changed":
            plain = {field: value for field, value in before[name].items() if field != "display_name"}
            after[name] = {**changed(plain, random_), "display_name": before[name]["display_name"]}
        elif kind == "added":
            after[f"{name}-new"] = {**drawn(random_), "display_name": "new"}
        else:
            moved = after.pop(name)
            after |= {f"{name}-new": moved} if kind == "renamed" else {}
    one = version(loaded(tmp_path / "before", before), "dev")
    other = version(loaded(tmp_path / "after", shuffled(after, random_)), "dev")
    assert {(change.kind, change.name) for change in changes(one, other, examples.offline())} == expected


UPLOAD = """\
    when: {s3: {bucket: "${RawBucket}", key: "churn/*/data.csv"}}
    start: churn-training
    parameters: {Month: "{% $split($object.key, '/')[1] %}", Epochs: 20}
    examples:
      - {event: {key: churn/2026-10/data.csv}, starts: churn-training}
      - {event: {key: churn/2026-10/part.csv}, ignored: true}
"""


def said(directory: Path, before: str, after: str, *options: str) -> list[str]:
    """Commit one document, write another over it, and return what ``triggers diff`` prints."""
    (directory / "stages.yaml").write_text(STAGES, encoding="utf-8")
    document = directory / "churn.yaml"
    document.write_text(before, encoding="utf-8")
    user = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*user, "commit", "-qm", "before"]):
        subprocess.run(["git", "-C", str(directory), *command], check=True)  # noqa: S607
    document.write_text(after, encoding="utf-8")
    done = CliRunner(mix_stderr=False).invoke(main, ["diff", *options, "--documents", str(directory)])
    assert done.exit_code == 0, done.stderr
    return done.stdout.splitlines()


def test_it_says_which_examples_come_to_something_else(tmp_path: Path) -> None:
    """Fields in the document's words, then each example and the sample whose outcome or values differ."""
    after = UPLOAD.replace('data.csv"}}', '*.csv"}}').replace("Epochs: 20", "Epochs: 30, Owner: me")
    assert said(tmp_path, HEAD + UPLOAD, HEAD + after) == [
        "churn/retrain: changed",
        '  when: s3 {"bucket": "raw-dev", "key": "churn/*/data.csv"} →'
        ' s3 {"bucket": "raw-dev", "key": "churn/*/*.csv"}',
        "  start.churn-training.Epochs: 20 → 30",
        "  start.churn-training.Owner: not set → me",
        "  example at churn.yaml:10: churn-training.Epochs: 20 → 30; churn-training.Owner: not set → me",
        "  example at churn.yaml:11: is ignored: the key does not match churn/*/data.csv → starts churn-training",
        "  sample: is ignored: the key does not match churn/*/data.csv → starts churn-training",
        "triggers: 1 changed",
    ]


def test_a_stage_s_value_is_a_change_of_its_triggers(tmp_path: Path) -> None:
    """Also of those of a stage that is not the first."""
    (tmp_path / "stages.yaml").write_text(STAGES, encoding="utf-8")
    lines = said(tmp_path, HEAD + UPLOAD, HEAD + UPLOAD)
    assert lines == ["no trigger changes"]
    (tmp_path / "stages.yaml").write_text(STAGES.replace("raw-prod", "other-prod"), encoding="utf-8")
    done = CliRunner().invoke(main, ["diff", "--documents", str(tmp_path)])
    assert done.stdout.splitlines()[:2] == [
        "churn/retrain: changed in prod",
        '  when: s3 {"bucket": "raw-prod", "key": "churn/*/data.csv"} →'
        ' s3 {"bucket": "other-prod", "key": "churn/*/data.csv"}',
    ]


def test_limits_bind_pipelines(tmp_path: Path) -> None:
    """A pipeline's limits are named by the pipeline."""
    head = HEAD.replace("triggers:", "limits: {churn-training: {max_running: 1}}\ntriggers:")
    assert said(tmp_path, HEAD + UPLOAD, head + UPLOAD) == [
        "limits of churn-training: changed",
        "  max_running: not set → 1",
        "no trigger changes",
    ]


@pytest.mark.parametrize("options", [("no-such-ref",), ("--output=x",)])
def test_what_is_not_a_commit_is_an_error(tmp_path: Path, options: tuple[str, ...]) -> None:
    """And no option of git's."""
    said(tmp_path, HEAD + UPLOAD, HEAD + UPLOAD)
    done = CliRunner(mix_stderr=False).invoke(main, ["diff", "--documents", str(tmp_path), "--", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is not a commit" in done.stderr


def test_a_stack_is_compared_in_its_own_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its account's values, as the functions were deployed."""
    (tmp_path / "stages.yaml").write_text(STAGES, encoding="utf-8")
    (tmp_path / "churn.yaml").write_text(HEAD + UPLOAD, encoding="utf-8")
    account = Home("aws", "210987654321", "eu-west-1")
    values = {**account.pseudo_parameters(), "RawBucket": "raw-prod"}
    (deployed,) = (resolve_trigger(trigger, values) for trigger in loader.load(tmp_path).triggers)
    monkeypatch.setattr(stacks, "stack", lambda name: Stack(name, {"Stage": "prod"}, {}))
    monkeypatch.setattr(home, "current", lambda: account)
    monkeypatch.setattr(Deployment, "_compiled", ({deployed.id: deployed}, {}))
    arguments = ["diff", "--deployed", "--documents", str(tmp_path)]
    assert CliRunner().invoke(main, arguments).stdout == "no trigger changes\n"
    (tmp_path / "churn.yaml").write_text(HEAD.replace("retrain", "renamed") + UPLOAD, encoding="utf-8")
    assert CliRunner().invoke(main, arguments).stdout.splitlines() == [
        "churn/renamed: renamed",
        "  was churn/retrain",
        "  needs was: retrain, or events on their way are rejected, and what was started may start again",
        "triggers: 1 renamed",
    ]
