"""Slips of the keyboard in YAML: named as what they are, on the line where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError

from tests.unit.documents.checking import GOOD, HEAD, problems

WHEN = "    when: {s3: {bucket: raw}}\n"
START = "    start: churn-training\n"

SPACE = "has a non-breaking space (U+00A0); write a plain space"
QUOTE = "has a curly quote (“); write a straight one"
BELONGS = ", or quote the value if it belongs there"


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        (WHEN + "    start:\u00a0churn-training\n", f"7: triggers.retrain: {SPACE}"),
        (WHEN + "    start:\u00a0churn-training\n    enabled: true\n", f"7: triggers.retrain: {SPACE}"),
        (WHEN + "\u00a0   start: churn-training\n", f"7: \\xa0   start: {SPACE}"),
        ("\u00a0   when: {s3: {bucket: raw}}\n" + START, f"6: {SPACE}"),
        (WHEN + "  \u00a0 start: churn-training\n", f"7: triggers.\\xa0 start: {SPACE}"),
        (
            "    when: {s3: {bucket:\u00a0raw}}\n" + START,
            f"6: triggers.retrain.when.s3.bucket:\\xa0raw: {SPACE}",
        ),
        (WHEN + "    start: churn-training\u00a0# it is\n", f"7: triggers.retrain.start: {SPACE}{BELONGS}"),
        (WHEN + "    start: “churn-training”\n", f"7: triggers.retrain.start: {QUOTE}{BELONGS}"),
        (GOOD + "    parameters: {A: “{% $object.key %}”}\n", f"8: triggers.retrain.parameters: {QUOTE}"),
        (
            GOOD + "    parameters:\n      A: “{% $object.key %}”\n",
            f"9: triggers.retrain.parameters.A: {QUOTE}{BELONGS}",
        ),
        (GOOD + "    description: “see: above”\n", f"8: triggers.retrain: {QUOTE}"),
        (
            "    when: {schedule: {cron: “0 2 * * ? *”, timezone: UTC}}\n" + START,
            f"6: triggers.retrain.when.schedule: {QUOTE}",
        ),
        (
            GOOD + '    parameters:\n      A: "{% $split($object.key, \u2018/\u2019)[0] %}"\n',
            "9: triggers.retrain.parameters.A: has a curly quote (\u2018); write a straight one",
        ),
        (
            GOOD + "    parameters: {A\u200b: b}\n",
            "8: triggers.retrain.parameters.A\\u200b: has a zero width space (U+200B); write a plain space",
        ),
    ],
)
def test_an_odd_space_or_quote_is_named_on_its_own_line(tmp_path: Path, trigger: str, problem: str) -> None:
    """Not on the next line, not as an unknown field, and with nothing that only follows from it."""
    assert problems(tmp_path, HEAD + trigger) == [f"churn.yaml:{problem}"]


@pytest.mark.parametrize(
    "option",
    [
        "description: “An upload” of\u00a0churn",
        'parameters: {A: "“quoted”", B: "a\u00a0b"}',
        "parameters: {A: 5 “large” ones}",
        "parameters:\n      A: \"{% $replace($object.key, '“', '') %}\"",
    ],
)
def test_an_odd_space_or_quote_may_belong_to_a_text(tmp_path: Path, option: str) -> None:
    """A description is prose, and what is quoted is meant."""
    assert problems(tmp_path, HEAD + GOOD + f"    {option}\n") == []


FIELD_OF_A_TRIGGER = "is a field of a trigger; indent it further, like the trigger's other fields"
FIELD_OF_THE_TRIGGER = "is a field of the trigger; indent it less, like the trigger's other fields"


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        (WHEN + "  start: churn-training\n", f"7: triggers.start: {FIELD_OF_A_TRIGGER}"),
        (WHEN + "start: churn-training\n", f"7: start: {FIELD_OF_A_TRIGGER}"),
        (GOOD + "  parameters:\n    A: b\n", f"8: triggers.parameters: {FIELD_OF_A_TRIGGER}"),
        (
            "    when:\n      s3: {bucket: raw}\n      start: churn-training\n",
            f"8: triggers.retrain.when.start: {FIELD_OF_THE_TRIGGER}",
        ),
        (
            "    when:\n      s3:\n        bucket: raw\n        start: churn-training\n",
            f"9: triggers.retrain.when.s3.start: {FIELD_OF_THE_TRIGGER}",
        ),
        (
            WHEN + "     start: churn-training\n",
            "7: triggers.retrain: start is indented by 5 spaces; indent it by 4 like the lines above",
        ),
        (
            WHEN + "   start: churn-training\n",
            "7: triggers: start is indented by 3 spaces; indent it by 2 or 4 like the lines above",
        ),
        (
            GOOD + "    pipelines: [a]\n",
            "8: triggers.retrain.pipelines: is a field of the document; indent it less, like the document's other "
            "fields",
        ),
    ],
)
def test_a_field_on_a_wrong_level_is_named_with_its_indentation(tmp_path: Path, trigger: str, problem: str) -> None:
    """And nothing else: that the trigger has no start only follows from it."""
    assert problems(tmp_path, HEAD + trigger) == [f"churn.yaml:{problem}"]


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('description: "An" upload', "has text after a closing quote or bracket; put the whole value in quotes"),
        ("description: 'it's'", "has text after a closing quote or bracket; put the whole value in quotes"),
        ("tags: {a: b} c", "has text after a closing quote or bracket; put the whole value in quotes"),
        (
            "enabled: true\n    - a",
            "is not valid YAML: while parsing a block mapping expected <block end>, but found '-'; "
            "check its quotes, brackets and indentation",
        ),
    ],
)
def test_other_yaml_errors_do_not_blame_indentation(tmp_path: Path, option: str, problem: str) -> None:
    """The message blames the line's indentation only where no line above has it."""
    (message,) = problems(tmp_path, HEAD + GOOD + f"    {option}\n")
    assert message.endswith(f": {problem}")


