"""One handler in a process of its own, as Lambda runs it: its first event, and warm batches of events.

The work comes as JSON on the command line. The CPU seconds go as JSON to standard output: of the process from its start
to the end of the first event, and per event of each warm batch. Python runs it with -I -S, so that only the given
folders are imported from, like Lambda's layers and its runtime.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

CONTEXT = SimpleNamespace(
    function_name="handler",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:handler",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 120_000,
)


def batch(bodies: list[str]) -> dict[str, Any]:
    """Return what Lambda hands over for messages with these bodies."""
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))}
    about = {"receiptHandle": "handle", "eventSource": "aws:sqs", "attributes": attributes}
    return {"Records": [{"messageId": str(number), "body": body, **about} for number, body in enumerate(bodies)]}


def calls() -> dict[str, int]:
    """Return the calls that the server has counted since the last time."""
    # Imported late: it is no part of a handler.
    import ssl
    import urllib.request

    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/calls", context=context) as response:  # noqa: S310
        counted: dict[str, int] = json.load(response)
    return counted


def main(work: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    sys.path[:0] = work["paths"]
    handler = importlib.import_module(work["module"]).handler

    def invoke(bodies: list[str]) -> None:
        failed = handler(batch(bodies), CONTEXT)
        assert not (failed or {}).get("batchItemFailures"), failed

    invoke(work["first"])
    measured: dict[str, Any] = {"cold": time.process_time(), "memory": _peak_megabytes(), "calls": {"cold": calls()}}
    for name, bodies in work["warm"].items():
        invoke(bodies)
        calls()
        invoke(bodies)
        measured["calls"][name] = calls()
    spent = dict.fromkeys(work["warm"], 0.0)
    for _ in range(work["rounds"]):
        for name, bodies in work["warm"].items():
            began = time.process_time()
            invoke(bodies)
            spent[name] += time.process_time() - began
    measured["warm"] = {
        name: spent[name] / work["rounds"] / len(bodies) for name, bodies in work["warm"].items() if work["rounds"]
    }
    return measured


def _peak_megabytes() -> float:
    """Return the most memory that this process had; getrusage would count what its parent had before, too."""
    with open("/proc/self/status", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would count as the handler's
        return int(file.read().partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    output, sys.stdout = sys.stdout, sys.stderr
    json.dump(main(json.loads(sys.argv[1])), output)
