"""How much memory a web process holds after work of every kind."""

from pathlib import Path

from tests.bench import data, items, pages, servers, tiles
from tests.bench.load import SECONDS, Target, press
from tests.bench.results import Result

MOST = 300.0


def run() -> list[Result]:
    """The larger of the two processes after large pages, tiles and desk pages from eight clients."""
    asker = data.commander()
    with servers.ours() as zhutu:
        for target in (
            Target(zhutu, items.paths(1000), asker.token),
            Target(zhutu, tiles.paths(), asker.token),
            Target(zhutu, pages.paths(), asker.session),
        ):
            press(target, SECONDS)
        workers = zhutu.workers()
        resident = max(_megabytes(pid, "Rss") for pid in workers)
        shared_out = max(_megabytes(pid, "Pss") for pid in workers)
    return [
        Result("memory of a web process (RSS)", resident, "MB", bar=MOST),
        Result("memory of a web process, shared pages divided (PSS)", shared_out, "MB"),
    ]


def _megabytes(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{kind}:")).split()[1]) / 1024