def test_a_field_beside_the_empty_one_above_may_belong_to_it(tmp_path: Path) -> None:
    """Any name is possible under parameters, so this is a guess, and says so."""
    empty, beside = problems(tmp_path, HEAD + GOOD + "    parameters:\n    Region: eu\n")
    assert empty.startswith("churn.yaml:8: triggers.retrain.parameters: is empty")
    assert beside == (
        "churn.yaml:9: triggers.retrain.Region: is not a known field; if it belongs to parameters, indent it further"
    )


def test_a_trigger_may_be_called_like_a_field(tmp_path: Path) -> None:
    """What has a when is a trigger."""
    assert problems(tmp_path, HEAD + GOOD + "  start:\n" + GOOD) == []


RIGHT = (
    HEAD
    + GOOD
    + """\
    description: An upload
    if: "{% $object.size > 0 %}"
    parameters: {A: $.detail.object.key}
    steps:
      - Train
      - Evaluate
    tags:
      team: churn
"""
)

SLIPS = [
    *" \n\t:-{}[],&*!|>'\"%@`#?~<\\$aé“\u00a0\u2028\ufeff\x07\ud800",
    "\n  ",
    "---\n",
    "<<: ",
    "*a",
    "&a ",
    "!t ",
    "\r\n",
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for drafts."""
    directory = tmp_path_factory.mktemp("triggers")
    (directory / "stages.yaml").write_text("dev:\n")
    return directory


@given(st.lists(st.tuples(st.integers(0, len(RIGHT)), st.integers(0, 3), st.sampled_from(["", *SLIPS])), max_size=3))
@example([(0, 0, "\ufeff")])
def test_any_slip_is_read_or_refused_on_a_line_of_the_file(directory: Path, slips: list[tuple[int, int, str]]) -> None:
    """Characters left out and put in anywhere: never another exception."""
    text = RIGHT
    for at, left_out, put_in in slips:
        text = text[:at] + put_in + text[at + left_out :]
    try:
        loader.load(directory, {directory / "churn.yaml": text})
    except DocumentsError as error:
        for problem in error.problems:
            assert 1 <= problem.line <= len(text.splitlines()) + 1
            assert problem.message.startswith("needs ") or "; " in problem.message or ": " in problem.message
