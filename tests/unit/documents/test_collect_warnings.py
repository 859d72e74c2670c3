"""What the check warns of in a ``collect``, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.warnings import warnings

from tests.unit.documents.checking import HEAD, STAGES

DAY = "{% $split($object.key, '/')[1] %}"
REGION = "{% $split($object.key, '/')[2] %}"


def warned(directory: Path, key: str, collect: str, more: str = "") -> list[str]:
    """Return the warnings about a trigger on uploads, without the file and the line."""
    (directory / "stages.yaml").write_text(STAGES, encoding="utf-8")
    when = f'    when: {{s3: {{bucket: raw, key: "{key}"}}}}\n    start: churn-training\n'
    text = f"{HEAD}{when}    collect: {{{collect}}}\n{more}" if collect else f"{HEAD}{when}{more}"
    (directory / "churn.yaml").write_text(text, encoding="utf-8")
    found = warnings(loader.load(directory), frozenset())
    return [f"{problem.field.removeprefix('triggers.retrain.')}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("key", "by"),
    [
        ("sales/*/part-*.parquet", "{% $object.key %}"),
        ("sales/*/*", "{% $object.name %}"),
        ("sales/**", "{% $object.uri %}"),
        ("sales/*/part-*.parquet", "{% $split($object.key, '/')[2] %}"),
    ],
)
def test_a_by_that_differs_from_file_to_file_is_warned_of(tmp_path: Path, key: str, by: str) -> None:
    """Each file would be a batch of its own."""
    message = "differs from file to file, so each is a batch of its own; take what the files have in common"
    assert warned(tmp_path, key, f'by: "{by}"') == [f"collect.by: {message}"]


@pytest.mark.parametrize("key", ["sales/*/part-*.parquet", "sales/*/_SUCCESS", "sales/*/*/_SUCCESS"])
def test_a_by_that_files_have_in_common_is_not(tmp_path: Path, key: str) -> None:
    """The folder is what they have in common."""
    assert warned(tmp_path, key, f'by: "{DAY}"') == []


@pytest.mark.parametrize("by", ["{% $substring(time, 0, 10) %}", "$.time"])
def test_a_by_from_the_event_s_time_is_warned_of(tmp_path: Path, by: str) -> None:
    """What is loaded again later has another time."""
    message = "takes the event's time, so files that are loaded again (a backfill) go into another batch; take it"
    (warning,) = warned(tmp_path, "sales/*/part-*", f'by: "{by}"')
    assert warning == f"collect.by: {message} from the key"


def due(by: str, value: str = "{% $scheduled.days %}", cron: str = "0 8 ? * MON-FRI *", zone: str = "UTC") -> str:
    """Return a collect with a deadline."""
    deadline = f'{{cron: "{cron}", timezone: {zone}, due: "{value}"}}'
    return f'by: "{by}", part: "{REGION}", expect: [emea, apac], deadline: {deadline}'


@pytest.mark.parametrize(
    ("key", "by", "value", "gives"),
    [
        ("sales/*/*/_SUCCESS", "{% 'dt=' & $split($object.key, '/')[1] %}", "{% $scheduled.days %}", "2026-11-20"),
        ("sales/dt=*/*/_SUCCESS", DAY, "{% $scheduled.days %}", "2026-11-20"),
        ("sales/*/*/_SUCCESS", DAY, "{% 'day ' & $scheduled.date & '!' %}", None),
        ("sales/*/*/_SUCCESS", "{% $substring($split($object.key, '/')[1], 0, 7) %}", "{% $scheduled.days %}", "2026"),
    ],
)
def test_a_due_that_no_by_equals_is_warned_of(tmp_path: Path, key: str, by: str, value: str, gives: str | None) -> None:
    """A deadline for batches that never exist always reports them."""
    found = warned(tmp_path, key, due(by, value))
    if gives is None:  # a folder may be called like that
        assert found == []
        return
    (warning,) = found
    assert warning.startswith(f"collect.deadline.due: gives {gives}")
    assert "but by gives values like" in warning


@pytest.mark.parametrize(
    ("key", "by"),
    [
        ("sales/*/*/_SUCCESS", DAY),
        ("sales/dt=*/*/_SUCCESS", "{% $substringAfter($split($object.key, '/')[1], '=') %}"),
        (
            "sales/*/*/_SUCCESS",
            "{% ($d := $split($object.key, '/')[1]; $substring($d, 0, 4) & '-' & $substring($d, 4, 2) & '-'"
            " & $substring($d, 6)) %}",
        ),
        (
            "sales/year=*/month=*/day=*/*/_SUCCESS",
            "{% $join($map($split($object.key, '/')[[1..3]], function($s) {$substringAfter($s, '=')}), '-') %}",
        ),
    ],
)
def test_a_due_that_a_by_may_equal_is_not(tmp_path: Path, key: str, by: str) -> None:
    """Keys write dates in several ways."""
    assert [one for one in warned(tmp_path, key, due(by)) if "collect.deadline" in one] == []


@pytest.mark.parametrize("expect", ["24", f"[{', '.join(f'{hour:02}' for hour in range(24))}]"])
@pytest.mark.parametrize(
    ("deadline", "local"),
    [
        ("{after: 2 days}", True),
        ('{cron: "0 8 * * ? *", timezone: Europe/Berlin, due: "{% $scheduled.days %}"}', True),
        ('{cron: "0 8 * * ? *", timezone: UTC, due: "{% $scheduled.days %}"}', False),
        ('{cron: "0 8 * * ? *", timezone: Asia/Tokyo, due: "{% $scheduled.days %}"}', False),
    ],
)
def test_hours_on_a_local_clock_are_warned_of(tmp_path: Path, expect: str, deadline: str, local: bool) -> None:
    """A day has 23 or 25 of them where the clocks change."""
    found = warned(
        tmp_path, "sales/*/*/_SUCCESS", f'by: "{DAY}", part: "{REGION}", expect: {expect}, deadline: {deadline}'
    )
    message = "asks for 24 hours, but a local day has 23 or 25 when the clocks change; take the hours in UTC"
    assert found == ([f"collect.expect: {message}"] if local else [])


def test_a_part_that_is_complete_at_its_first_file_is_warned_of(tmp_path: Path) -> None:
    """The other files of the part would be late."""
    collect = f'by: "{DAY}", part: "{REGION}", expect: [emea, apac], deadline: {{after: 1 day}}'
    message = "is complete at its first file, though other files may have the same; wait for a marker, as in key:"
    assert warned(tmp_path, "sales/*/*/part-*", collect) == [f"collect.part: {message} sales/*/*/_SUCCESS"]
    assert warned(tmp_path, "sales/*/*", collect) == []


def test_a_deadline_in_the_gap_of_a_clock_change_is_warned_of(tmp_path: Path) -> None:
    """Scheduler skips it; where that is not a day of the cron, there is nothing to say."""
    message = (
        "does not fire on 2026-03-29, when the clocks of Europe/Berlin go forward past it, and reports nothing then"
    )
    found = warned(tmp_path, "sales/*/*/_SUCCESS", due(DAY, cron="30 2 * * ? *", zone="Europe/Berlin"))
    assert found == [f"collect.deadline.cron: {message}; write another time"]
    often = due(DAY, "{% $scheduled.date %}", cron="* * * * ? *", zone="America/Havana")
    (found_at_midnight,) = warned(tmp_path, "sales/*/*/_SUCCESS", often)
    assert "does not fire on 2026-03-08, when the clocks of America/Havana go forward" in found_at_midnight
    for cron in ("30 3 * * ? *", "30 2 ? * MON-FRI *"):
        assert warned(tmp_path, "sales/*/*/_SUCCESS", due(DAY, cron=cron, zone="Europe/Berlin")) == []


def test_a_deadline_that_never_fires_is_warned_of(tmp_path: Path) -> None:
    """As for any other schedule."""
    (warning,) = warned(tmp_path, "sales/*/*/_SUCCESS", due(DAY, "{% $scheduled.date %}", cron="0 8 31 FEB ? *"))
    assert (
        warning == "collect.deadline.cron: never fires: no month that it names has 31 days; write another day or month"
    )


def test_plain_documents_are_not_warned_of(tmp_path: Path) -> None:
    """Part files of a day, a marker for each region of a day, approval and data."""
    (tmp_path / "stages.yaml").write_text(STAGES, encoding="utf-8")
    by = "{% $split($object.key, '/')[1] %}"
    deadline = 'deadline: {cron: "0 8 ? * MON-FRI *", timezone: Europe/Berlin, due: "{% $scheduled.days %}"}'
    join = f'by: "{by}", part: "{REGION}", expect: [emea, apac, amer], {deadline}'
    (tmp_path / "sales.yaml").write_text(
        f"""\
