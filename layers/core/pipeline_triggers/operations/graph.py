"""What starts what, as a Mermaid flowchart: sources → triggers → pipelines → triggers that their ends fire. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline_triggers.language.globs import matches_name
from pipeline_triggers.models import Limits, Trigger

MAX_IN_FULL = 60  # triggers; more are drawn as their teams

# Mermaid's brackets around a node's label, by kind.
_SHAPES = {
    "s3": ("[(", ")]"),
    "schedule": ("{{", "}}"),
    "source": (">", "]"),
    "trigger": ("([", "])"),
    "pipeline": ("[[", "]]"),
    "team": ("[", "]"),
}

# What a team has of its own, where it is drawn as one node.
_NOUNS = {
    "trigger": "trigger",
    "pipeline": "pipeline",
    "s3": "bucket",
    "schedule": "schedule",
    "source": "other source",
}

# How a trigger is coloured, the first of these for a team: readable in GitHub's light and dark themes.
COLOURS = {
    "rejected": "fill:#cf222e,color:#ffffff,stroke:#cf222e",
    "started": "fill:#1a7f37,color:#ffffff,stroke:#1a7f37",
    "quiet": "fill:#d0d7de,color:#1f2328,stroke:#57606a",
    "disabled": "fill:#ffffff,color:#57606a,stroke:#57606a,stroke-dasharray:4",
}

_STARTING = ("STARTED", "DUPLICATE", "COLLECTED")


@dataclass(frozen=True, slots=True)
class Node:
    """A box: two nodes of the same ``kind`` and ``name`` are one. ``team`` is the frame around it."""

    kind: str
    name: str
    label: str
    team: str = ""
    colour: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same node."""
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between two nodes."""

    start: Node
    end: Node
    label: str = ""


def mermaid(
    triggers: Sequence[Trigger],
    limits: Mapping[str, Limits],
    outcomes: Mapping[str, Counter[str]] | None = None,
) -> str:
    """Draw the triggers of one stage; more than 60 are drawn as their teams.

    ``outcomes`` counts the verdicts by trigger, and colours the triggers: with a rejection, with a start, or without
    either.
    """
    edges = _edges(triggers, limits, outcomes)
    drawn = _framed(edges) if len(triggers) <= MAX_IN_FULL else _by_team(edges)
    return "\n".join(_written(drawn)) + "\n"


def _edges(
    triggers: Sequence[Trigger], limits: Mapping[str, Limits], outcomes: Mapping[str, Counter[str]] | None
) -> Iterator[Edge]:
    names = {start.pipeline for trigger in triggers for start in trigger.start}
    pipelines = {name: _pipeline(name, limits.get(name, Limits())) for name in sorted(names)}
    for trigger in triggers:
        node = _trigger(trigger, outcomes)
        for view in trigger.views():
            for source, label in _sources(view, pipelines):
                yield Edge(source, node, " ".join(filter(None, (view.part, label))))
        for name in dict.fromkeys(start.pipeline for start in trigger.start):
            yield Edge(node, pipelines[name], "one of" if trigger.one_of else "")


def _trigger(trigger: Trigger, outcomes: Mapping[str, Counter[str]] | None) -> Node:
    team, _, name = trigger.id.partition("/")
    notes = [
        "one run per batch" if trigger.collect else "",
        "started by AWS itself" if trigger.direct else "",
        "dry run" if trigger.dry_run else "",
        "" if trigger.enabled else "disabled",
    ]
    label = "\n".join([name, *filter(None, notes)])
    return Node("trigger", trigger.id, label, team, _colour(trigger, outcomes))


def _colour(trigger: Trigger, outcomes: Mapping[str, Counter[str]] | None) -> str:
    if not trigger.enabled:
        return "disabled"
    if outcomes is None:
        return ""
    seen = outcomes.get(trigger.id, Counter())
    if seen["REJECTED"]:
        return "rejected"
    return "started" if any(seen[outcome] for outcome in _STARTING) else "quiet"


def _pipeline(name: str, limits: Limits) -> Node:
    words = [
        f"{limits.max_running} at a time" if limits.max_running else "",
        f"at least {limits.min_interval // 60} min apart" if limits.min_interval else "",
        f"{limits.max_per_day} in 24 hours" if limits.max_per_day else "",
    ]
    return Node("pipeline", name, "\n".join([name, *filter(None, words)]))


def _sources(trigger: Trigger, pipelines: Mapping[str, Node]) -> Iterator[tuple[Node, str]]:
    """Give what fires a trigger, with the words on its arrow; the pipelines themselves where it waits for their end."""
    fields = trigger.when.fields
    match trigger.when.source:
        case "s3":
            yield Node("s3", fields["bucket"], f"s3://{fields['bucket']}"), fields.get("key", "")
        case "schedule":
            times = "\n".join(f"{name} {fields[name]}" for name in ("at", "rate", "cron", "timezone") if name in fields)
            # Two triggers at the same time have nothing in common by that.
            yield Node("schedule", trigger.id, times), ""
        case "pipeline":
            ended = [node for name, node in pipelines.items() if matches_name(fields["name"].lower(), name.lower())]
            status = ", ".join(fields["status"])
            for node in ended or [Node("pipeline", fields["name"], fields["name"])]:
                yield node, status
        case "sns":
            topic = fields.get("topic", "the stack's own topic").rpartition(":")[2]
            yield Node("source", f"topic {topic}", f"topic\n{topic}"), ""
        case "event":
            bus = fields.get("bus", "default")
            types = fields["pattern"].get("detail-type", ["any event"])
            yield Node("source", f"bus {bus}", f"event bus\n{bus}"), ", ".join(map(str, types))
        case _:
            name = next((value for value in fields.values() if isinstance(value, str)), "any")
            kind = trigger.when.source.replace("_", " ")
            yield Node("source", f"{kind} {name}", f"{kind}\n{name}"), ", ".join(fields.get("status", ()))


def _framed(edges: Iterable[Edge]) -> list[Edge]:
    """Put what only one team uses into that team's frame; a single team needs no frame."""
    edges = list(edges)
    teams = _teams(edges)
    if len(set().union(*teams.values())) == 1:
        return [replace(edge, start=replace(edge.start, team=""), end=replace(edge.end, team="")) for edge in edges]

    def framed(node: Node) -> Node:
        return replace(node, team=next(iter(teams[node.key]))) if len(teams[node.key]) == 1 else node

    return [replace(edge, start=framed(edge.start), end=framed(edge.end)) for edge in edges]


