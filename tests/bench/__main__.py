"""``python -m tests.bench [PART…]``: measure, print, and keep the figures in .local/bench/results.jsonl."""

import os
import sys
import time
from importlib import import_module

PARTS = (
    "items", "tiles", "pages", "start", "memory", "live", "surface", "ingest", "sockets", "rollup", "history",
    "positions", "stats",
)  # fmt: skip
WITHOUT_CITY = {"ingest", "sockets", "rollup", "history"}
"""Parts that need no demo city: they run without loading it."""


def main(chosen: list[str]) -> int:
    """Every part, or those chosen; 1 where a bar does not hold."""
    if unknown := set(chosen) - set(PARTS):
        print(f"There is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    if not {"ZHUTU_PGHOST", "ZHUTU_REDIS_URL"} <= os.environ.keys():
        print("Run this by make bench, which brings a database of its own.", file=sys.stderr)
        return 2
    os.environ["ZHUTU_PGDATABASE"] = "zhutu_bench"
    # A number of its own, because it is emptied again and again.
    url = os.environ["ZHUTU_REDIS_URL"]
    os.environ["ZHUTU_REDIS_URL"] = url + ("?db=9" if url.startswith("unix:") else "/9")
    os.environ["DJANGO_SETTINGS_MODULE"] = "command_center.settings"
    import django

    django.setup()
    from tests.bench import data, results

    data.FOLDER.mkdir(parents=True, exist_ok=True)
    found = data.prepare(city=not chosen or not WITHOUT_CITY.issuperset(chosen))
    results.write(found, data.FOLDER / "results.jsonl")
    for name in PARTS:
        if chosen and name not in chosen:
            continue
        began = time.perf_counter()
        print(f"{name} …", flush=True)
        measured = import_module(f"tests.bench.{name}").run()
        print(f"{results.table(measured)}\n({name}: {time.perf_counter() - began:.0f} s)\n", flush=True)
        results.write(measured, data.FOLDER / "results.jsonl")
        found += measured
    print(results.table(found))
    missed = [r.name for r in found if r.holds is False]
    if missed:
        print(f"\nBelow their bar: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
