"""The measured figures → docs/performance.md and its picture."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from tests import PROJECT
from tests.benchmark import picture
from tests.tools.costs import PRICES

if TYPE_CHECKING:
    from tests.benchmark.__main__ import Results

TEN_LINES, S3 = "ten_lines", "on_s3_upload"

FULL_PROCESSOR = 1769  # megabytes of a function that has one processor to itself; AWS
ROUND_TRIP = 0.010  # seconds for which a call to AWS waits; assumed


def write(results: Results, rounds: int) -> None:
    """Write the page and the picture."""
    page = "\n\n".join(_sections(results, rounds)) + "\n"
    (PROJECT / "docs" / "performance.md").write_text(page, encoding="utf-8")
    (PROJECT / "docs" / "performance.svg").write_text(picture.draw(_series(results)), encoding="utf-8")


def _sections(results: Results, rounds: int) -> Iterable[str]:
    today = datetime.datetime.now(datetime.UTC).date()
    yield "# Performance"
    yield (
        f"Measured on {today} by `make benchmark` ({rounds} processes for each figure, interleaved) with Python "
        f"{platform.python_version()} on {_machine()}. Figures are CPU time of whole processes, user and system. "
        "Each is the median, with the lower and upper quartile. Absolute times differ by machine and by what else runs "
        "on it; the ratios within one run hold better. Nothing here was measured on Lambda."
    )
    yield (
        "The comparison is [`ten_lines.py`](../tests/benchmark/ten_lines.py): the least that starts a pipeline, with "
        "boto3 and bytecode as Lambda's runtime has them (the development environment's boto3 stands for it). "
        "It checks, remembers and reports nothing. Handlers run from the built artifacts and call a server on "
        "this machine over TLS, which answers at once and whose work is not counted."
    )
    yield "![How cost grows with triggers, batches and documents](performance.svg)"
    yield "## Cold start"
    yield "From the start of the process to the end of the first event. In brackets: triggers deployed."
    names = {TEN_LINES: "ten lines", f"{S3} 1": "`on_s3_upload` (1)", f"{S3} 300": "`on_s3_upload` (300)"}
    names |= {f"{S3} 3000": "`on_s3_upload` (3,000)"}
    names |= {job: f"`{job}`" for job in results.cold if job not in names}
    rows = [
        [names[job], _spread(seconds), _ratio(seconds, results.cold[TEN_LINES]), f"{results.memory[job]:.0f} MB"]
        for job, seconds in results.cold.items()
    ]
    yield _table(["handler", "CPU", "ratio", "peak memory"], rows)
    layer = results.layer
    yield f"The core layer has {layer['unpacked']:.1f} MB, {layer['zipped']:.1f} MB zipped."
    yield "## A warm event"
    yield "CPU per event, with the pipeline's definition remembered."
    base = results.warm[f"{TEN_LINES}, started"]
    rows = [
        [_what(name), _spread(seconds), _ratio(seconds, base), _calls(results.calls[name])]
        for name, seconds in results.warm.items()
    ]
    yield _table(["event", "CPU", "ratio", "calls to AWS for the whole batch"], rows)
    yield "## Memory and money"
    yield from _costs(results)
    yield "## Commands"
    yield (
        "`triggers` with so many triggers in one document, each with three expressions. 3,000 exceed one stack, which "
        "both commands report. The 300 examples are those of 100 such triggers."
    )
    yield _table(
        ["command", "CPU"], [[f"`triggers` {name}", _spread(seconds)] for name, seconds in results.commands.items()]
    )


def _costs(results: Results) -> Iterable[str]:
    yield (
        "Computed, not measured on Lambda: a function with 1,769 MB has one processor, one with less has its share "
        f"of it. An event waits {ROUND_TRIP * 1000:.0f} ms for each of its calls (assumed). A million events that each "
        "start an execution, one in each invocation, at the prices of `tests/tools/costs.py` (us-east-1, arm64):"
    )
    cold, warm = median(results.cold[f"{S3} 1"]), median(results.warm[f"{S3} 1, started"])
    calls = results.calls[f"{S3} 1, started"]
    rows = []
    for megabytes in (256, 512, 1024, FULL_PROCESSOR):
        share = megabytes / FULL_PROCESSOR
        duration = warm / share + sum(calls.values()) * ROUND_TRIP
        lambda_ = 1e6 * (
            duration * megabytes / 1024 * PRICES["Lambda, GB-second on arm64"][0]
            + PRICES["Lambda, million requests"][0] / 1e6
        )
        first = cold / share
        dollars = 1e6 * first * megabytes / 1024 * PRICES["Lambda, GB-second on arm64"][0]
        rows.append(
            [f"{megabytes:,} MB", f"{first:.1f} s", f"${dollars:.2f}", f"{duration * 1000:.0f} ms", f"${lambda_:.2f}"]
        )
    head = ["memory", "cold start", "a million cold starts", "warm event", "a million warm events"]
    yield _table(head, rows)
    yield "What else a million events cost is in [operations.md](operations.md)."


def _what(name: str) -> str:
    job, _, event = name.partition(", ")
    if job == TEN_LINES:
        return "ten lines: started"
    return f"{event} ({int(job.partition(' ')[2]):,} triggers)"


def _calls(calls: dict[str, int]) -> str:
    return f"{sum(calls.values())}: " + ", ".join(f"{count} {name}" for name, count in calls.items()) if calls else "0"


def _spread(seconds: Sequence[float]) -> str:
    low, _, high = quantiles(seconds, n=4) if len(seconds) > 1 else (seconds[0],) * 3
    scale, unit, digits = (1, "s", 2) if median(seconds) >= 1 else (1000, "ms", 0 if median(seconds) >= 0.1 else 1)
    return f"{median(seconds) * scale:.{digits}f} {unit} ({low * scale:.{digits}f} to {high * scale:.{digits}f})"


def _ratio(seconds: Sequence[float], base: Sequence[float]) -> str:
    """Compare round by round: what slows a round down slows both."""
    return f"{median(one / other for one, other in zip(seconds, base, strict=True)):.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else None
    return f"{os.cpu_count()} shared processors ({model[1] if model else platform.processor()}, {platform.system()})"


def _series(results: Results) -> list[picture.Chart]:
    def points(measured: dict[str, list[float]], names: dict[int, str], scale: float = 1000) -> list[tuple[int, float]]:
        return [(at, median(measured[name]) * scale) for at, name in names.items() if name in measured]

    counts = (1, 300, 3000)
    return [
        picture.Chart(
            "Cold start by triggers deployed",
            "ms of CPU",
            {
                "on_s3_upload": points(results.cold, {count: f"{S3} {count}" for count in counts}),
                "ten lines": [(count, median(results.cold[TEN_LINES]) * 1000) for count in counts],
            },
        ),
        picture.Chart(
            "Warm event by triggers deployed",
            "ms of CPU",
            {
                "started": points(results.warm, {count: f"{S3} {count}, started" for count in counts}),
                "filtered": points(results.warm, {count: f"{S3} {count}, filtered" for count in counts}),
            },
        ),
        picture.Chart(
            "Warm event by events in a batch",
            "ms of CPU",
            {
                "started": points(
                    results.warm,
                    {1: f"{S3} 1, started", **{size: f"{S3} 1, started, {size} in a batch" for size in (2, 5, 10)}},
                ),
                "collected": points(results.warm, {size: f"{S3} 1, collected, {size} in a batch" for size in (1, 10)}),
            },
        ),
        picture.Chart(
            "Commands by triggers",
            "s of CPU",
            {
                name: points(results.commands, {count: f"{name}, {count:,} triggers" for count in counts}, 1)
                for name in ("check", "compile")
            },
        ),
    ]
