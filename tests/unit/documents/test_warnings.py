"""What the check warns of: documents that are right, and probably do not do what their author wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pipeline_triggers.cli import main
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.warnings import warnings

from tests.unit.documents.checking import GOOD, HEAD, STAGES

WHOLE = HEAD.replace("  retrain:\n", "")


def check(directory: Path, *arguments: str) -> Result:
    """Run ``triggers check`` on a folder."""
    return CliRunner(mix_stderr=False).invoke(main, ["check", "--documents", str(directory), *arguments])


def warned(directory: Path, *triggers: str, stages: str = STAGES) -> list[str]:
    """Return the warnings about triggers called a, b, …, each with its line, its trigger and the message."""
    (directory / "stages.yaml").write_text(stages, encoding="utf-8")
    text = WHOLE + "".join(f"  {name}: {trigger}\n" for name, trigger in zip("abcd", triggers, strict=False))
    (directory / "churn.yaml").write_text(text, encoding="utf-8")
    problems = warnings(loader.load(directory), frozenset())
    assert {problem.severity for problem in problems} <= {"warning"}
    return [str(problem).removeprefix(f"{directory}/churn.yaml:") for problem in problems]


def on_key(key: str, start: str = "churn-a", more: str = "") -> str:
    """Return a trigger for uploads."""
    return f"{{when: {{s3: {{bucket: raw, key: {key!r}}}}}, start: {start}{more}}}"


TWICE = "6: triggers.b.when: starts churn-a on the same events as churn/a; narrow one of them"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (on_key("in/*.csv"), on_key("in/*.csv")),
        (on_key("in/**"), on_key("in/*/data.csv")),
        (on_key("in/*/data.csv"), on_key("in/**")),
        (on_key("in/*"), on_key("in/data.csv")),
        (on_key("in/*"), "{when: {s3: {bucket: raw}}, start: churn-a}"),
        (on_key("in/*"), on_key("in/*", "{churn-b: {}, churn-a: {}}")),
        (on_key("in/*", more=", delivery: queue"), "{when: {s3: {bucket: '${RawBucket}'}}, start: churn-a}"),
        (
            "{when: {endpoint: {name: churn-*, status: [failed, in-service]}}, start: churn-a}",
            "{when: {endpoint: {status: FAILED}}, start: churn-a}",
        ),
        (
            "{when: {event: {pattern: {source: [acme], detail: {a: [1]}}}}, start: churn-a}",
            "{when: {event: {pattern: {detail: {a: [1]}, source: [acme]}}}, start: churn-a}",
        ),
        (
            "{when: {schedule: {rate: 1 day}}, start: churn-a, parameters: {A: b}}",
            "{when: {schedule: {rate: 1 day}}, start: churn-a, parameters: {A: b}}",
        ),
    ],
)
def test_two_triggers_that_start_the_same_on_the_same_are_named(tmp_path: Path, one: str, other: str) -> None:
    """Each such event starts the pipeline twice; the warning is at the second trigger."""
    stages = "dev: {RawBucket: raw}\nprod: {RawBucket: raw}\n"
    assert warned(tmp_path, one, other, stages=stages) == [TWICE]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (on_key("in/*.csv"), on_key("in/*.json")),
        (on_key("in/*"), on_key("out/*")),
        (on_key("in/*"), on_key("in/*", "churn-b")),
        (on_key("in/*"), on_key("in/*", more=", enabled: false")),
        (on_key("in/*"), on_key("in/*", more=", dry_run: true")),
        (
            on_key("in/*", more=", if: '{% $object.size > 5 %}'"),
            on_key("in/*", more=", if: '{% $object.size <= 5 %}'"),
        ),
        (on_key("in/*"), "{when: {s3: {bucket: other}}, start: churn-a}"),
        (
            "{when: {endpoint: {status: failed}}, start: churn-a}",
            "{when: {endpoint: {status: in-service}}, start: churn-a}",
        ),
        # A publisher's request names the trigger.
        ("{when: {sns: {}}, start: churn-a}", "{when: {sns: {}}, start: churn-a}"),
        # One night's run for each market.
        (
            "{when: {schedule: {rate: 1 day}}, start: churn-a, parameters: {Market: de}}",
            "{when: {schedule: {rate: 1 day}}, start: churn-a, parameters: {Market: at}}",
        ),
    ],
)
def test_two_different_triggers_are_not_named(tmp_path: Path, one: str, other: str) -> None:
    """In what fires them, in what they start, or on purpose."""
    assert warned(tmp_path, one, other) == []


def test_double_starts_of_a_single_stage_are_named(tmp_path: Path) -> None:
    """The stages' values decide."""
    stages = "dev: {Bucket: raw}\nprod: {Bucket: raw-prod}\n"
    other = "{when: {s3: {bucket: '${Bucket}', key: in/*}}, start: churn-a}"
    assert warned(tmp_path, on_key("in/*"), other, stages=stages) == [TWICE]


