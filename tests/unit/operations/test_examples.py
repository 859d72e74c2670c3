"""The examples of documents: what is played, and what is said where it differs."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations import examples

from tests import PROJECT
from tests.unit.documents.checking import HEAD, STAGES

UPLOAD = """\
    when: {s3: {bucket: "${RawBucket}", key: "churn/*/data.csv"}}
    if: "{% $object.size > 0 %}"
    start: churn-training
    parameters: {Month: "{% $split($object.key, '/')[1] %}", Size: "{% $object.size > 5e9 ? 'large' : 'small' %}"}
    examples:
"""


def differences(directory: Path, text: str) -> list[str]:
    """Play a document's examples, and return what is said of each, "" where it is as the document says."""
    (directory / "stages.yaml").write_text(STAGES, encoding="utf-8")
    (directory / "churn.yaml").write_text(HEAD + text, encoding="utf-8")
    played = examples.play(loader.load(directory), "dev", examples.offline())
    return [result.difference for result in played]


@pytest.mark.parametrize(
    ("example", "difference"),
    [
        ("{event: {key: churn/2026-10/data.csv}, starts: churn-training}", ""),
        ('{event: {key: churn/2026-10/data.csv}, starts: {churn-training: {Month: "2026-10", Size: small}}}', ""),
        ("{event: {key: churn/2026-10/data.csv, size: 6000000000}, starts: {churn-training: {Size: large}}}", ""),
        ("{event: {detail.object.key: churn/2026-10/data.csv}, starts: churn-training}", ""),
        (
            '{event: {key: churn/2026-10/data.csv}, starts: {churn-training: {Month: "2026-11", Size: large}}}',
            "churn-training: Month is '2026-10', not '2026-11'; Size is 'small', not 'large'",
        ),
        ("{event: {key: churn/2026-10/notes.txt}, ignored: true}", ""),
        ("{event: {key: other/2026-10/data.csv}, ignored: pattern}", ""),
        ("{event: {key: churn/2026-10/data.csv, size: 0}, ignored: condition}", ""),
        (
            "{event: {key: churn/2026-10/data.csv, size: 0}, ignored: pattern}",
            "expected a reason with 'pattern', but it is 'condition not met: {% $object.size > 0 %}'",
        ),
        (
            "{event: {key: churn/2026-10/notes.txt}, starts: churn-training}",
            "expected starts, but the event is ignored: the key does not match churn/*/data.csv",
        ),
        (
            "{event: {key: churn/2026-10/data.csv}, ignored: true}",
            "expected ignored, but the event starts churn-training",
        ),
        ("{event: {bucket: elsewhere}, ignored: pattern}", ""),
        ('{event: {bucket: "${RawBucket}"}, starts: churn-training}', ""),
        ("{event: nothing.json, rejected: can't be read}", ""),
    ],
)
def test_an_example_says_what_comes_of_an_event(tmp_path: Path, example: str, difference: str) -> None:
    """Only what it names has to be so; a difference names both sides."""
    assert differences(tmp_path, f"{UPLOAD}      - {example}\n") == [difference]


def test_an_event_like_that_of_an_example_above_is_a_duplicate(tmp_path: Path) -> None:
    """The same object with the same sequencer; another sequencer is another upload."""
    text = """\
      - {event: {key: churn/1/data.csv}, starts: churn-training}
      - {event: {key: churn/1/data.csv}, duplicate: true}
      - {event: {key: churn/1/data.csv, sequencer: 0A}, starts: churn-training}
      - {event: {key: churn/1/data.csv}, starts: churn-training}
"""
    expected = "expected starts, but the event is a duplicate: of an example above"
    assert differences(tmp_path, UPLOAD + text) == ["", "", "", expected]


def test_several_pipelines_are_expected_as_a_list_or_with_parameters(tmp_path: Path) -> None:
    """All that are started have to be named, each parameter need not."""
    text = """\
    when: {s3: {bucket: raw}}
    start: {churn-report: {Key: $.detail.object.key}, churn-training: {}}
    examples:
      - {event: {key: x}, starts: [churn-training, churn-report]}
      - {event: {key: y}, starts: {churn-report: {Key: y}, churn-training: {}}}
      - {event: {key: z}, starts: churn-report}
"""
    expected = "expected to start churn-report, but the event starts churn-report, churn-training"
    assert differences(tmp_path, text) == ["", "", expected]


COLLECTED = """\
    when: {s3: {bucket: raw, key: "sales/*/*/_SUCCESS"}}
    collect:
      by: "{% $split($object.key, '/')[1] %}"
      part: "{% $split($object.key, '/')[2] %}"
      expect: [emea, apac]
      deadline: {after: 1 days}
    start: churn-training
    parameters: {Day: "{% $batch.by %}", Data: "{% $batch.prefix %}", Parts: "{% $batch.count %}"}
    examples:
"""


