"""Wrong documents: each problem has its file, line, field and remedy, and all come at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_triggers import documents
from pipeline_triggers.errors import DocumentsError

STAGES = "dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n"

# Line 6 on is what a test puts in.
HEAD = """\
version: 1
owner: churn-team
pipelines: [churn-*]
triggers:
  retrain:
"""

GOOD = "    when: {s3: {bucket: raw}}\n    start: churn-training\n"


def problems(directory: Path, text: str, name: str = "churn.yaml", stages: str = STAGES) -> list[str]:
    """Return what loading a document says, without the directory."""
    (directory / "stages.yaml").write_text(stages, encoding="utf-8")
    (directory / name).write_text(text, encoding="utf-8")
    try:
        documents.load(directory)
    except DocumentsError as error:
        return [str(problem).removeprefix(f"{directory}/") for problem in error.problems]
    return []


def test_a_right_document_is_read(tmp_path: Path) -> None:
    """Scalars stay the text that was written: no YAML 1.1 surprises."""
    text = HEAD + GOOD + "    parameters: {A: NO, B: 1.10, C: 012345, D: 12:30, E: 2026-03-01, F: '20'}\n"
    assert problems(tmp_path, text) == []
    (trigger,) = documents.load(tmp_path).triggers
    assert trigger.id == "churn/retrain"
    assert trigger.start[0].parameters == {
        "A": "NO",
        "B": "1.10",
        "C": "012345",
        "D": "12:30",
        "E": "2026-03-01",
        "F": "20",
    }


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        (
            "    when: {s3: {bucket: raw, key: *.csv}}\n",
            '6: triggers.retrain.when.s3.key: a value that begins with * needs quotes; write "*.csv"',
        ),
        (
            GOOD + "    parameters: {A: {% $object.key %}}\n",
            '8: triggers.retrain.parameters.A: a value that begins with {% needs quotes; write "{% … %}"',
        ),
        (
            GOOD + "    start: churn-report\n",
            "8: triggers.retrain.start: stands twice, first on line 7; remove one",
        ),
        (
            "    when: {s3: {bucket: raw}}\n",
            "5: triggers.retrain: lacks start or start_one_of; add one",
        ),
        (
            GOOD + "    parameter: {A: b}\n",
            "8: triggers.retrain.parameter: is not known here; did you mean parameters?",
        ),
        (
            "    when: {queue: {bucket: raw}}\n    start: churn-training\n",
            "6: triggers.retrain.when.queue: is not known here; "
            "known are s3, endpoint, drift, training_job, model_package, pipeline, alarm, sns, event",
        ),
        (
            GOOD + "    enabled: yes\n",
            "8: triggers.retrain.enabled: is 'yes'; write true or false",
        ),
        (
            GOOD + "    parameters: [A]\n",
            "8: triggers.retrain.parameters: is a list; write names with values under them: "
            "Values by parameter name, where start is one name or start_one_of is used: "
            "a literal, $.a.b[0] (JSONPath) or {% … %} (JSONata).",
        ),
        (
            GOOD + "    parameters: {A b: c}\n",
            "8: triggers.retrain.parameters.A b: is no name that works here; "
            "SageMaker's parameter names have letters, digits, - and _, 256 at most",
        ),
        (
            GOOD + "    parameters:\n      A: {% 1\n",
            '9: triggers.retrain.parameters.A: a value that begins with {% needs quotes; write "{% … %}"',
        ),
        (
            GOOD + '    parameters:\n      A: "{% 1 + %}"\n',
            "9: triggers.retrain.parameters.A: '{% 1 + %}' is no JSONata expression: "
            "Unexpected end of expression (at character 5)",
        ),
        (
            GOOD + "    parameters:\n      A:\n",
            "9: triggers.retrain.parameters.A: is empty, and SageMaker refuses empty values; "
            "leave the parameter out to use its default",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: ltv-training\n",
            "7: triggers.retrain.start: this file may not start ltv-training; add it to pipelines (churn-*)",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: churn_training\n",
            "7: triggers.retrain.start: 'churn_training' is no pipeline name; "
            "use letters, digits and inner dashes, 256 at most",
        ),
        (
            '    when: {s3: {bucket: "${RawBuket}"}}\n    start: churn-training\n',
            "6: triggers.retrain.when.s3.bucket: ${RawBuket} has no value in stages.yaml; did you mean RawBucket?",
        ),
        (
            "    when: {s3: {bucket: s3://raw}}\n    start: churn-training\n",
            "6: triggers.retrain.when.s3.bucket: 's3://raw' is no bucket name; write the name alone, without s3://",
        ),
        (
            "    when: {s3: {bucket: raw, key: a**b}}\n    start: churn-training\n",
            "6: triggers.retrain.when.s3.key: ** stands for whole path segments; write 'a*b' or put / around **",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: {churn-training: {}}\n    parameters: {A: b}\n",
            "8: triggers.retrain.parameters: goes with one pipeline; write each one's parameters under its name",
        ),
        (
            GOOD + "  Retrain:\n" + GOOD,
            "8: triggers.Retrain: is no name that works here; "
            "use lower-case letters, digits and single dashes, 64 at most, as in retrain-on-upload",
        ),
        (
            GOOD + "    if: $object.size > 0\n",
            "8: triggers.retrain.if: '$object.size > 0' is no expression; write {% … %} around it, "
            "as in {% $object.size > 0 %}",
        ),
        (
            GOOD + '    if: "{% $object.sise > 0 %}"\n',
            "8: triggers.retrain.if: '{% $object.sise > 0 %}' asks for $object.sise, "
            "which such an event does not have; look at one in events/",
        ),
        (
            GOOD + "    dry_run: maybe\n",
            "8: triggers.retrain.dry_run: is 'maybe'; write true or false",
        ),
        (
            GOOD + '    parameters: {A: "${RawBucket"}\n',
            "8: triggers.retrain.parameters.A: has a ${ that begins no reference; write ${Name}, with the brace",
        ),
        (
            '    when: {s3: {bucket: raw, key: "${!B}/x"}}\n    start: churn-training\n',
            "6: triggers.retrain.when.s3.key: has a ${ that begins no reference; write ${Name}, with the brace",
        ),
        (
            "    when: {event: {pattern: {source: [a]}, bus: a b}}\n    start: churn-training\n",
            "6: triggers.retrain.when.event.bus: 'a b' is no event bus; write its name or its ARN",
        ),
        (
            GOOD + "    description: !Ref Bucket\n",
            "8: triggers.retrain.description: has a YAML tag (!Ref); remove it, or quote the value",
        ),
        (
            GOOD + '    description: "\\ud800"\n',
            "8: triggers.retrain.description: holds half a surrogate pair, which is no text; write the whole one",
        ),
        (
            '    when: {s3: {bucket: raw}}\n    start: {churn-raw-dev: {}, "churn-${RawBucket}": {}}\n',
            "7: triggers.retrain.start: names churn-raw-dev twice; name each pipeline once",
        ),
        (
            f"    when: {{s3: {{bucket: raw, key: {'x' * 1025}}}}}\n    start: churn-training\n",
            "6: triggers.retrain.when.s3.key: matches nothing; S3's keys have 1024 bytes at most",
        ),
        (
            GOOD + "    description: &note text\n",
            "8: triggers.retrain.description: has a YAML anchor (&); repeat the value, or quote it if & belongs to it",
        ),
    ],
)
def test_a_wrong_trigger_is_told_with_line_field_and_remedy(tmp_path: Path, trigger: str, problem: str) -> None:
    """The message is all that the author needs to mend it."""
    assert problems(tmp_path, HEAD + trigger) == [f"churn.yaml:{problem}"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("churn.yaml", "", "churn.yaml:1: is empty; write version, owner, pipelines and triggers, or remove the file"),
        ("churn.yaml", "- a", "churn.yaml:1: is a list; write names with values under them: "
         "What starts which SageMaker pipelines with which parameters, for one team."),
        ("churn.yaml", "a:\n---\nb:", "churn.yaml:2: holds a second YAML document; write one per file, without ---"),
        ("churn.yaml", "a: [1", "churn.yaml:1: a: is no YAML: while parsing a flow sequence expected ',' or ']', "
         "but got '<stream end>'"),
        ("churn.yaml", "a: \x07", "churn.yaml:1: holds U+0007, which YAML does not allow; escape it in double quotes"),
        ("churn.yaml", "a: " + "[" * 60, "churn.yaml:1: a" + ".0" * 50 + ": is nested deeper than 50 levels"),
        ("Churn.yml", HEAD + GOOD, "Churn.yml:1: is no file name for a team; "
         "use lower-case letters, digits, dashes and .yaml: churn.yaml"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """What is wrong with a file as a whole names the file."""
    assert problems(tmp_path, text, name) == [problem]


def test_the_allowed_pipelines_may_differ_per_stage(tmp_path: Path) -> None:
    """A reference is replaced there too."""
    text = (
        HEAD.replace("churn-*", '"${RawBucket}-*"') + '    when: {s3: {bucket: raw}}\n    start: "${RawBucket}-train"\n'
    )
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize("name", ["folder.yaml", "TEAM.YAML"])
def test_what_is_no_team_s_file_is_not_passed_over(tmp_path: Path, name: str) -> None:
    """A folder, or an ending in capitals: somebody meant a document."""
    if name == "folder.yaml":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text(HEAD + GOOD)
    found = problems(tmp_path, HEAD + GOOD)
    assert len(found) == 1
    assert found[0].startswith(f"{name}:1: ")


def test_a_file_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    """Not a traceback: which byte, and where."""
    (tmp_path / "stages.yaml").write_text(STAGES)
    (tmp_path / "churn.yaml").write_bytes(b"owner: \xff")
    with pytest.raises(DocumentsError, match="is no UTF-8 text: byte 7 is 0xff"):
        documents.load(tmp_path)


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ("", "1: names no stage; write at least one, as in dev: {RawBucket: raw-dev}"),
        ("dev: {A: a}\nprod: {A: a, B: b}", "1: dev: has no B, which another stage has; add it"),
        ("dev-1: {A: a}", "1: dev-1: is no stage name; use letters and digits only"),
        ("dev: {A-B: a}", "1: dev.A-B: is no name; use letters and digits, beginning with a letter"),
        ("dev: {A: [a]}", "1: dev.A: is no single value; write a text"),
        ("dev: a", "1: dev: holds no values; write names and values, as in {RawBucket: raw-dev}"),
    ],
)
def test_wrong_stages_are_told(tmp_path: Path, stages: str, problem: str) -> None:
    """A stage that lacks a value would deploy something else than the others."""
    assert problems(tmp_path, HEAD + GOOD, stages=stages) == [f"stages.yaml:{problem}"]


def test_stages_must_exist(tmp_path: Path) -> None:
    """The remedy says what belongs into the missing file."""
    with pytest.raises(DocumentsError, match=r"stages\.yaml:1: does not exist; it names the stages"):
        documents.load(tmp_path)


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Nobody mends one problem to be told of the next."""
    (tmp_path / "ltv.yaml").write_text(HEAD + "    start: churn-a\n", encoding="utf-8")
    found = problems(tmp_path, HEAD + GOOD + "    enabled: 1\n    colour: red\n")
    assert [problem.split(": ")[0] for problem in found] == ["churn.yaml:8", "churn.yaml:9", "ltv.yaml:5"]
