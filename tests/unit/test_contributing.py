"""CONTRIBUTING.md's examples of a source and a looked-up field, followed to the letter in a copy of the project."""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import PROJECT

LIBRARY = Path("layers/core/pipeline_triggers")
GENERATED = {LIBRARY / "documents/schema.json", Path("docs/triggers.md")}
EVENT = {
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "Batch Job State Change",
    "source": "aws.batch",
    "time": "2026-11-01T04:12:09Z",
    "resources": ["arn:aws:batch:eu-central-1:123456789012:job/4c7599ae"],
    "detail": {
        "jobArn": "arn:aws:batch:eu-central-1:123456789012:job/4c7599ae",
        "jobName": "prepare-churn",
        "status": "SUCCEEDED",
    },
}
HEAD = "version: 1\nowner: team\npipelines: [train]\ntriggers:\n  one:\n    start: train\n"


def example(heading: str, beginning: str) -> str:
    """Return the Python example below a heading that begins so."""
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = [textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL)]
    (block,) = [block for block in blocks if block.startswith(beginning)]
    return block


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the page says to edit, and of what generates the rest."""
    for name in ("layers", "docs", "functions", "tests/tools"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "template.yaml", "tests/__init__.py"):
        shutil.copy(PROJECT / name, tmp_path / name)
    for document in (tmp_path / "layers/triggers").glob("*.yaml"):
        document.unlink()
    (tmp_path / "layers/triggers/stages.yaml").write_text("dev: {}\n", encoding="utf-8")
    return tmp_path


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace texts, each of which the file has once."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def run(copy: Path, *command: str) -> str:
    """Run Python with the copy's library, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": f"{copy}:{copy / 'layers/core'}"}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def edited(copy: Path) -> list[Path]:
    """Return the library's and the page's files that differ from the project's, without the generated ones."""
    paths = [path.relative_to(copy) for path in (copy / LIBRARY).rglob("*.*") if "__pycache__" not in path.parts]
    return [
        path
        for path in paths
        if path not in GENERATED
        and not ((PROJECT / path).is_file() and filecmp.cmp(PROJECT / path, copy / path, shallow=False))
    ]


def test_a_source_takes_three_files(copy: Path) -> None:
    """Its own, the registry and its sample; schema and reference follow, and documents may use it."""
    docstring, _, code = example("Add a source", '"""').partition("\n")
    sources = copy / LIBRARY / "language/sources"
    imports = (
        "from __future__ import annotations\n"
        "from pipeline_triggers.language import globs\n"
        "from pipeline_triggers.language.sources.source import *\n"
    )
    (sources / "batch_job.py").write_text(f"{docstring}\n{imports}{code}", encoding="utf-8")
    edit(sources / "__init__.py", ("    alarm,\n", "    alarm,\n    batch_job,\n"), ("event)", "event, batch_job)"))
    (copy / LIBRARY / "documents/samples/batch_job.json").write_text(json.dumps(EVENT), encoding="utf-8")
    run(copy, "-m", "tests.tools.reference")
    assert len(edited(copy)) == 3
    assert "| `batch_job.status` |" in (copy / "docs/triggers.md").read_text(encoding="utf-8")
    when = "when: {batch_job: {name: prepare-*, status: succeeded}}"
    (copy / "layers/triggers/team.yaml").write_text(
        f'{HEAD}    {when}\n    parameters: {{Job: "{{% detail.jobName %}}"}}\n', encoding="utf-8"
    )
    run(copy, "-c", "from pipeline_triggers.cli import main; main()", "compile")
    stack = (copy / "layers/triggers/compiled/stack.yaml").read_text(encoding="utf-8")
    assert "- prefix: prepare-" in stack
    assert "- SUCCEEDED" in stack


def test_a_looked_up_field_takes_one_file(copy: Path) -> None:
    """Its entry: the reference and the handler's permission follow."""
    function, entry = example("Add a looked-up field", "def "), example("Add a looked-up field", "Lookup(")
    edit(
        copy / LIBRARY / "language/lookups.py",
        ('\n_BUCKET = "', f'\n{function}\n\n_BUCKET = "'),
        ("\n_ENTRIES = (\n", f"\n_ENTRIES = (\n{entry.rstrip()},\n"),
    )
    run(copy, "-m", "tests.tools.reference")
    assert len(edited(copy)) == 1
    assert "| `$object.storage_class` |" in (copy / "docs/triggers.md").read_text(encoding="utf-8")
    (copy / "layers/triggers/team.yaml").write_text(
        f"{HEAD}    when: {{s3: {{bucket: raw}}}}\n    if: \"{{% $object.storage_class = 'STANDARD' %}}\"\n",
        encoding="utf-8",
    )
    run(copy, "-c", "from pipeline_triggers.cli import main; main()", "compile")
    assert "s3:GetObject\n" in (copy / "layers/triggers/compiled/stack.yaml").read_text(encoding="utf-8")
