"""``make benchmark``: what many triggers cost at a desk, and in a handler's cold start."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

TRIGGER = """\
  upload-{number}:
    description: The partition {number} of the orders landed
    when: {{s3: {{bucket: "${{RawBucket}}", key: "orders/{number}/dt=*/*.parquet"}}}}
    if: "{{% $object.size > 0 %}}"
    start: orders-training-{number}
    parameters:
      InputDataUrl: "{{% $object.uri %}}"
      Date: "{{% $substringAfter($split($object.key, '/')[2], 'dt=') %}}"
      InstanceType: "{{% $object.size > 5e9 ? 'ml.m5.4xlarge' : 'ml.m5.large' %}}"
      Bucket: $.detail.bucket.name
      Epochs: 20
"""

# What a handler does at its first event, and what reading the documents themselves would cost it instead.
LOAD = """
import sys, time
from pathlib import Path
from pipeline_triggers.language import triggers_json
start = time.perf_counter()
triggers = triggers_json.load(Path(sys.argv[1], "compiled", "triggers.json").read_text(encoding="utf-8"), "prod", {})
print(time.perf_counter() - start)
import yaml
start = time.perf_counter()
yaml.safe_load(Path(sys.argv[1], "orders.yaml").read_text(encoding="utf-8"))
print(time.perf_counter() - start)
assert len(triggers) == int(sys.argv[2])
"""


def main() -> None:
    """Measure, and print medians of several runs, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triggers", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        triggers = "".join(TRIGGER.format(number=number) for number in range(arguments.triggers))
        head = 'version: 1\nowner: benchmark\npipelines: ["*"]\ntriggers:\n'
        (directory / "orders.yaml").write_text(head + triggers, encoding="utf-8")
        (directory / "stages.yaml").write_text("dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n")
        command = [str(Path(sys.executable).with_name("triggers")), "compile", "--documents", name]
        started, printed = timed(command, arguments.runs)
        print(printed, end="")
        print(f"triggers compile, the command   {started:8.3f} s")
        load = [sys.executable, "-c", LOAD, name, str(arguments.triggers)]
        loads = [run(load).split() for _ in range(arguments.runs)]
        of_json, of_yaml = (median(map(float, figures)) for figures in zip(*loads, strict=True))
        print(f"load the compiled JSON, first   {of_json * 1000:8.3f} ms")
        print(f"parse the YAML instead, first   {of_yaml * 1000:8.3f} ms, {of_yaml / of_json:.0f} times as long")


def timed(command: list[str], runs: int) -> tuple[float, str]:
    """Return how long a command takes, and what it says."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        printed = run(command)
        seconds.append(time.perf_counter() - start)
    return median(seconds), printed


def run(command: list[str]) -> str:
    """Run a command and return all that it prints."""
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


if __name__ == "__main__":
    main()
