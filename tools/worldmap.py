"""Makes reports/hoptrail_reports/pages/world.json, the outlines behind the world map of a nightly report.

    npm pack world-atlas@2.0.2
    apt-get install iso-codes
    .venv/bin/python tools/worldmap.py world-atlas-2.0.2.tgz /usr/share/iso-codes/json/iso_3166-1.json

The outlines are Natural Earth's (version 4.1.0, naturalearthdata.com), which are in the public domain, as Bostock's
world-atlas packs them: those of scale 1:110m, and of 1:50m the places of countries too small for that. ISO 3166-1's
numbers are turned into its two letters by the table of Debian's iso-codes. Done once; the file is part of the package.
"""
# ruff: noqa: INP001 - a tool, not a package

import json
import sys
import tarfile
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "reports/hoptrail_reports/pages/world.json"
WIDTH, NORTH, SOUTH = 1_000, 84.0, -57.0
"""Units of the drawing, and the parallels that it is cut at: there is no mail from further south."""

STEP_DEGREES = 5
ROBINSON = (
    (1.0, 0.0),
    (0.9986, 0.062),
    (0.9954, 0.124),
    (0.99, 0.186),
    (0.9822, 0.248),
    (0.973, 0.31),
    (0.96, 0.372),
    (0.9427, 0.434),
    (0.9216, 0.4958),
    (0.8962, 0.5571),
    (0.8679, 0.6176),
    (0.835, 0.6769),
    (0.7986, 0.7346),
    (0.7597, 0.7903),
    (0.7186, 0.8435),
    (0.6732, 0.8936),
    (0.6213, 0.9394),
    (0.5722, 0.9761),
    (0.5322, 1.0),
)
"""Robinson's projection: length of the parallel and distance from the equator, every five degrees."""

HALF_TURN = 180.0
ASPECT = 1.3523 / (2 * 0.8487 * 3.141592653589793)

UNNUMBERED = {"Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO"}  # as address databases have them
PARTS = {  # of other countries on the map, with an ISO code of their own: latitude and longitude
    "BQ": (12.2, -68.3),
    "CC": (-12.2, 96.8),
    "CX": (-10.5, 105.7),
    "GF": (4.0, -53.1),
    "GI": (36.1, -5.3),
    "GP": (16.2, -61.5),
    "MQ": (14.6, -61.0),
    "RE": (-21.1, 55.5),
    "SJ": (78.0, 16.0),
    "TK": (-9.2, -171.8),
    "TV": (-8.5, 179.2),
    "YT": (-12.8, 45.1),
}

Point = tuple[float, float]
Ring = list[Point]


