"""Pages of cameras as GeoJSON: ours with rights on, tipg and stock pygeoapi without any."""

import random
from typing import Any

import numpy as np
import orjson
from django.core.cache import cache
from django.db import connection

from tests.bench import data, servers
from tests.bench.load import Target, ask, compare
from tests.bench.results import Result

BARS = {1000: {"tipg": 4.0, "pygeoapi": 7.0}, 100: {"tipg": 1.5, "pygeoapi": None}, 10: {"tipg": 1.0, "pygeoapi": 1.0}}
ADDRESS = "/ogc/collections/cameras/items?f=json"
PATHS = {1000: 4_000, 100: 8_000, 10: 24_000}
"""So many that no box is asked for twice: a count that was kept would not be the price of a page."""
PAGES = 5
"""How deep a client pages without a box."""


def run() -> list[Result]:
    """Pages of 1,000, 100 and 10, half of them in a box, half by offset; every page is full."""
    results = []
    home = _home()
    asker = data.supervisor()
    with servers.ours() as zhutu, servers.tipg() as tipg, servers.pygeoapi() as stock:
        for size, bars in BARS.items():
            queries = _queries(home, size)
            targets = {
                "zhutu": Target(zhutu, [f"{ADDRESS}&{q}" for q in queries], asker.token, cache.clear),
                "tipg": Target(tipg, [f"/collections/{data.PEER_SCHEMA}.cameras/items?f=geojson&{q}" for q in queries]),
                "pygeoapi": Target(stock, [f"/collections/cameras/items?f=json&{q}" for q in queries]),
            }
            _verify(targets, size)
            rates = compare(targets)
            for peer, bar in bars.items():
                results.append(Result(f"items, {size} a page", rates["zhutu"], "1/s", peer, rates[peer], bar))
    return results


def paths(size: int) -> list[str]:
    """Pages of ours."""
    return [f"{ADDRESS}&{query}" for query in _queries(_home(), size)]


def _home() -> Any:
    """Places of the cameras of the busiest county."""
    county = data.busiest_county()
    with connection.cursor() as cursor:
        cursor.execute(
            f"select st_x(geom), st_y(geom) from {data.PEER_SCHEMA}.cameras where region like %s order by id",
            [f"{county}%"],
        )
        return np.array(cursor.fetchall())


def _queries(home: Any, size: int) -> list[str]:
    """Boxes around cameras of the county that hold one to three pages of its cameras; and pages by offset."""
    chance = random.Random(size)
    found = []
    for number in range(PATHS[size]):
        if number % 2:
            found.append(f"limit={size}&offset={size * (number // 2 % PAGES)}")
            continue
        x, y = home[chance.randrange(len(home))]
        away = np.sort(np.abs(home - (x, y)).max(axis=1))
        half = away[min(len(home) - 1, int(size * chance.uniform(1.05, 3)))]
        found.append(f"limit={size}&bbox={x - half:.6f},{y - half:.6f},{x + half:.6f},{y + half:.6f}")
    return found


def _verify(targets: dict[str, Target], size: int) -> None:
    """Every server gives full pages with the same properties."""
    for target in targets.values():
        for answer in ask(Target(target.server, target.paths[:6], target.headers)):
            features = orjson.loads(answer.body)["features"]
            if len(features) != size:
                raise RuntimeError(f"{target.server.name} gave {len(features)} features instead of {size}")
            properties = features[0]["properties"].keys() - {"id"}
            if missing := _PROPERTIES - properties:
                raise RuntimeError(f"{target.server.name} leaves out {sorted(missing)}")


_PROPERTIES = {"code", "name", "state", "kind", "spot", "region", "project", "maker", "model", "seen_at", "updated_at"}
