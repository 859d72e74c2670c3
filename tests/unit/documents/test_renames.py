"""``was``: a trigger's former names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline_triggers.cli import main
from pipeline_triggers.compile.stack import compile_documents
from pipeline_triggers.documents import loader, renames
from pipeline_triggers.language import triggers_json

from tests.unit.documents.checking import GOOD, HEAD, STAGES, problems


@pytest.mark.parametrize(
    ("was", "ids"),
    [
        ("old", ("churn/old",)),
        ("sales/old", ("sales/old",)),
        ("[newer, sales/old]", ("churn/newer", "sales/old")),
    ],
)
def test_former_names_are_ids(tmp_path: Path, was: str, ids: tuple[str, ...]) -> None:
    """Of the trigger's own team unless they say another; handlers read them, too."""
    assert problems(tmp_path, f"{HEAD}    was: {was}\n{GOOD}") == []
    documents = loader.load(tmp_path)
    (trigger,) = documents.triggers
    assert (trigger.was, trigger.first_id) == (ids, ids[-1])
    text = triggers_json.dump(documents.triggers, documents.stages)
    account = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
    assert triggers_json.load(text, "dev", account)["churn/retrain"].was == ids


@pytest.mark.parametrize(
    ("was", "message"),
    [
        ("retrain", "churn/retrain is its own name; a former name belongs to one trigger, and to none that exists"),
        ("other", "churn/other is churn/other; a former name belongs to one trigger, and to none that exists"),
        ("[a, other-s]", "churn/other-s is churn/other; a former name belongs to one trigger, and to none that exists"),
        ("Old", "is 'Old'; write a trigger's former name, or <team>/<name> if it was in another document"),
    ],
)
def test_a_former_name_belongs_to_one_trigger(tmp_path: Path, was: str, message: str) -> None:
    """Or events under that name would have two."""
    other = f"  other:\n    was: other-s\n{GOOD}"
    text = f"{HEAD.replace('  retrain:', other + '  retrain:')}    was: {was}\n{GOOD}"
    (problem,) = problems(tmp_path, text)
    assert message in problem


def test_a_deadline_asks_for_batches_under_the_first_name(tmp_path: Path) -> None:
    """That is how tables know them."""
    join = """\
    was: [b, a]
    when: {s3: {bucket: raw, key: "in/*/*.csv"}}
    start: churn-training
    collect:
      by: "{% $split($object.key, '/')[1] %}"
      part: "{% $object.name %}"
      expect: [one]
      deadline: {cron: "0 8 * * ? *", timezone: UTC, due: "{% $scheduled.days %}"}
"""
    (tmp_path / "stages.yaml").write_text(STAGES)
    (tmp_path / "churn.yaml").write_text(HEAD + join)
    compiled = compile_documents(loader.load(tmp_path))["stack.yaml"]
    assert json.dumps({"deadline": "churn/a", "scheduled": "<aws.scheduler.scheduled-time>"}) in compiled


@pytest.mark.parametrize("command", [["check"], ["compile"]])
def test_a_rename_without_was_is_a_warning(tmp_path: Path, command: list[str]) -> None:
    """Before the compiled files have forgotten the former name; with was there is nothing to say."""
    arguments = [*command, "--documents", str(tmp_path)]
    (tmp_path / "stages.yaml").write_text(STAGES)
    (tmp_path / "churn.yaml").write_text(HEAD + GOOD)
    assert CliRunner(mix_stderr=False).invoke(main, ["compile", *arguments[1:]]).stderr == ""
    (tmp_path / "churn.yaml").write_text(HEAD.replace("retrain", "train") + "    was: retrain\n" + GOOD)
    assert CliRunner(mix_stderr=False).invoke(main, ["check", *arguments[1:]]).stderr == ""
    (tmp_path / "churn.yaml").write_text(HEAD.replace("retrain", "train") + GOOD)
    assert CliRunner(mix_stderr=False).invoke(main, arguments).stderr == (
        f"Warning: {tmp_path}/churn.yaml:5: triggers.train: is churn/retrain by another name; write was: retrain, or"
        " events on their way are rejected, and what was started may start again\n"
    )


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD", "{}", '{"stages": {"dev": {}}, "triggers": {"a/b": {}}}'])
def test_compiled_files_that_can_t_be_read_are_no_reason_to_fail(text: str, tmp_path: Path) -> None:
    """Compiling writes them anew."""
    assert problems(tmp_path, HEAD + GOOD) == []
    documents = loader.load(tmp_path)
    assert list(renames.forgotten(documents.triggers, documents.stages, text)) == []