@pytest.mark.parametrize(
    ("example", "difference"),
    [
        (
            "{events: [{key: sales/1/emea/_SUCCESS}, {key: sales/1/apac/_SUCCESS}],"
            ' starts: {churn-training: {Day: "1", Data: s3://raw/sales/1/, Parts: "2"}}}',
            "",
        ),
        ("{events: [{key: sales/1/emea/_SUCCESS}], ignored: lacks apac}", ""),
        (
            "{events: [{key: sales/1/emea/_SUCCESS}, {key: sales/2/apac/_SUCCESS}], starts: churn-training}",
            "expected starts, but the event is rejected: the events make 2 batches, 1, 2; write an example for each",
        ),
    ],
)
def test_the_events_of_an_example_make_one_batch(tmp_path: Path, example: str, difference: str) -> None:
    """Its values see ``$batch``, and it waits while it lacks parts."""
    assert differences(tmp_path, f"{COLLECTED}      - {example}\n") == [difference]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("{event: {key: x}}", "needs one of starts, ignored, rejected, duplicate"),
        ("{event: {key: x}, ignored: true, duplicate: true}", "has ignored and duplicate; keep one"),
        ("{starts: churn-training}", "needs event or events"),
        ("{event: {keys: x}, ignored: true}", "keys: is not a field of such an event; did you mean key?"),
        ("{event: '', ignored: true}", "is empty; write what differs from the source's sample, or a file's name"),
        ("{event: {}, starts: churn-report}", "'churn-report' is not started here; use churn-training"),
        (
            "{event: {}, starts: {churn-training: {Mnth: 1}}}",
            "'Mnth' is not a parameter that the trigger sets; did",
        ),
        ("{event: {key: x}, start: churn-training}", "start: is not a known field; did you mean starts?"),
    ],
)
def test_an_example_of_a_wrong_shape_is_refused(tmp_path: Path, example: str, message: str) -> None:
    """With its line, like everything else in a document."""
    with pytest.raises(DocumentsError) as refused:
        differences(tmp_path, f"{UPLOAD}      - {example}\n")
    assert any("churn.yaml:11: " in str(problem) for problem in refused.value.problems)
    assert message in str(refused.value)


# What somebody may mistype in a glob, a path, an expression or a parameter.
_SWAPS = ((" > ", " < "), (" = ", " != "), (" & ", " + "), ("[1]", "[0]"), (" and ", " or "), (" ? ", " = 1 ? "))
_CHECKED = ("when", "if", "start", "parameters", "start_one_of", "accept", "dedupe")


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the ways to all single values of a trigger that decide what it does."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if way or key in _CHECKED:
                yield from leaves(item, (*way, key))
    else:
        yield way


def mistyped(trigger: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    """Change one value of a trigger, as a slip of the keyboard or a wrong operator would."""
    changed = copy.deepcopy(trigger)
    *way, last = random_.choice(list(leaves(trigger)))
    place: Any = changed
    for step in way:
        place = place[step]
    text = str(place[last])
    swaps = [swap for swap in _SWAPS if swap[0] in text]
    if swaps and random_.random() < 0.5:
        place[last] = text.replace(*random_.choice(swaps), 1)
    else:
        letters = [found.start() for found in re.finditer(r"[A-Za-z0-9*]", text)]
        at = random_.choice(letters)
        letter = "q" if text[at] != "q" else "z"
        place[last] = text[:at] + random_.choice((letter, "")) + text[at + 1 :]
    return changed


def test_the_examples_notice_nineteen_of_twenty_slips(tmp_path: Path) -> None:
    """Of 200 changes to the shipped document, each at random, 190 at least fail its check or one of its examples."""
    document = yaml.safe_load((PROJECT / "layers/triggers/churn.yaml").read_text(encoding="utf-8"))
    folder = tmp_path / "layers" / "triggers"
    folder.mkdir(parents=True)
    (tmp_path / "events").symlink_to(PROJECT / "events")
    (folder / "stages.yaml").write_bytes((PROJECT / "layers/triggers/stages.yaml").read_bytes())
    matches = examples.offline()
    slipped = []
    for seed in range(200):
        random_ = random.Random(seed)  # noqa: S311 - no secret
        name = random_.choice(list(document["triggers"]))
        changed = mistyped(document["triggers"][name], random_)
        text = yaml.safe_dump({**document, "triggers": {name: changed}}, sort_keys=False)
        (folder / "churn.yaml").write_text(text, encoding="utf-8")
        try:
            played = list(examples.play(loader.load(folder), "dev", matches))
        except DocumentsError:
            continue
        if not any(result.difference for result in played):
            slipped.append((seed, name, changed))
    assert len(slipped) <= 10, slipped
