"""``triggers test``: play the documents' examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import check_stage, complete_trigger, documents_option, stage_option
from pipeline_triggers.documents import loader
from pipeline_triggers.operations import examples
from pipeline_triggers.operations.examples import Result
from pipeline_triggers.text import did_you_mean


@click.command("test")
@click.argument("names", metavar="[TRIGGER]...", nargs=-1, shell_complete=complete_trigger)
@click.option("--aws", "ask_aws", is_flag=True, help="Let EventBridge say which rules match, not the embedded AWS.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write the results as JUnit XML.")
@documents_option
@stage_option
def test_command(names: tuple[str, ...], ask_aws: bool, junit: Path | None, directory: Path, stage: str) -> None:
    """Play the examples of the documents, of these triggers or of all; needs no account.

    Exits with 1 when a result differs from its example.
    """
    loaded = loader.load(directory)
    check_stage(loaded, stage)
    known = [trigger.id for trigger in loaded.triggers]
    for name in names:
        if name not in known:
            raise output.usage_error(f"no trigger {name}; {did_you_mean(name, known)}")
    matches = examples.asked if ask_aws else examples.offline()
    played = [
        result for result in examples.play(loaded, stage, matches) if not names or result.example.trigger in names
    ]
    wrong = [examples.problem(loaded, result) for result in played if result.difference]
    if junit:
        junit.write_bytes(_junit(loaded, played))
    if wrong:
        raise output.FoundProblems(wrong, f"{len(wrong)} of {len(played)} examples differ")
    output.line(f"{len(played)} example{'' if len(played) == 1 else 's'} OK" if played else "no examples")


def _junit(documents: loader.Documents, results: Sequence[Result]) -> bytes:
    failures = sum(bool(result.difference) for result in results)
    suite = ElementTree.Element("testsuite", name="triggers", tests=str(len(results)), failures=str(failures))
    for result in results:
        number = str(result.example.path[-1])
        case = ElementTree.SubElement(suite, "testcase", classname=result.example.trigger, name=f"example {number}")
        if result.difference:
            text = str(examples.problem(documents, result))
            ElementTree.SubElement(case, "failure", message=result.difference).text = text
    xml: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return xml
