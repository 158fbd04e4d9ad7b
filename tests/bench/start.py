"""How long the product takes to come up with thirty more domains than it has."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from django.conf import settings

from tests.bench import servers
from tests.bench.results import Result

DOMAINS = 30
MOST = 5.0
ROUNDS = 3
LEFT_OUT = (".*", "node_modules", "__pycache__", "docs", "tests")


def run() -> list[Result]:
    """``manage.py check`` and the time to the first page, in a copy of the project with scaffolded domains."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "zhutu"
        shutil.copytree(settings.ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (copy / ".local").mkdir()
        (copy / ".local" / "static").symlink_to(settings.STATIC_ROOT)
        for number in range(DOMAINS):
            _manage(copy, "newdomain", f"lamp_{number}s", "--title", f"测试{number}")
        _manage(copy, "check")
        found = [_round(copy) for _number in range(ROUNDS)]
    checks, starts = (statistics.median(times) for times in zip(*found, strict=True))
    domains = DOMAINS + len(list((settings.ROOT / "layers").glob("*/layer.py")))
    return [
        Result(f"manage.py check, {domains} domains", checks, "s"),
        Result(f"start to the first page, {domains} domains", starts, "s"),
        Result("manage.py check and start", checks + starts, "s", bar=MOST),
    ]


def _round(copy: Path) -> tuple[float, float]:
    began = time.perf_counter()
    _manage(copy, "check")
    checked = time.perf_counter()
    with servers.ours(copy, "/login"):
        return checked - began, time.perf_counter() - checked


def _manage(copy: Path, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=copy, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
