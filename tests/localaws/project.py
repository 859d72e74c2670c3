"""A copy of the project with trigger documents of its own, compiled, built and deployed as users do."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline_triggers.compile import files, stack
from pipeline_triggers.documents import loader, schedules

from tests import PROJECT
from tests.localaws.local_aws import LocalAws

STAGES = "dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n"


@dataclass(frozen=True)
class Project:
    """A copy of what a user deploys."""

    path: Path

    @classmethod
    def copied_to(cls, path: Path) -> Project:
        """Copy the project without its documents to a new folder."""
        for name in ("functions", "layers"):
            shutil.copytree(PROJECT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("template.yaml", "samconfig.toml"):
            shutil.copy(PROJECT / name, path / name)
        project = cls(path)
        for document in project.documents.glob("*.yaml"):
            document.unlink()
        (project.documents / "stages.yaml").write_text(STAGES, encoding="utf-8")
        return project

    @property
    def documents(self) -> Path:
        """The folder of the trigger documents."""
        return self.path / "layers" / "triggers"

    def compile(self, triggers: str = "") -> None:
        """Compile the documents as the command does, with one ``team.yaml`` of these triggers if there are any."""
        if triggers:
            (self.documents / "team.yaml").write_text(
                f'version: 1\nowner: team\npipelines: ["*"]\ntriggers:\n{triggers}', encoding="utf-8"
            )
        loaded = loader.load(self.documents)
        past = schedules.past(loaded.triggers, datetime.now(UTC))
        files.write(self.documents, stack.compile_documents(loaded, past))

    def build(self, aws: LocalAws, name: str) -> Path:
        """Build with the real sam, and return the built template.

        All projects are built at one path, since sam knows by it what did not change since the last build.
        """
        place = aws.directory / "project"
        for folder in ("functions", "layers"):
            shutil.rmtree(place / folder, ignore_errors=True)
        shutil.copytree(self.path, place, dirs_exist_ok=True)
        return aws.build(name, place)

    def deploy(self, aws: LocalAws, name: str, stage: str = "dev", *parameters: str) -> None:
        """Build and deploy with the real sam, as the stack of this name."""
        aws.deploy(name, self.build(aws, name), f"Stage={stage}", *parameters, project=self.path)
