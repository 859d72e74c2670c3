"""``triggers test``: play the documents' examples."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import check_stage, complete_trigger, documents_option, stage_option
from pipeline_triggers.documents import loader
from pipeline_triggers.operations import examples
from pipeline_triggers.operations.examples import Result
from pipeline_triggers.operations.update_examples import updated
from pipeline_triggers.text import did_you_mean


@click.command("test")
@click.argument("names", metavar="[TRIGGER]...", nargs=-1, shell_complete=complete_trigger)
@click.option("--aws", "ask_aws", is_flag=True, help="Let EventBridge say which rules match, not the embedded AWS.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write the results as JUnit XML.")
@click.option("--update", is_flag=True, help="Write what came into the documents, after showing it and asking.")
@click.option("--yes", is_flag=True, help="With --update: do not ask.")
@documents_option
@stage_option
def test_command(
    names: tuple[str, ...],
    ask_aws: bool,
    junit: Path | None,
    update: bool,
    yes: bool,
    directory: Path,
    stage: str,
) -> None:
    """Play the examples of the documents, of these triggers or of all; needs no account.

    Exits with 1 when a result differs from its example, unless it was updated.
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
    if wrong and update:
        _update(loaded, stage, played, ask=not yes)
    elif wrong:
        raise output.FoundProblems(wrong, f"{len(wrong)} of {len(played)} examples differ")
    else:
        output.line(f"{_count(len(played))} OK" if played else "no examples")


def _update(documents: loader.Documents, stage: str, results: Sequence[Result], *, ask: bool) -> None:
    """Show how the documents' texts would change, and write them if that is right."""
    differing = [result for result in results if result.difference]
    by_file: dict[str, list[Result]] = {}
    for result in differing:
        by_file.setdefault(documents.files[result.example.trigger].file, []).append(result)
    fresh = {}
    for name, of_file in by_file.items():
        text = Path(name).read_text(encoding="utf-8")
        fresh[name] = updated(text, of_file, documents, stage)
        for line in difflib.unified_diff(text.splitlines(), fresh[name].splitlines(), name, name, lineterm="", n=1):
            output.line(line)
    if ask:
        click.confirm(f"Write {_count(len(differing))}?", abort=True, err=True)
    for name, text in fresh.items():
        Path(name).write_text(text, encoding="utf-8")
    output.line(f"{_count(len(differing))} updated in {', '.join(by_file)}")


def _count(number: int) -> str:
    return f"{number} example{'' if number == 1 else 's'}"


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
