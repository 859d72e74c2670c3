"""What the picture of the triggers shows."""

import json
import re
from collections import Counter

import pytest
from pipeline_triggers.models import Collect, Limits, Part, Start, Trigger, When
from pipeline_triggers.operations.graph import MAX_IN_FULL, mermaid

UPLOAD = When("s3", {"bucket": "raw", "key": "sales/*/data.csv"})


def trigger(id_: str, when: When = UPLOAD, *pipelines: str, **more: object) -> Trigger:
    """Return a trigger that starts these pipelines."""
    return Trigger(id_, when, tuple(Start(name, {}) for name in pipelines or ("training",)), **more)  # type: ignore[arg-type]


def drawn(text: str) -> tuple[set[str], set[tuple[str, str, str]]]:
    """Return the labels of a picture's nodes, and its arrows as (from, label, to)."""
    labels = dict(re.findall(r'^ +(n\d+)[\[({>]+"([^"]*)"', text, re.MULTILINE))
    arrows = re.findall(r'^ +(n\d+) -->(?:\|"([^"]*)"\|)? (n\d+)$', text, re.MULTILINE)
    return set(labels.values()), {(labels[start], label, labels[end]) for start, label, end in arrows}


def test_an_upload_leads_to_its_trigger_and_that_to_its_pipeline() -> None:
    """Each way from left to right is drawn, with the glob on its arrow."""
    _, arrows = drawn(mermaid([trigger("sales/retrain")], {}))
    assert arrows == {("s3://raw", "sales/*/data.csv", "retrain"), ("retrain", "", "training")}


def test_the_end_of_a_pipeline_leads_to_the_trigger_that_it_fires() -> None:
    """A chain goes on from the pipeline's own node, also through a glob and in another letter case."""
    ended = When("pipeline", {"name": "TRAIN*", "status": ["Succeeded", "Failed"]})
    _, arrows = drawn(mermaid([trigger("sales/retrain"), trigger("sales/report", ended, "report")], {}))
    assert ("training", "Succeeded, Failed", "report") in arrows


def test_a_join_has_an_arrow_for_each_part() -> None:
    """The parts of ``when.all`` are named on their arrows."""
    parts = {"data": Part(UPLOAD), "approval": Part(When("model_package", {"group": "sales"}))}
    join = trigger("sales/deploy", When("all", {}), collect=Collect(), all_of=parts)
    _, arrows = drawn(mermaid([join], {}))
    assert ("s3://raw", "data sales/*/data.csv", "deploy<br>one run per batch") in arrows
    assert ("model package<br>sales", "approval", "deploy<br>one run per batch") in arrows


def test_limits_stand_at_their_pipeline() -> None:
    """All three limits are in the pipeline's label, in words."""
    labels, _ = drawn(mermaid([trigger("sales/retrain")], {"training": Limits(1, 21600, 10)}))
    assert "training<br>1 at a time<br>at least 360 min apart<br>10 in 24 hours" in labels


def test_what_only_one_team_uses_stands_in_its_frame() -> None:
    """A pipeline of one team is inside, a shared one outside; a single team has no frame at all."""
    text = mermaid([trigger("sales/retrain", UPLOAD, "own", "shared"), trigger("risk/retrain", UPLOAD, "shared")], {})
    frames = re.findall(r'subgraph \w+\["(\w+)"\]\n(.*?)\n  end', text, re.DOTALL)
    assert {team: ("own" in inside, "shared" in inside) for team, inside in frames} == {
        "sales": (True, False),
        "risk": (False, False),
    }
    assert "subgraph" not in mermaid([trigger("sales/retrain")], {})


def test_many_triggers_are_drawn_as_their_teams() -> None:
    """A team is one node that counts what is its own; what teams share stays a node of its own."""
    many = [trigger(f"team{n % 3}/t{n}", UPLOAD, "shared", f"p{n}") for n in range(MAX_IN_FULL + 3)]
    labels, arrows = drawn(mermaid(many, {}))
    assert labels == {"s3://raw", "shared", *(f"team{n}<br>21 triggers<br>21 pipelines" for n in range(3))}
    assert ("team0<br>21 triggers<br>21 pipelines", "21", "shared") in arrows


@pytest.mark.parametrize(
    ("outcomes", "colour"),
    [
        ({"STARTED": 3, "REJECTED": 1}, "rejected"),
        ({"STARTED": 3, "FILTERED": 9}, "started"),
        ({"COLLECTED": 200}, "started"),
        ({"FILTERED": 9}, "quiet"),
        ({}, "quiet"),
    ],
)
def test_a_trigger_is_coloured_by_its_worst_outcome(outcomes: dict[str, int], colour: str) -> None:
    """A rejection counts before a start, and a start before nothing."""
    assert f":::{colour}" in mermaid([trigger("sales/retrain")], {}, {"sales/retrain": Counter(outcomes)})


def test_a_disabled_trigger_is_drawn_as_such_whatever_happened() -> None:
    """Its label says so, and its colour where there are colours."""
    text = mermaid([trigger("sales/retrain", enabled=False)], {}, {"sales/retrain": Counter(STARTED=1)})
    assert "retrain<br>disabled" in text
    assert ":::disabled" in text


def test_no_name_breaks_the_picture() -> None:
    """Quotes, brackets and HTML in a glob or a pattern are written so that Mermaid shows them."""
    upload = When("s3", {"bucket": "raw", "key": 'a"b<script>`#1`&/*'})
    (arrow,) = re.findall(r"-->\|(.*)\|", mermaid([trigger("sales/retrain", upload)], {}))
    assert arrow == '"a#34;b#60;script#62;#96;#35;1#96;#38;/*"'
    assert json.loads(arrow)
