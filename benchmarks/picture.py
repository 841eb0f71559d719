"""The picture of the results: how many times faster tahr on JAX is than the best of each kind of peer."""

import math
import re
from html import escape

KINDS = (("Keras", "Keras on", "#4878a8"), ("raw torch", "raw torch", "#d1803c"), ("raw JAX", "raw JAX", "#5a9a5a"))
COLUMN = "tahr on JAX is n x faster"
LEFT, UNIT, BAR, GAP, TOP = 190, 140, 9, 12, 56  # pixels; a unit is a factor of 10
LOWEST, HIGHEST = 0.1, 1000.0


def ratios(results: str) -> dict[str, dict[str, float]]:
    """Return, by workload, the smallest ratio of each kind of peer, read from the tables of RESULTS.md.

    >>> ratios("## mlp\\n\\n| peer | tahr on JAX is n x faster |\\n|---|---|\\n| Keras on JAX | 1.5 |")
    {'mlp': {'Keras': 1.5}}
    """
    found: dict[str, dict[str, float]] = {}
    for part in re.split(r"^## ", results, flags=re.M)[1:]:
        rows = [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
        if not rows or COLUMN not in rows[0]:
            continue
        at = rows[0].index(COLUMN)
        best: dict[str, float] = {}
        for row in rows[2:]:
            value = row[at].replace(",", "") if len(row) == len(rows[0]) else "-"
            kind = next((name for name, start, _ in KINDS if row[0].startswith(start)), None)
            if kind and re.fullmatch(r"[\d.]+", value):
                best[kind] = min(float(value), best.get(kind, math.inf))
        if best:
            found[part.split("\n", 1)[0].strip()] = best
    return found


def draw(results: str) -> str:
    """Return an SVG of bars on a logarithmic scale that begin at 1, where both take the same time."""
    found = ratios(results)
    heights = [len(best) * BAR + GAP for best in found.values()]
    width, height = LEFT + int(UNIT * math.log10(HIGHEST / LOWEST)) + 60, TOP + sum(heights) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        '<text x="8" y="16">tahr on JAX is so many times faster than the best of:</text>',
    ]
    for i, (name, _, colour) in enumerate(KINDS):
        lines.append(f'<rect x="{LEFT + 120 + 90 * i}" y="8" width="10" height="10" fill="{colour}"/>')
        lines.append(f'<text x="{LEFT + 134 + 90 * i}" y="17">{name}</text>')
    for power in range(-1, 4):
        x = _place(10.0**power)
        lines.append(f'<path d="M{x:.0f} {TOP - 14}V{height - 6}" stroke="{"#000" if power == 0 else "#ddd"}"/>')
        lines.append(f'<text x="{x:.0f}" y="{TOP - 18}" text-anchor="middle">{10.0**power:g}</text>')
    y = TOP
    for (workload, best), tall in zip(found.items(), heights, strict=True):
        middle = y + len(best) * BAR / 2 + 4
        lines.append(f'<text x="{LEFT - 60}" y="{middle:.0f}" text-anchor="end">{escape(workload)}</text>')
        for at, (name, _, colour) in enumerate(kind for kind in KINDS if kind[0] in best):
            begin, end = sorted((_place(1.0), _place(best[name])))
            top = y + at * BAR
            lines.append(
                f'<rect x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" height="{BAR - 1}" fill="{colour}"/>'
            )
            lines.append(f'<text x="{end + 3:.1f}" y="{top + 8}" font-size="9">{best[name]:.3g}</text>')
        y += tall
    return "\n".join([*lines, "</svg>", ""])


def _place(ratio: float) -> float:
    return LEFT + UNIT * (math.log10(min(max(ratio, LOWEST), HIGHEST) / LOWEST) - 0.3)
