"""Vector tiles of three layers, z10 to z14: ours with rights on against tipg, and against our own cache."""

import math
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mapbox_vector_tile
from django.core.cache import cache
from django.db import connection

from services.catalog.layer import registry
from services.tiles import engine
from tests.bench import data, servers
from tests.bench.load import Target, ask, compare
from tests.bench.results import Result

ZOOMS = range(10, 15)
PATHS = 3_000
SAMPLE = 300
"""Tiles of which the time inside PostGIS is measured, in the very requests."""
TOLD = 11
"""Seconds after which PostgreSQL has counted what a session did."""
EMPTIED = 0.05
"""Seconds between two clearings of the cache while uncached tiles are asked for: few tiles recur so soon."""

type Tile = tuple[str, int, int, int]


def run() -> list[Result]:
    """Uncached against tipg, cached against uncached, and how much of an uncached tile PostGIS takes."""
    asker = data.commander()
    tiles = _tiles()
    ours = paths(tiles)
    theirs = [
        f"/collections/{data.PEER_SCHEMA}.{key}/tiles/WebMercatorQuad/{z}/{x}/{y}?properties={','.join(_columns(key))}"
        for key, z, x, y in tiles
    ]
    zipped = {"Accept-Encoding": "gzip"}
    with servers.ours() as zhutu, servers.tipg() as tipg:
        _verify(tiles, Target(zhutu, ours, asker.token), Target(tipg, theirs))
        rates = compare(
            {
                "uncached": Target(zhutu, ours, asker.token, cache.clear, _always_empty),
                "tipg": Target(tipg, theirs),
                "uncached, gzip": Target(zhutu, ours, asker.token | zipped, cache.clear, _always_empty),
                "tipg, gzip": Target(tipg, theirs, zipped),
                "cached": Target(zhutu, ours[: PATHS // 10], asker.token | zipped),
            }
        )
        sample = random.Random(2).sample(ours, SAMPLE)
        inside, whole = _share(Target(zhutu, sample, asker.token | zipped))
    return [
        Result("tiles, uncached", rates["uncached"], "1/s", "tipg", rates["tipg"], 1.7),
        Result("tiles, uncached, gzip", rates["uncached, gzip"], "1/s", "tipg, gzip", rates["tipg, gzip"], 1.7),
        Result("tiles, cached", rates["cached"], "1/s", "uncached", rates["uncached, gzip"], 5.0),
        Result("tiles: time inside PostGIS", inside, "ms", "whole uncached request", whole, 0.5),
    ]


def paths(tiles: Sequence[Tile] = ()) -> list[str]:
    """Ours of these tiles, by default of all."""
    return [f"/tiles/{key}/{z}/{x}/{y}.mvt" for key, z, x, y in tiles or _tiles()]


def _tiles() -> list[Tile]:
    """As many of each zoom and layer, each with something in it."""
    chance = random.Random(14)
    by_kind: list[list[Tile]] = []
    for key in data.PEER_TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"select st_x(geom), st_y(geom) from {data.PEER_SCHEMA}.{key} order by id")
            points = cursor.fetchall()
        for z in ZOOMS:
            found = sorted({(key, z, *_over(x, y, z)) for x, y in points})
            by_kind.append(chance.sample(found, len(found)))
    each = PATHS // len(by_kind)
    tiles = [kind[n % len(kind)] for kind in by_kind for n in range(each)]
    chance.shuffle(tiles)
    return tiles


def _over(lon: float, lat: float, z: int) -> tuple[int, int]:
    """Column and row of the tile over a point."""
    side = 1 << z
    return (
        int((lon + 180) / 360 * side),
        int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * side),
    )


def _columns(key: str) -> Sequence[str]:
    """What our tiles of a layer carry, as columns of the peers' copy."""
    return ("id", *engine.fields(registry.by_key[key]))


@contextmanager
def _always_empty() -> Iterator[None]:
    """Keep the cache empty, so that every tile is drawn and stored as on its first day."""
    done = threading.Event()

    def empty() -> None:
        while not done.wait(EMPTIED):
            cache.clear()

    beside = threading.Thread(target=empty)
    beside.start()
    try:
        yield
    finally:
        done.set()
        beside.join()


def _verify(tiles: Sequence[Tile], ours: Target, theirs: Target) -> None:
    """The same features in both: what our clusters stand for is counted, our margin is not, which tipg leaves empty."""
    chosen = random.Random(1).sample(range(len(tiles)), 40)
    mine, others = (ask(Target(t.server, [t.paths[n] for n in chosen], t.headers)) for t in (ours, theirs))
    for number, one, other in zip(chosen, mine, others, strict=True):
        counts = [_features(answer.body) for answer in (one, other)]
        # A point on the very edge is rounded to either side.
        if abs(counts[0] - counts[1]) > max(2, counts[1] // 100):
            raise RuntimeError(f"tile {tiles[number]}: {counts[0]} features in ours and {counts[1]} in tipg's")


def _features(body: bytes) -> int:
    decoded = mapbox_vector_tile.decode(body) if body else {}
    return sum(
        int(feature["properties"].get("point_count", 1))
        for layer in decoded.values()
        for feature in layer["features"]
        if all(0 <= ordinate <= layer["extent"] for ordinate in feature["geometry"]["coordinates"])
    )


def _share(target: Target) -> tuple[float, float]:
    """Mean milliseconds that PostgreSQL was at the requests (parsed, planned, executed, sent), and in all."""
    ask(target)
    cache.clear()
    before = _active()
    whole = sum(answer.milliseconds for answer in ask(target))
    return (_active() - before) / len(target.paths), whole / len(target.paths)


def _active() -> float:
    """Milliseconds that sessions of the database were at work; a session tells ten seconds after it was."""
    time.sleep(TOLD)
    with connection.cursor() as cursor:
        cursor.execute("select active_time from pg_stat_database where datname = current_database()")
        return float(cursor.fetchone()[0])