def _by_team(edges: Iterable[Edge]) -> list[Edge]:
    """Draw each team as one node, with what several teams use; what only one uses is counted in its node."""
    edges = list(edges)
    teams = _teams(edges)
    nodes = {node.key: node for edge in edges for node in (edge.start, edge.end)}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    colours: dict[str, set[str]] = defaultdict(set)
    for key, node in nodes.items():
        if len(teams[key]) == 1:
            (team,) = teams[key]
            counts[team][_NOUNS[node.kind]] += 1
            colours[team].add(node.colour)

    def folded(node: Node) -> Node:
        if len(teams[node.key]) > 1:
            return node
        (team,) = teams[node.key]
        words = [_count(counts[team][noun], noun) for noun in _NOUNS.values() if counts[team][noun]]
        colour = next((name for name in (*COLOURS, "") if name in colours[team] - {"disabled"}), "disabled")
        return Node("team", team, "\n".join([team, *words]), colour=colour)

    folds = Counter((folded(edge.start), folded(edge.end)) for edge in edges)
    joined = [Edge(start, end, str(count) if count > 1 else "") for (start, end), count in folds.items()]
    return [edge for edge in joined if edge.start != edge.end or len(folds) == 1]


def _teams(edges: Iterable[Edge]) -> dict[tuple[str, str], set[str]]:
    """Return the teams that use a node: those of the triggers on the other ends of its edges, and its own."""
    teams: dict[tuple[str, str], set[str]] = defaultdict(set)
    for edge in edges:
        for node, other in ((edge.start, edge.end), (edge.end, edge.start)):
            teams[node.key].add(node.team or other.team)
    return teams


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _written(edges: Sequence[Edge]) -> Iterator[str]:
    """Write Mermaid's text; a node is written once, in the frame of its team."""
    nodes = {node.key: node for edge in edges for node in (edge.start, edge.end)}
    names = {key: f"n{number}" for number, key in enumerate(nodes)}
    yield "flowchart LR"
    by_team = sorted(nodes.values(), key=lambda node: node.team)
    for number, (team, members) in enumerate(groupby(by_team, key=lambda node: node.team)):
        if team:
            yield f"  subgraph team{number}[{_text(team)}]"
        for node in members:
            opening, closing = _SHAPES[node.kind]
            colour = f":::{node.colour}" if node.colour else ""
            yield f"    {names[node.key]}{opening}{_text(node.label)}{closing}{colour}"
        if team:
            yield "  end"
    for edge in edges:
        label = f"|{_text(edge.label)}|" if edge.label else ""
        yield f"  {names[edge.start.key]} -->{label} {names[edge.end.key]}"
    used = {node.colour for node in nodes.values()}
    yield from (f"  classDef {name} {style}" for name, style in COLOURS.items() if name in used)


def _text(label: str) -> str:
    """Write a label: Mermaid reads HTML in it, and Markdown between backticks."""
    for character in '#&"<>`':
        label = label.replace(character, f"\0{ord(character)};")
    return '"' + label.replace("\0", "#").replace("\n", "<br>") + '"'
