"""The examples of documents: what is played, and what is said where it differs."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations import examples

from tests import PROJECT
from tests.unit.documents import recipes
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


def test_null_is_a_field_that_an_event_does_not_have(tmp_path: Path) -> None:
    """An unversioned bucket's upload has no version."""
    text = """\
    when: {s3: {bucket: raw}}
    start: churn-training
    parameters: {Version: "{% $exists($object.version_id) ? 'versioned' : 'none' %}"}
    examples:
      - {event: {version_id: "3"}, starts: {churn-training: {Version: versioned}}}
      - {event: {version_id: null}, starts: {churn-training: {Version: none}}}
"""
    assert differences(tmp_path, text) == ["", ""]


def test_a_request_of_an_example_is_for_its_trigger(tmp_path: Path) -> None:
    """The sample names the trigger, the first of its pipelines, and no parameters."""
    text = """\
    when: {sns: {}}
    start_one_of: [churn-report, churn-training]
    accept: {Month: "*"}
    examples:
      - {event: {}, starts: churn-report}
      - {event: {pipeline: churn-training, parameters: {Month: May}}, starts: {churn-training: {Month: May}}}
"""
    assert differences(tmp_path, text) == ["", ""]


def test_a_pattern_that_eventbridge_refuses_fails_its_examples(tmp_path: Path) -> None:
    """With EventBridge's words; ``triggers check --aws`` says the same of the pattern."""
    text = """\
    when: {event: {pattern: {detail: {orders: [{numeric: [">", x]}]}}}}
    start: churn-training
    examples:
      - {event: {detail: {orders: 1}}, starts: churn-training}
"""
    (difference,) = differences(tmp_path, text)
    assert difference.startswith("expected starts, but the event is rejected: EventBridge would refuse the pattern: ")


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
_CHECKED = ("when", "if", "collect", "start", "parameters", "start_one_of", "accept", "dedupe")
_TIMES = ("schedule", "quiet", "max_open", "deadline")  # an example has no clock


@dataclass(frozen=True)
class Written:
    """A document's text, and the places of the values of a trigger in it that decide what it starts."""

    path: Path
    head: str
    triggers: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]

    @classmethod
    def read(cls, path: Path) -> Written:
        """Read a document."""
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text)
        assert root
        (triggers,) = (value for name, value in root.value if name.value == "triggers")
        found = []
        for at, (name, trigger) in enumerate(triggers.value):
            end = triggers.value[at + 1][0].start_mark.index if at + 1 < len(triggers.value) else len(text)
            begin = name.start_mark.index
            checked = [value for field, value in trigger.value if field.value in _CHECKED]
            places = [(one.start_mark.index - begin, one.end_mark.index - begin) for one in leaves(checked)]
            found.append((text[begin:end], tuple(places)))
        return cls(path, text[: triggers.start_mark.index], tuple(found))


def leaves(nodes: Iterable[yaml.Node]) -> Iterator[yaml.ScalarNode]:
    """Give all single values below nodes."""
    for node in nodes:
        if isinstance(node, yaml.ScalarNode):
            yield from [node] if re.search(r"[A-Za-z0-9*]", node.value) else []
        elif isinstance(node, yaml.MappingNode):
            yield from leaves(value for field, value in node.value if field.value not in _TIMES)
        else:
            yield from leaves(node.value)


def mistyped(text: str, places: Sequence[tuple[int, int]], random_: random.Random) -> str:
    """Change one value of a trigger, as a slip of the keyboard or a wrong operator would."""
    begin, end = random_.choice(places)
    value = text[begin:end]
    swaps = [swap for swap in _SWAPS if swap[0] in value]
    if swaps and random_.random() < 0.5:
        changed = value.replace(*random_.choice(swaps), 1)
    else:
        at = random_.choice([found.start() for found in re.finditer(r"[A-Za-z0-9*]", value)])
        letter = "q" if value[at] != "q" else "z"
        changed = value[:at] + random_.choice((letter, "")) + value[at + 1 :]
    return text[:begin] + changed + text[end:]


def test_the_examples_notice_nineteen_of_twenty_slips(tmp_path: Path) -> None:
    """Of 200 slips, each at random in the shipped documents or the recipes, 190 fail the check or an example."""
    (tmp_path / "events").symlink_to(PROJECT / "events")
    shipped = PROJECT / "layers" / "triggers"
    written = []
    for team in ("churn", "sales", *recipes.STAGES):
        folder = tmp_path / team / "triggers"
        folder.mkdir(parents=True)
        if team in recipes.STAGES:
            recipes.write(folder, team)
        else:
            (folder / f"{team}.yaml").write_bytes((shipped / f"{team}.yaml").read_bytes())
            (folder / "stages.yaml").write_bytes((shipped / "stages.yaml").read_bytes())
        written.append(Written.read(folder / f"{team}.yaml"))
    matches = examples.offline()
    every = [(document, trigger) for document in written for trigger in document.triggers]
    slipped = []
    for seed in range(200):
        random_ = random.Random(seed)  # noqa: S311 - no secret
        document, (text, places) = random_.choice(every)
        changed = mistyped(text, places, random_)
        document.path.write_text(f"{document.head}{changed}", encoding="utf-8")
        try:
            played = list(examples.play(loader.load(document.path.parent), "dev", matches))
        except DocumentsError:
            continue
        if not any(result.difference for result in played):
            slipped.append((seed, changed))
    assert len(slipped) <= 10, slipped