def main(atlas: str, codes: str) -> None:
    """Write the file."""
    letters = {row["numeric"]: row for row in json.loads(Path(codes).read_text(encoding="utf-8"))["3166-1"]}
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(atlas) as packed:
        for scale in ("50m", "110m"):
            for code, (name, rings) in _countries(packed, scale, letters).items():
                entry = found.setdefault(code, {"name": name})
                entry["at"] = _middle(max(rings, key=lambda ring: abs(_area(ring))))
                if scale == "110m":
                    entry["path"] = "".join(map(_path, rings))
    names = {row["alpha_2"]: row.get("common_name", row["name"]) for row in letters.values()}
    found |= {code: {"name": names[code], "at": _rounded(_projected(*PARTS[code]))} for code in PARTS}
    document = {
        "source": "Natural Earth 4.1.0, 1:110m, public domain (naturalearthdata.com); made by tools/worldmap.py",
        "width": WIDTH,
        "height": round(_projected(SOUTH, 0)[1]),
        "countries": dict(sorted(found.items())),
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_text(text.replace('"},"', '"},\n"').replace("]},", "]},\n") + "\n", encoding="utf-8")
    missing = sorted({row["alpha_2"] for row in letters.values()} - found.keys())
    print(f"{TARGET}: {len(found)} countries, {TARGET.stat().st_size} bytes; nowhere: {' '.join(missing)}")  # noqa: T201


def _countries(
    packed: tarfile.TarFile, scale: str, letters: dict[str, dict[str, str]]
) -> dict[str, tuple[str, list[Ring]]]:
    """Name and outlines of each country, in the drawing's units. TopoJSON has arcs of differences, shared by two."""
    topology = json.load(packed.extractfile(f"package/countries-{scale}.json"))
    stretch, origin = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs: list[Ring] = []
    for arc in topology["arcs"]:
        steps = accumulate(arc, lambda one, other: [one[0] + other[0], one[1] + other[1]])
        arcs.append([(x * stretch[0] + origin[0], y * stretch[1] + origin[1]) for x, y in steps])
    found: dict[str, tuple[str, list[Ring]]] = {}
    for country in topology["objects"]["countries"]["geometries"]:
        name = country["properties"]["name"]
        code = letters.get(country.get("id", ""), {}).get("alpha_2") or UNNUMBERED.get(name)
        if code is None or code == "AQ":
            continue
        polygons = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
        rings = [_ring(arcs, ring) for polygon in polygons for ring in polygon]
        drawn = [[_projected(y, x) for x, y in part] for ring in rings for part in _sides(ring)]
        found.setdefault(code, (name, []))[1].extend(drawn)
    return found


def _ring(arcs: list[Ring], numbers: list[int]) -> Ring:
    points: Ring = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        points += arc[bool(points) :]
    return points


def _sides(ring: Ring) -> list[Ring]:
    """An outline in degrees without leaps, cut in two where it lies on both sides of the 180th meridian."""
    turns, unwound = 0, [ring[0]]
    for (before, _), (x, y) in pairwise(ring):
        turns += (x - before < -HALF_TURN) - (x - before > HALF_TURN)
        unwound.append((x + 2 * HALF_TURN * turns, y))
    sides = []
    for turn in (-1, 0, 1):
        moved = [(x + 2 * HALF_TURN * turn, y) for x, y in unwound]
        sides.append(_cut(_cut(moved, side=1), side=-1))
    return [side for side in sides if side]


def _cut(ring: Ring, *, side: int) -> Ring:
    """What of an outline lies on this side of a meridian at half a turn (Sutherland and Hodgman)."""
    kept: Ring = []
    for (x1, y1), (x2, y2) in pairwise(ring):
        inside, stays = x1 * side <= HALF_TURN, x2 * side <= HALF_TURN
        if inside:
            kept.append((x1, y1))
        if inside != stays:
            kept.append((HALF_TURN * side, y1 + (y2 - y1) * (HALF_TURN * side - x1) / (x2 - x1)))
    return [*kept, kept[0]] if kept else []


def _projected(latitude: float, longitude: float) -> Point:
    length, height = _parallel(latitude)
    return WIDTH * (0.5 + length * longitude / 360), height - _parallel(NORTH)[1]


def _parallel(latitude: float) -> tuple[float, float]:
    """How long a parallel is, the equator being 1, and how far down from the equator it lies."""
    part, rest = divmod(abs(latitude), STEP_DEGREES)
    (x1, y1), (x2, y2) = ROBINSON[int(part)], ROBINSON[min(int(part) + 1, len(ROBINSON) - 1)]
    share = rest / STEP_DEGREES
    down = WIDTH * ASPECT * (y1 + share * (y2 - y1))
    return x1 + share * (x2 - x1), down if latitude < 0 else -down


def _area(ring: Ring) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring)) / 2


def _middle(ring: Ring) -> list[int]:
    """The centre of gravity of a country's largest part."""
    area = _area(ring)
    if abs(area) < 1:
        return _rounded(ring[0])
    sums = [0.0, 0.0]
    for (x1, y1), (x2, y2) in pairwise(ring):
        weight = (x1 * y2 - x2 * y1) / (6 * area)
        sums = [sums[0] + (x1 + x2) * weight, sums[1] + (y1 + y2) * weight]
    return _rounded((sums[0], sums[1]))


def _rounded(point: Point) -> list[int]:
    return [round(point[0]), round(point[1])]


def _path(ring: Ring) -> str:
    """An outline as an SVG path of whole units, one step a point; empty where it is too small to be seen."""
    points = [_rounded(point) for point in ring]
    kept = [point for point, before in zip(points, [None, *points], strict=False) if point != before]
    if len(kept) < 4:  # noqa: PLR2004 - a triangle that is closed
        return ""
    steps = [f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(kept[:-1])]
    return f"M{kept[0][0]} {kept[0][1]}l{' '.join(steps)}z".replace(" -", "-")


if __name__ == "__main__":
    main(*sys.argv[1:])