def test_many_triggers_for_keys_of_their_own_are_compared_in_time(tmp_path: Path) -> None:
    """Only globs that begin alike are held against each other."""
    (tmp_path / "stages.yaml").write_text(STAGES)
    triggers = "".join(f"  t{number}: {on_key(f'in/{number}/*')}\n" for number in range(300))
    (tmp_path / "churn.yaml").write_text(WHOLE + triggers)
    problems = warnings(loader.load(tmp_path), frozenset())
    assert [problem.message.partition(";")[0] for problem in problems] == ["300 rules are on the bus default"]


def test_a_cron_that_never_fires_is_named(tmp_path: Path) -> None:
    """Scheduler takes it, and nothing ever happens."""
    never = "{when: {schedule: {cron: '0 6 31 2 ? *', timezone: UTC}}, start: churn-a}"
    assert warned(tmp_path, never) == [
        "5: triggers.a.when: '0 6 31 2 ? *' never fires: no month that it names has 31 days; write another day or month"
    ]


def test_a_folder_without_triggers_is_not_ok(tmp_path: Path) -> None:
    """It may be the wrong folder."""
    (tmp_path / "stages.yaml").write_text(STAGES)
    result = check(tmp_path)
    assert result.exit_code == 0
    assert result.stderr == (
        f"Warning: {tmp_path}/stages.yaml:1: the folder has no triggers; write them into a <team>.yaml\n"
    )
    assert result.stdout == "0 triggers, 1 warning\n"


def test_warnings_go_to_standard_error_and_do_not_fail_the_check(tmp_path: Path) -> None:
    """With file and line, and counted at the end."""
    warned(tmp_path, on_key("in/*"), on_key("in/*"))
    result = check(tmp_path)
    assert result.exit_code == 0
    assert result.stderr == f"Warning: {tmp_path}/churn.yaml:{TWICE}\n"
    assert result.stdout == "2 triggers OK, 1 warning\n"


def test_json_has_the_warnings_with_their_severity(tmp_path: Path) -> None:
    """In the same list in which errors are, and standard error stays empty."""
    warned(tmp_path, on_key("in/*"), on_key("in/*"))
    result = check(tmp_path, "--json")
    (problem,) = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert problem == {
        "file": f"{tmp_path}/churn.yaml",
        "line": 6,
        "field": "triggers.b.when",
        "message": TWICE.partition("when: ")[2],
        "severity": "warning",
    }


def test_json_has_errors_with_their_severity(tmp_path: Path) -> None:
    """A reader tells them from warnings."""
    (tmp_path / "stages.yaml").write_text(STAGES)
    (tmp_path / "churn.yaml").write_text(HEAD + GOOD + "    enabled: perhaps\n")
    result = check(tmp_path, "--json")
    assert result.exit_code == 1
    assert [problem["severity"] for problem in json.loads(result.stdout)] == ["error"]


def test_direct_delivery_is_a_note(tmp_path: Path) -> None:
    """It is meant, and so no warning."""
    (tmp_path / "stages.yaml").write_text(STAGES)
    (tmp_path / "churn.yaml").write_text(HEAD + GOOD + "    delivery: direct\n")
    result = check(tmp_path)
    assert result.stdout == "1 trigger OK\n"
    assert result.stderr == (
        f"Note: {tmp_path}/churn.yaml:5: triggers.retrain: is delivered directly: "
        "no verdict, no check of its values, and an event that AWS delivers twice starts twice\n"
    )


@pytest.mark.parametrize(
    ("key", "is_fired"), [("**", True), ("b*/x", True), ("batches/churn/**", True), ("in/**", False), ("bat/**", False)]
)
def test_a_trigger_that_manifests_would_fire_is_warned_of(tmp_path: Path, key: str, is_fired: bool) -> None:
    """Where a stage writes them into a bucket whose uploads start something."""
    stages = "dev: {ManifestBucket: raw}\n"
    message = "6: triggers.b.when: is fired by manifests, too, which are written to batches/ of raw; narrow the key"
    collects = on_key("data/**", "churn-b", ", collect: {}")
    assert warned(tmp_path, collects, on_key(key), stages=stages) == [message] * is_fired
    assert warned(tmp_path, on_key("data/**", "churn-b"), on_key(key), stages=stages) == []
    assert warned(tmp_path, collects, on_key(key)) == []
