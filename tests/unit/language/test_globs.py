"""Key globs: what they match, and that no key keeps them busy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.language import globs


@pytest.mark.parametrize(
    ("glob", "key", "expected"),
    [
        ("churn/*/data.csv", "churn/2026-10/data.csv", True),
        ("churn/*/data.csv", "churn/a/b/data.csv", False),
        ("churn/*/data.csv", "churn//data.csv", True),
        ("*.csv", "x.csv", True),
        ("*.csv", "x/y.csv", False),
        ("**", "any/thing", True),
        ("**/data.csv", "data.csv", True),
        ("**/data.csv", "a/b/data.csv", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a/", True),
        ("a/**", "a", False),
        ("a/**/d", "a/d", True),
        ("a/**/d", "a/b/c/d", True),
        ("**/x/**/y/**", "q/x/r/y/z", True),
        ("**/x/**/y/**", "q/y/r/x/z", False),
        ("/a/*", "/a/x", True),
        ("/a/*", "a/x", False),
        ("a*b*c", "aXbYbc", True),
        ("a*b*c", "aXbYb", False),
        ("d", "d\n", False),
        ("*", "two\nlines", True),
        ("?[a-z]{b}.", "?[a-z]{b}.", True),
        ("?", "x", False),
        ("Data.csv", "data.csv", False),
    ],
)
def test_a_glob_matches_whole_keys(glob: str, key: str, expected: bool) -> None:
    """A star stays within a segment, two stars cross segments, all else is literal, letter case included."""
    assert globs.matches(glob, key) is expected


_segments = st.lists(st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "a*b*", "**"]), min_size=1, max_size=6)
_keys = st.lists(st.text("ab", max_size=3), min_size=1, max_size=6).map("/".join)


def by_definition(glob: list[str], key: list[str]) -> bool:
    """Match by trying everything, as the documentation defines it: slow, and plainly right."""
    if not glob:
        return not key
    if glob[0] == "**":
        least = 1 if glob[1:] == [] else 0
        return any(by_definition(glob[1:], key[skipped:]) for skipped in range(least, len(key) + 1))
    segment = ".*".join(map(re.escape, glob[0].split("*")))
    return bool(key) and re.fullmatch(segment, key[0]) is not None and by_definition(glob[1:], key[1:])


@given(_segments, _keys)
def test_committing_to_first_matches_loses_none(segments: list[str], key: str) -> None:
    """The fast patterns match exactly what the definition matches."""
    assert globs.matches("/".join(segments), key) is by_definition(segments, key.split("/"))


def test_hostile_keys_are_matched_at_once() -> None:
    """With a pattern that backtracks, each of these would take longer than the universe has been there."""
    assert not globs.matches("*a" * 200 + "b", "a" * 1024)
    assert not globs.matches("**/*a" * 100 + "/b", "a/" * 512)
    assert not globs.matches("**/a/" * 50 + "b", "a/" * 512)


@given(_segments, _keys)
def test_the_rule_lets_every_matching_key_through(segments: list[str], key: str) -> None:
    """What a glob matches begins with its literal prefix, which is all that the rule asks for."""
    glob = "/".join(segments)
    if globs.matches(glob, key):
        assert key.startswith(globs.literal_prefix(glob))


def test_two_stars_inside_a_segment_are_refused() -> None:
    """``a**b`` could be read in two ways, so it is not read at all."""
    assert "write 'a*b'" in (globs.check("x/a**b") or "")
    assert globs.check("x/**/a*b") is None
