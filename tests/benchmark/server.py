"""AWS as far as a measured handler calls it: TLS on loopback, one answer per operation, and a count of the calls.

It runs in a process of its own, so that its work is not counted as a handler's.
"""

from __future__ import annotations

import json
import ssl
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAMES = ("InputDataUrl", "Date", "InstanceType", "Bucket", "Epochs", "Reason", "Name")
DEFINITION = json.dumps({"Parameters": [{"Name": name, "DefaultValue": ""} for name in NAMES]})
ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/orders-training"

# Any other operation is answered with an empty object.
ANSWERS: dict[str, dict[str, Any]] = {
    "DescribePipeline": {"PipelineArn": ARN, "PipelineDefinition": DEFINITION},
    "StartPipelineExecution": {"PipelineExecutionArn": f"{ARN}/execution/abcdefghijkl"},
    "BatchGetItem": {"Responses": {}},
    "Query": {"Items": [], "Count": 0},
    "ListSchedules": {"Schedules": []},
    "ListRuleNamesByTarget": {"RuleNames": []},
    "ListEventBuses": {"EventBuses": []},
    "ListPipelines": {"PipelineSummaries": []},
    "PutEvents": {"FailedEntryCount": 0, "Entries": []},
}
COUNTER = "/calls"


class Answers(BaseHTTPRequestHandler):
    """Answers a call; ``COUNTER`` returns the calls since the last time, by operation."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer an operation whose name is in a header."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(self.headers["X-Amz-Target"].rpartition(".")[2])

    def do_GET(self) -> None:
        """Answer Scheduler's one operation, or return the counted calls and begin to count anew."""
        if self.path != COUNTER:
            self._answer("ListSchedules")
            return
        counted = dict(CALLS)
        CALLS.clear()
        self._send(counted)

    def _answer(self, operation: str) -> None:
        CALLS[operation] += 1
        self._send(ANSWERS.get(operation, {}))

    def _send(self, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


CALLS: Counter[str] = Counter()


def main() -> None:
    """Serve with a certificate, a PEM file with its key, and print the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(sys.argv[1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
