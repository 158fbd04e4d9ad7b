"""Load on a server: eight clients at once by wrk, or one client that waits for each answer."""

import http.client
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.servers import Server

CLIENTS = 8
SECONDS = 8
WARM_UP = 2
ROUNDS = 3
SCRIPT = Path(__file__).with_name("urls.lua")


@dataclass(frozen=True)
class Target:
    """Paths asked of a server; ``before`` runs ahead of each round, ``during`` beside it."""

    server: Server
    paths: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    during: Callable[[], AbstractContextManager[object]] = nullcontext


def compare(targets: Mapping[str, Target]) -> dict[str, float]:
    """Answers a second of each target: the median of rounds taken in turn, so that the machine's drift cancels."""
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for target in targets.values():
        press(target, WARM_UP)
    for number in range(ROUNDS):
        for name, target in targets.items():
            target.before()
            with target.during():
                rates[name].append(press(target, SECONDS, number * len(target.paths) // ROUNDS))
    return {name: statistics.median(found) for name, found in rates.items()}


def press(target: Target, seconds: int, first: int = 0) -> float:
    """Answers a second to eight clients that ask for the paths in turn; raises where one fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(target.paths) + "\n")
        file.flush()
        headers = [f"{name}: {value}" for name, value in target.headers.items()]
        command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "20s", "-s", str(SCRIPT)]
        command += [target.server.url, "--", file.name, str(first), *headers]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} answers of {target.server.name} failed:\n{said}")
    return found["requests"] / found["seconds"]


@dataclass(frozen=True)
class Answer:
    """One answer to the patient client."""

    body: bytes
    milliseconds: float


def ask(target: Target) -> list[Answer]:
    """The answers to one client that asks for each path once, on one connection."""
    host, port = target.server.url.removeprefix("http://").split(":")
    link = http.client.HTTPConnection(host, int(port), timeout=60)
    answers = []
    for path in target.paths:
        began = time.perf_counter()
        link.request("GET", path, headers=dict(target.headers))
        response = link.getresponse()
        body = response.read()
        answers.append(Answer(body, (time.perf_counter() - began) * 1000))
        if response.status not in (200, 204):
            raise RuntimeError(f"{target.server.name} answered {response.status} to {path}: {body[:500]!r}")
    link.close()
    return answers


def p95(milliseconds: Sequence[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(milliseconds, n=20, method="inclusive")[-1]
