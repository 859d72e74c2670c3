"""The commands sample, new, and how explain ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pipeline_triggers.account import home
from pipeline_triggers.account.home import Home
from pipeline_triggers.cli import events, main
from pipeline_triggers.documents import loader
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.operations import examples, explain, stacks
from pipeline_triggers.operations.explain import check_shape
from pipeline_triggers.operations.stacks import NotDeployed


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run ``triggers``."""
    return CliRunner(mix_stderr=False).invoke(main, arguments, input=stdin)


@pytest.mark.parametrize("source", SOURCES)
def test_a_sample_is_an_event_that_explain_takes(source: str) -> None:
    """Of every source."""
    check_shape(json.loads(run("sample", source).stdout))


@pytest.mark.parametrize(
    ("source", "change", "way", "value"),
    [
        ("s3", "key=2026", ("detail", "object", "key"), "2026"),
        ("s3", "key=in/*.csv", ("detail", "object", "key"), "in/2026-10.csv"),
        ("s3", "size=5", ("detail", "object", "size"), 5),
        ("s3", "detail.object.size=6", ("detail", "object", "size"), 6),
        ("s3", "bucket=raw", ("resources", 0), "arn:aws:s3:::raw"),
        ("endpoint", "status=in-service", ("detail", "EndpointStatus"), "InService"),
        ("endpoint", "deployment=baking", ("detail-type",), "SageMaker Endpoint Deployment State Change"),
        ("sns", "topic=arn:aws:sns:eu-central-1:123456789012:t", ("Subject",), "Amazon S3 Notification"),
        ("event", 'detail={"month": 3}', ("detail", "month"), 3),
        ("event", "source=acme.shop", ("source",), "acme.shop"),
    ],
)
def test_a_sample_has_the_fields_that_were_given(
    source: str, change: str, way: tuple[str | int, ...], value: object
) -> None:
    """A text stays a text where the sample has one; all else is JSON."""
    event = json.loads(run("sample", source, change).stdout)
    for step in way:
        event = event[step]
    assert event == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("size", "size changes nothing; write field=value, as in key=in/data.csv"),
        ("keys=x", "keys is not a field of such an event; did you mean key?"),
        ("size=x", "size is not a text in such an event; 'x' is not valid JSON"),
    ],
)
def test_a_change_that_an_event_can_t_have_is_an_error(change: str, message: str) -> None:
    """With what to write instead."""
    sampled = run("sample", "s3", change)
    assert (sampled.exit_code, sampled.stdout) == (2, "")
    assert message in sampled.stderr


def test_new_triggers_pass_their_examples(tmp_path: Path) -> None:
    """On every source, one below the other in one document."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    document = tmp_path / "churn.yaml"
    for source in SOURCES:
        made = run("new", source, f"churn/on-{source.replace('_', '-')}", "--documents", str(tmp_path))
        assert made.exit_code == 0
        with document.open("a") as file:
            file.write(made.stdout)
    documents = loader.load(tmp_path)
    results = list(examples.play(documents, "dev", examples.offline()))
    assert [result.difference for result in results if result.difference] == []
    assert {result.example.trigger for result in results} == {trigger.id for trigger in documents.triggers}
    assert len(documents.triggers) == len(SOURCES)


def test_a_new_trigger_needs_a_name_of_its_own(tmp_path: Path) -> None:
    """In the form of an id."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "churn.yaml").write_text(run("new", "s3", "churn/one", "--documents", str(tmp_path)).stdout)
    again = run("new", "s3", "churn/one", "--documents", str(tmp_path))
    assert (again.exit_code, again.stdout) == (2, "")
    assert "defines churn/one already" in again.stderr
    assert run("new", "s3", "One", "--documents", str(tmp_path)).exit_code == 2


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["WOULD START", "FILTERED"], 0),
        (["WOULD COLLECT"], 0),
        (["WOULD WAIT"], 0),
        (["FILTERED", "DISABLED", "DRY_RUN", "WOULD SKIP"], 3),
        (["NO MATCH"], 3),
        ([], 3),
        (["WOULD START", "REJECTED"], 1),
        (["UNKNOWN"], 1),
        (["WRONG PATTERN"], 1),
    ],
)
def test_the_exit_code_says_whether_something_would_start(outcomes: list[str], code: int) -> None:
    """What is wrong counts more than what would start."""
    assert events.exit_code(outcomes) == code


def test_an_event_from_standard_input_shows_the_triggers_that_came_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no rule matches, with exit code 3."""

    def none(_: str) -> None:
        raise NotDeployed("the stack does not exist")

    monkeypatch.setattr(stacks, "stack", none)
    monkeypatch.setattr(home, "current", lambda: Home("aws", "123456789012", "eu-central-1"))
    matches = examples.offline()
    monkeypatch.setattr(explain, "asked", matches)
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "churn.yaml").write_text(run("new", "s3", "churn/upload", "--documents", str(tmp_path)).stdout)
    sample = run("sample", "s3", "bucket=my-bucket", "key=out/data.csv").stdout
    explained = run("explain", "-", "--documents", str(tmp_path), stdin=sample)
    assert explained.exit_code == 3
    assert [" ".join(line.split()) for line in explained.stdout.splitlines()] == [
        "no trigger's rule matches this event; the nearest:",
        "trigger outcome pipeline reason, parameters",
        "churn/upload NO MATCH its key is in/*.csv",
    ]
