"""What an execution gets of its batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.batches.manifest import files, newest, view
from pipeline_triggers.batches.models import Batch, Member, Target

BATCH = Batch("b1", "t/a", "day", (Target("train"),), expect=("amer", "emea"))


def _object(key: str, at: str = "1", sequencer: str = "01", bucket: str = "raw", **more: Any) -> Member:
    data = {"bucket": bucket, "key": key, "sequencer": sequencer, "size": 2}
    return Member(f"{key}{sequencer}", more.get("part", ""), at, more.get("depth", 0), data)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ü/ \n"]), st.text("0123456789ABCDEF", min_size=1, max_size=20))))
def test_a_manifest_holds_each_key_once(objects: list[tuple[str, str]]) -> None:
    """Of its newest event, whatever came first."""
    members = newest(_object(key, sequencer=sequencer) for key, sequencer in objects)
    assert {member.data["key"] for member in members} == {key for key, _ in objects}
    for member in members:
        same = [sequencer.ljust(64, "0") for key, sequencer in objects if key == member.data["key"]]
        assert member.data["sequencer"].ljust(64, "0") == max(same)
    if members:
        first, *keys = json.loads(files(BATCH, members)["manifest"].content)
        assert first == {"prefix": "s3://raw/"}
        assert keys == sorted({key for key, _ in objects})


def test_objects_of_two_buckets_have_a_list_of_events_only() -> None:
    """A ManifestFile has one prefix."""
    assert list(files(BATCH, newest([_object("a"), _object("b", bucket="other")]))) == ["events"]


def test_events_of_other_sources_are_lines_in_the_order_of_their_time() -> None:
    """One for each event."""
    members = newest(Member(name, "", at, 0, {"id": name}) for name, at in (("x", "2"), ("y", "1")))
    assert files(BATCH, members)["events"].content == b'{"id": "y"}\n{"id": "x"}\n'


def test_the_key_of_a_file_follows_from_its_content() -> None:
    """So two attempts never overwrite each other with something else."""
    one, same, other = (files(BATCH, [_object(key)])["manifest"].key for key in ("a", "a", "b"))
    assert one == same != other


@pytest.mark.parametrize(
    ("keys", "folder"),
    [
        (["a/b/c", "a/b/d"], "s3://raw/a/b/"),
        (["a/b/c"], "s3://raw/a/b/"),
        (["a/b", "a/bc/d"], "s3://raw/a/"),
        (["x", "y"], "s3://raw/"),
        (["a/b", "a/b/c"], "s3://raw/a/"),
        ([], ""),
    ],
)
def test_the_prefix_is_the_longest_common_folder(keys: list[str], folder: str) -> None:
    """A whole one, never part of a name."""
    assert view(BATCH, newest(_object(key) for key in keys)).prefix == folder


def test_the_view_describes_all_members() -> None:
    """Counts, sizes, parts, first, last, and the deepest chain."""
    seen = view(BATCH, newest([_object("b", "2", part="emea", depth=3), _object("a", "1", part="emea", depth=1)]))
    assert (seen.count, seen.bytes, seen.parts, seen.missing, seen.depth) == (2, 4, ("emea",), ("amer",), 3)
    assert (seen.first["key"], seen.last["key"]) == ("a", "b")


def test_an_empty_batch_has_a_view() -> None:
    """All of it is missing."""
    assert view(BATCH, []).missing == ("amer", "emea")