version: 1
owner: sales
pipelines: [sales-*]
triggers:
  train-on-a-day:
    when: {{s3: {{bucket: raw, key: "sales/*/part-*.parquet"}}}}
    collect: {{by: "{by}", quiet: 5 minutes}}
    start: sales-training
    parameters: {{Manifest: "{{% $batch.manifest %}}", Files: "{{% $batch.count %}}"}}
  daily-report:
    when: {{s3: {{bucket: raw, key: "sales/*/*/_SUCCESS"}}}}
    collect: {{{join}}}
    start: sales-report
    parameters: {{Data: "{{% $batch.prefix %}}", Revision: "{{% $batch.revision %}}"}}
  deploy-with-data:
    when: {{all: {{data: {{s3: {{bucket: raw}}}}, approval: {{model_package: {{approval: approved}}}}}}}}
    collect: {{deadline: {{after: 7 days}}}}
    start: sales-deploy
limits:
  sales-training: {{max_running: 1, min_interval: 6 hours, max_per_day: 10}}
""",
        encoding="utf-8",
    )
    assert warnings(loader.load(tmp_path), frozenset()) == []


def test_skip_without_a_limit_is_warned_of(tmp_path: Path) -> None:
    """Nothing is ever in the way."""
    message = "when_busy: never skips: no pipeline that it starts has limits; write limits for one"
    assert warned(tmp_path, "a/*", "", "    when_busy: skip\n") == [message]
    limits = "    when_busy: skip\nlimits: {churn-training: {max_running: 1}}\n"
    assert warned(tmp_path, "a/*", "", limits) == []
