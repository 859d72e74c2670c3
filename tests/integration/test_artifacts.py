"""What ``sam build`` makes: complete, pure Python, and nothing that a local run left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_triggers.language.sources import HANDLERS

from tests import PROJECT
from tests.localaws.local_aws import LocalAws
from tests.localaws.project import Project
from tests.simulation.invocation import ENVIRONMENT

TRIGGERS = """
  one:
    when: {s3: {bucket: "${RawBucket}"}}
    start: one
"""

IMPORT = """
import sys, socket
def refuse(*arguments): raise AssertionError("a network call at import")
socket.socket.connect = socket.getaddrinfo = refuse
sys.path[:0] = sys.argv[1:]
import on_batch, on_endpoint_status, on_event, on_s3_upload, on_sns_message
from pipeline_triggers.delivery import handler as delivery
from importlib import resources
assert resources.files("compiled_triggers").joinpath("triggers.json").is_file()
import zoneinfo
zoneinfo.reset_tzpath(to=())  # as where the machine has no zones
assert zoneinfo.ZoneInfo("Europe/Berlin")
print(on_s3_upload.handler.__name__, delivery.__file__)
"""


# Imports every handler, and prints which files of the library that loaded.
LOADED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from functions import janitor, on_batch, on_endpoint_status, on_event, on_s3_upload, on_sns_message
import pipeline_triggers
root = Path(pipeline_triggers.__file__).parent
for name, module in sys.modules.items():
    if name.partition(".")[0] == "pipeline_triggers":
        print(Path(module.__file__).relative_to(root))
"""


@pytest.fixture(scope="module")
def artifacts(aws: LocalAws, new_project: Callable[[], Project]) -> Path:
    """The artifacts of a project in which Python has run: bytecode lies about."""
    project = new_project()
    project.compile(TRIGGERS)
    for folder in ("functions", "layers/core/pipeline_triggers", "layers/triggers"):
        (project.path / folder / "__pycache__").mkdir()
        (project.path / folder / "__pycache__" / "left.pyc").write_bytes(b"left")
    return aws.build("artifacts", project.path).parent


def files(folder: Path) -> list[str]:
    """Return the files of an artifact."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_artifacts_hold_what_they_need_and_no_more(artifacts: Path) -> None:
    """A function is its handler's one file, the triggers' layer one JSON file."""
    assert {name: files(artifacts / f"{name}Function") for name in HANDLERS} == {
        "OnS3Upload": ["on_s3_upload.py"],
        "OnEndpointStatus": ["on_endpoint_status.py"],
        "OnSnsMessage": ["on_sns_message.py"],
        "OnEvent": ["on_event.py"],
    }
    assert files(artifacts / "TriggersLayer") == ["python/compiled_triggers/triggers.json"]


def test_the_core_layer_runs_on_either_processor(artifacts: Path) -> None:
    """Pure Python only: no compiled library."""
    endings = {Path(name).suffix for name in files(artifacts / "CoreLayer")}
    assert not endings & {".so", ".pyd", ".dylib"}


@pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="bytecode is made by the functions' own Python only")
def test_each_module_of_the_core_layer_has_its_bytecode(artifacts: Path) -> None:
    """Python trusts it without a look at the source, and names the source where Lambda has it."""
    shipped = files(artifacts / "CoreLayer")
    sources = [Path(name) for name in shipped if name.endswith(".py")]
    cached = {f"{name.parent}/__pycache__/{name.stem}.cpython-313.pyc" for name in sources}
    assert cached == {name for name in shipped if name.endswith(".pyc")}
    bytecode = (artifacts / "CoreLayer/python/pipeline_triggers/__pycache__/aws.cpython-313.pyc").read_bytes()
    assert int.from_bytes(bytecode[4:8], "little") == 0b01  # by hash, unchecked; PEP 552
    assert b"/opt/python/pipeline_triggers/aws.py" in bytecode
    assert str(artifacts).encode() not in bytecode


def test_the_core_layer_holds_exactly_what_the_handlers_import(artifacts: Path) -> None:
    """A change to the command line or the compiler changes no function."""
    command = [sys.executable, "-c", LOADED, str(PROJECT)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | ENVIRONMENT).stdout
    library = [name for name in files(artifacts / "CoreLayer") if name.startswith("python/pipeline_triggers/")]
    shipped = {name for name in library if not name.endswith(".pyc")}
    assert shipped == {f"python/pipeline_triggers/{name}" for name in loaded.split()}


def test_an_artifact_does_not_depend_on_where_it_was_built(
    aws: LocalAws, new_project: Callable[[], Project], artifacts: Path
) -> None:
    """Else every change of machine would be a change to deploy, and hide the real ones."""
    project = new_project()
    project.compile(TRIGGERS)
    elsewhere = aws.build("elsewhere", project.path).parent
    for artifact in ("CoreLayer", "TriggersLayer", *(f"{name}Function" for name in HANDLERS)):
        contents = [
            {name: (folder / artifact / name).read_bytes() for name in files(folder / artifact)}
            for folder in (artifacts, elsewhere)
        ]
        assert contents[0] == contents[1]


def test_a_handler_needs_only_its_layers(artifacts: Path) -> None:
    """The embedded AWS would lend it the development environment; a bare interpreter does not."""
    paths = [
        *(artifacts / f"{name}Function" for name in (*HANDLERS, "OnBatch")),
        artifacts / "TriggersLayer" / "python",
        artifacts / "CoreLayer" / "python",
    ]
    done = subprocess.run(
        # -I: no environment, no user's packages; -S: no site-packages; -B: no bytecode into the artifacts.
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"handler {artifacts}/CoreLayer/python/pipeline_triggers/delivery/handler.py\n"
