"""Boxes in layers with arrows between them, drawn as SVG: a small version of Sugiyama's layout."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from tahr.utils.model_graph import Box, Group

__all__ = ["draw_svg"]

FONT, LINE, PADDING, GAP, RANK_GAP, MARGIN = 12, 17, 10, 28, 36, 16  # pixels
SWEEPS = 8


@dataclass
class _Place:
    """A box, or (without one) a bend of an arrow that goes over a layer."""

    key: str
    box: Box | None
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


def draw_svg(graph: Group, rankdir: str = "TB") -> str:
    """Return the SVG text of a graph.

    Args:
        graph: boxes and arrows without a cycle.
        rankdir: where arrows go: `"TB"` down, `"BT"` up, `"LR"` right, `"RL"` left.
    """
    sideways = rankdir in ("LR", "RL")
    places = {box.key: _Place(box.key, box, *_size(box)) for box in graph.all_boxes()}
    if sideways:
        for place in places.values():
            place.width, place.height = place.height, place.width
    arrows = [(a, b) for a, b in graph.all_arrows() if a in places and b in places]
    ranks, paths = _layers(places, arrows)
    _order(ranks, places)
    _coordinates(ranks, places)
    _turn(places, rankdir)
    return "\n".join(_svg(graph, places, paths, sideways)) + "\n"


def _size(box: Box) -> tuple[float, float]:
    longest = max(map(len, [box.title, *box.lines]))
    return 2 * PADDING + 0.6 * FONT * longest, PADDING + LINE * (1 + len(box.lines))


# ---- layout ----------------------------------------------------------------------------------------------------------


def _layers(
    places: dict[str, _Place], arrows: list[tuple[str, str]]
) -> tuple[list[list[str]], dict[tuple[str, str], list[str]]]:
    """Return the keys in each layer, and the bends of each arrow, after adding these to the places."""
    sources: dict[str, list[str]] = {key: [] for key in places}
    targets: dict[str, list[str]] = {key: [] for key in places}
    for a, b in arrows:
        sources[b].append(a)
        targets[a].append(b)
    rank: dict[str, int] = {}
    waiting = {key: len(given) for key, given in sources.items()}
    ready = [key for key, count in waiting.items() if not count]
    for key in ready:  # grows while it is gone through
        rank[key] = max((rank[a] + 1 for a in sources[key]), default=0)
        for b in targets[key]:
            waiting[b] -= 1
            if not waiting[b]:
                ready.append(b)
    ranks: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for key in places:
        ranks[rank[key]].append(key)
    paths = {}
    for a, b in arrows:
        path = [a]
        for level in range(rank[a] + 1, rank[b]):
            bend = f"{a}>{b}@{level}"
            places[bend] = _Place(bend, None, 4.0, 4.0)
            ranks[level].append(bend)
            path.append(bend)
        paths[a, b] = [*path, b]
        for one, next_ in zip(paths[a, b], paths[a, b][1:], strict=False):
            places[one].below.append(next_)
            places[next_].above.append(one)
    return ranks, paths


def _order(ranks: list[list[str]], places: dict[str, _Place]) -> None:
    """Sort each layer by the mean place of the neighbours, down and up in turns, so that few arrows cross."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for keys in ranks if down else reversed(ranks):
            at = {key: i for layer in ranks for i, key in enumerate(layer)}

            def middle(key: str, at: dict[str, int] = at, down: bool = down) -> float:
                near = places[key].above if down else places[key].below
                return sum(at[n] for n in near) / len(near) if near else at[key]

            keys.sort(key=middle)


def _coordinates(ranks: list[list[str]], places: dict[str, _Place]) -> None:
    """Put each box near the mean of its neighbours without overlaps; x and y are those of the boxes' middles."""
    y = 0.0
    for keys in ranks:
        height = max(places[key].height for key in keys)
        x = 0.0
        for key in keys:
            place = places[key]
            if place.box is None:
                place.height = height  # an arrow goes straight past the boxes of the layer
            place.x, place.y = x + place.width / 2, y + height / 2
            x += place.width + GAP
        y += height + RANK_GAP
    for sweep in range(2 * SWEEPS):
        for keys in ranks if sweep % 2 == 0 else reversed(ranks):
            wanted = []
            for key in keys:
                near = places[key].above + places[key].below
                wanted.append(sum(places[n].x for n in near) / len(near) if near else places[key].x)
            for key, x in zip(keys, _apart([places[key].width for key in keys], wanted), strict=True):
                places[key].x = x


