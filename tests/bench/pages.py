"""Pages of the desk that people wait for, by one client with a session."""

import random
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.db import connection

from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from tests.bench import data, servers
from tests.bench.load import Target, ask, p95
from tests.bench.results import Result

MOST = 150.0
"""Milliseconds at the 95th percentile."""
ASKED = 100
"""Pages of each kind and asker, after as many for warming up."""
FRAGMENT = {"HX-Request": "true"}


def run() -> list[Result]:
    """Panel, tabs, search and list: a county's supervisor and the city's commander, one after the other."""
    chance = random.Random(95)
    pages = {
        "panel of a project": (_panels(chance), FRAGMENT | {"HX-Target": "panel"}),
        "project page with map, list and panel": (_panels(chance), {}),
        "one tab of that panel": (_tabs(chance), FRAGMENT),
        "search over all layers": (_searches(chance), {}),
        "suggestions while typing": (_searches(chance), FRAGMENT),
        "list page": (_lists(chance), {}),
        "list after a filter": (_lists(chance), FRAGMENT | {"HX-Target": "results"}),
    }
    askers = [data.supervisor(), data.commander()]
    results = []
    with servers.ours() as zhutu:
        for name, (paths, headers) in pages.items():
            taken: list[float] = []
            for asker in askers:
                target = Target(zhutu, paths, asker.session | headers)
                ask(target)
                taken += [answer.milliseconds for answer in ask(target)]
            results.append(Result(f"{name}, 95th percentile", p95(taken), "ms", bar=MOST))
    return results


def paths() -> list[str]:
    """Pages of every kind."""
    chance = random.Random(5)
    return [path for kind in (_panels, _searches, _lists) for path in kind(chance)]


def _projects(chance: random.Random) -> list[Any]:
    """Projects of the county, which both askers may open."""
    rows = registry.by_key["projects"].rows().filter(region__code__startswith=data.busiest_county())
    return chance.choices(list(rows.order_by("pk").values_list("pk", flat=True)), k=ASKED)


def _panels(chance: random.Random) -> Sequence[str]:
    return [f"/desk/projects/{pk}" for pk in _projects(chance)]


def _tabs(chance: random.Random) -> Sequence[str]:
    """Every tab in turn."""
    tabs = [tab.key for tab in registry.by_key["projects"].tabs]
    return [f"/desk/projects/{pk}/tab/{tabs[n % len(tabs)]}" for n, pk in enumerate(_projects(chance))]


def _searches(chance: random.Random) -> Sequence[str]:
    """Names, parts of names, codes and words that many rows or none hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select title, code from {FeatureIndex._meta.db_table} where region_code like %s order by id limit 20000",
            [f"{data.busiest_county()}%"],
        )
        rows = chance.choices(cursor.fetchall(), k=ASKED)
    texts = []
    for n, (title, code) in enumerate(rows):
        start = chance.randrange(max(1, len(title) - 3))
        texts.append((title, title[start : start + 3], code, code[-4:], title[:2], "没有这个名字")[n % 6] or title)
    return [f"/desk/search?q={quote(text)}" for text in texts]


def _lists(chance: random.Random) -> Sequence[str]:
    """Lists of all sizes: first pages, later ones, sorted, filtered and searched."""
    county = data.busiest_county()
    asked = ("", "page=3", "sort=-name", f"region={county}", "q=1", "sort=name&page=2", "page=40")
    keys = ("rural_houses", "cameras", "projects", "monitors")
    return [f"/desk/{keys[n % len(keys)]}?{chance.choice(asked)}" for n in range(ASKED)]
