"""Measures, prints a summary, and writes docs/performance.md with its picture."""

from __future__ import annotations

import argparse
import datetime
import ipaddress
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import PROJECT
from tests.benchmark import cases, report
from tests.simulation.invocation import ENVIRONMENT
from tests.simulation.janitor_world import JANITOR

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "jmespath", "urllib3", "six")
FUNCTIONS = {
    "on_s3_upload": "OnS3UploadFunction",
    "on_endpoint_status": "OnEndpointStatusFunction",
    "on_sns_message": "OnSnsMessageFunction",
    "on_event": "OnEventFunction",
    "on_batch": "OnBatchFunction",
    "janitor": "JanitorFunction",
}
TEN_LINES = "ten_lines"
COUNTS = (1, 300, 3000)
COMMAND_ROUNDS = 3  # they take longer than all else


@dataclass
class Results:
    """Seconds of CPU, a list per measured thing with one item per round; calls to AWS by operation; megabytes."""

    cold: dict[str, list[float]] = field(default_factory=dict)
    warm: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, dict[str, int]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    commands: dict[str, list[float]] = field(default_factory=dict)
    layer: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure everything, interleaved, so that a noisy machine is noisy for all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="processes for each measured thing")
    parser.add_argument("--events", type=int, default=50, help="warm batches in each process")
    arguments = parser.parse_args()
    results = Results()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as environment:
        folder = Path(name)
        subprocess.run(
            [BIN / "sam", "build", "--build-dir", folder / "build"], check=True, cwd=PROJECT, capture_output=True
        )
        results.layer = sizes(folder / "build" / "CoreLayer")
        bring_runtime(folder / "runtime")
        for count in COUNTS:
            cases.write(folder / str(count), count, cases.COLLECTED + cases.OTHERS)
            cases.compiled(folder / str(count))
            cases.write(folder / f"documents-{count}", count)
        cases.write(folder / "examples", 100, upload=cases.UPLOAD + cases.EXAMPLES)
        for number in range(arguments.rounds):
            for job, work in jobs(folder, arguments.events):
                add(results, job, invoked(work, environment))
            if number < COMMAND_ROUNDS:
                measure_commands(folder, results.commands)
            # After each round, so that an interrupted run has written what it knows.
            report.write(results, number + 1)
    print((PROJECT / "docs" / "performance.md").read_text(encoding="utf-8"))


def jobs(folder: Path, events: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what one process each measures, under the name of a handler and its number of triggers."""
    build, runtime = folder / "build", str(folder / "runtime")
    one = {"started": cases.uploads(0)}
    work: dict[str, Any] = {"paths": [str(HERE), runtime], "module": TEN_LINES, "first": cases.uploads(0), "warm": one}
    yield TEN_LINES, {**work, "rounds": events}
    core = str(build / "CoreLayer" / "python")
    for count in COUNTS:
        last = count - 1
        work = {
            "paths": [str(build / FUNCTIONS["on_s3_upload"]), core, str(folder / str(count))],
            "module": "on_s3_upload",
            "first": cases.uploads(last),
            "warm": {"started": cases.uploads(last), "filtered": cases.filtered(last)},
        }
        if count == 1:
            work["warm"] |= {f"started, {size} in a batch": cases.uploads(0, size) for size in (2, 5, 10)}
            work["warm"] |= {f"collected, {size} in a batch": cases.collected(size) for size in (1, 10)}
        yield f"on_s3_upload {count}", {**work, "rounds": events}
    for module in ("on_endpoint_status", "on_sns_message", "on_event", "on_batch", "janitor"):
        paths = [str(build / FUNCTIONS[module]), core, str(folder / "1")]
        yield module, {"paths": paths, "module": module, "first": [cases.FIRST[module]()], "warm": {}, "rounds": 0}


def invoked(work: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Return what a process measures."""
    # -B: an artifact without bytecode stays so, as in Lambda.
    command = [sys.executable, "-I", "-S", "-B", str(HERE / "invoke.py"), json.dumps(work)]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def add(results: Results, job: str, measured: dict[str, Any]) -> None:
    """Add what one process measured."""
    results.cold.setdefault(job, []).append(measured["cold"])
    results.memory[job] = max(measured["memory"], results.memory.get(job, 0))
    for name, seconds in measured["warm"].items():
        results.warm.setdefault(f"{job}, {name}", []).append(seconds)
    for name, calls in measured["calls"].items():
        results.calls[f"{job}, {name}"] = calls


def measure_commands(folder: Path, spent: dict[str, list[float]]) -> None:
    """Add the CPU seconds of each command."""
    spent.setdefault("--help", []).append(run_command("--help"))
    for count in COUNTS:
        for command in ("check", "compile"):
            seconds = run_command(command, "--documents", str(folder / f"documents-{count}"))
            spent.setdefault(f"{command}, {count:,} triggers", []).append(seconds)
    spent.setdefault("test, 300 examples", []).append(run_command("test", "--documents", str(folder / "examples")))


def run_command(*arguments: str) -> float:
    """Return the CPU seconds of a command; 3,000 triggers exceed a stack, which compiling reports."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(BIN / "triggers"), *arguments]
    subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bring_runtime(folder: Path) -> None:
    """Copy boto3 and what it needs, with bytecode: what Lambda's runtime has for the ten-line handler."""
    folder.mkdir()
    for name in OF_THE_RUNTIME:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        origin = Path(spec.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, folder)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)


def sizes(layer: Path) -> dict[str, float]:
    """Return the layer's size in megabytes, unpacked and zipped."""
    unpacked = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
    archive = Path(shutil.make_archive(str(layer.parent / "layer"), "zip", layer))
    return {"unpacked": unpacked / 1e6, "zipped": archive.stat().st_size / 1e6}


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """Start the server; yield the environment of functions that call it and trust its certificate."""
    certificate = make_certificate(folder / "server.pem")
    spec = find_spec("botocore")
    assert spec
    assert spec.origin
    # All authorities that botocore trusts and one more: reading them is a part of each cold start.
    authorities = Path(spec.origin).with_name("cacert.pem").read_bytes()
    (folder / "authorities.pem").write_bytes(authorities + certificate)
    command = [sys.executable, str(HERE / "server.py"), str(folder / "server.pem")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        urls = {"AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}", "AWS_CA_BUNDLE": str(folder / "authorities.pem")}
        try:
            yield {"PATH": os.environ["PATH"], **ENVIRONMENT, **JANITOR, **urls}
        finally:
            server.terminate()


def make_certificate(path: Path) -> bytes:
    """Write a key and its certificate for this machine; return the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    written = certificate.public_bytes(serialization.Encoding.PEM)
    unencrypted = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    path.write_bytes(written + secret)
    return written


if __name__ == "__main__":
    main()