def _apart(widths: list[float], wanted: list[float]) -> list[float]:
    """Return places as near as can be to the wanted ones (least squares) at which neighbours do not overlap."""
    blocks: list[tuple[float, int]] = []  # where the boxes of a block would begin, and how many they are
    offsets, total = [], 0.0
    for i, width in enumerate(widths):
        total += 0.0 if i == 0 else (widths[i - 1] + width) / 2 + GAP
        offsets.append(total)
    for x, offset in zip(wanted, offsets, strict=True):
        mean, count = x - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, boxes = blocks.pop()
            mean, count = (other * boxes + mean * count) / (boxes + count), boxes + count
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _turn(places: dict[str, _Place], rankdir: str) -> None:
    """Turn the layout, which goes down, and move it to the margins."""
    for place in places.values():
        if rankdir in ("LR", "RL"):
            place.x, place.y, place.width, place.height = place.y, place.x, place.height, place.width
        if rankdir == "BT":
            place.y = -place.y
        if rankdir == "RL":
            place.x = -place.x
    left = min((p.x - p.width / 2 for p in places.values()), default=0.0)
    top = min((p.y - p.height / 2 for p in places.values()), default=0.0)
    for place in places.values():
        place.x, place.y = place.x - left + 2 * MARGIN, place.y - top + 2 * MARGIN


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _svg(graph: Group, places: dict[str, _Place], paths: dict[tuple[str, str], list[str]],
         sideways: bool) -> Iterator[str]:  # fmt: skip
    width = max((p.x + p.width / 2 for p in places.values()), default=0.0) + 2 * MARGIN
    height = max((p.y + p.height / 2 for p in places.values()), default=0.0) + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="{FONT}">'
    )
    yield f"<title>{escape(graph.name)}</title>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
    )
    yield f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>'
    for group in graph.groups:
        yield from _frame(group, places)
    for path in paths.values():
        curve = _curve([places[key] for key in path], sideways)
        yield f'<path d="{curve}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
    for place in places.values():
        if place.box is not None:
            yield from _drawn(place, place.box)
    yield "</svg>"


def _frame(group: Group, places: dict[str, _Place], depth: int = 0) -> Iterator[str]:
    """Yield a frame around the boxes of an inner model, and those inside it."""
    own = [places[box.key] for box in group.all_boxes()]
    edge = max(MARGIN - 4 * depth, 4)
    left, top = min(p.x - p.width / 2 for p in own) - edge, min(p.y - p.height / 2 for p in own) - edge
    right, bottom = max(p.x + p.width / 2 for p in own) + edge, max(p.y + p.height / 2 for p in own) + edge
    yield (
        f'<rect class="group" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
        'fill="#f2f2f2" fill-opacity="0.6" stroke="#888" stroke-dasharray="4 3"/>'
    )
    yield f'<text x="{left + 4:.1f}" y="{top + FONT:.1f}" fill="#555">{escape(group.name)}</text>'
    for inner in group.groups:
        yield from _frame(inner, places, depth + 1)


def _curve(path: list[_Place], sideways: bool) -> str:
    """Return the path of an arrow from the edge of its first box to that of its last one."""
    first, last = path[0], path[-1]
    way = 1 if (last.x > first.x if sideways else last.y > first.y) else -1

    def edge(place: _Place, side: int) -> tuple[float, float]:
        if sideways:
            return place.x + side * way * place.width / 2, place.y
        return place.x, place.y + side * way * place.height / 2

    points = [edge(first, 1), *(edge(bend, side) for bend in path[1:-1] for side in (-1, 1)), edge(last, -1)]
    text = "M{:.1f} {:.1f}".format(*points[0])
    for (x, y), (to_x, to_y) in zip(points, points[1:], strict=False):
        middle = (x + to_x) / 2 if sideways else (y + to_y) / 2
        bend = (middle, y, middle, to_y) if sideways else (x, middle, to_x, middle)
        text += "C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}".format(*bend, to_x, to_y)
    return text


def _drawn(place: _Place, box: Box) -> Iterator[str]:
    left, top = place.x - place.width / 2, place.y - place.height / 2
    mark = {True: "#2f6f4f", False: "#9b4a2f", None: "#2b2b2b"}[box.trainable]
    yield f'<g class="layer" id="{escape(box.key)}">'
    yield (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" rx="3" fill="white" '
        f'stroke="{mark}"/>'
    )
    title = PADDING / 2 + LINE
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{place.width:.1f}" height="{title:.1f}" rx="3" fill="{mark}"/>'
    for i, line in enumerate([box.title, *box.lines]):
        style = 'fill="white"' if i == 0 else 'fill="#222"'
        y = top + PADDING / 2 + LINE * (i + 0.7)
        yield f'<text x="{place.x:.1f}" y="{y:.1f}" text-anchor="middle" {style}>{escape(line)}</text>'
    yield "</g>"
