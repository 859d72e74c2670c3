"""Charts of a few lines each, side by side in one SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 300, 220  # of a chart, in pixels
LEFT, TOP, RIGHT, BOTTOM = 48, 44, 14, 34
COLOURS = ("#1f6feb", "#bf5600")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with a title, the unit of its values, and lines: by name, points from left to right."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[tuple[int, float]]]


def draw(charts: Sequence[Chart]) -> str:
    """Return the SVG."""
    size = f'width="{WIDTH * len(charts)}" height="{HEIGHT}" viewBox="0 0 {WIDTH * len(charts)} {HEIGHT}"'
    parts = [f'<g transform="translate({WIDTH * number} 0)">{_chart(chart)}</g>' for number, chart in enumerate(charts)]
    background = '<rect width="100%" height="100%" fill="white"/>'
    style = 'font-family="sans-serif" font-size="11" fill="#333"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>', background, *parts, "</svg>", ""])


def _chart(chart: Chart) -> str:
    """Draw the axes and the lines; the points stand at equal distances, for 1, 300 and 3,000 alike."""
    places = sorted({at for points in chart.lines.values() for at, _ in points})
    top = 1.1 * max(value for points in chart.lines.values() for _, value in points)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(places) - 1)
    x = {at: LEFT + step * number for number, at in enumerate(places)}

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    parts = [
        _text(LEFT, 16, chart.title, 'font-weight="bold"'),
        *(_line(LEFT, y(value), WIDTH - RIGHT, y(value), "#ddd") for value in (0, top / 2, top)),
        *(_text(LEFT - 4, y(value) + 4, f"{value:.3g}", 'text-anchor="end"') for value in (0, top / 2, top)),
        *(_text(x[at], HEIGHT - BOTTOM + 16, f"{at:,}", 'text-anchor="middle"') for at in places),
        _text(LEFT, 34, chart.unit),
    ]
    for number, (name, points) in enumerate(chart.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        way = " ".join(f"{x[at]:.1f},{y(value):.1f}" for at, value in points)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x[at]:.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>' for at, value in points]
        parts.append(_text(WIDTH - RIGHT, 34 + 13 * number, name, f'text-anchor="end" style="fill:{colour}"'))
    return "".join(parts)


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
