"""Allowances in Redis: shared by processes, one name apart from another, and the process's own while Redis is away."""

import os
import subprocess
import sys
import uuid
from typing import Any

import pytest
from django.conf import settings

from services.access import shared_allowances
from services.access.shared_allowances import SharedAllowances

HOUR = 1 / 3600


@pytest.fixture
def name() -> str:
    """Nobody has asked under it."""
    return uuid.uuid4().hex


def test_one_name_is_used_up_and_another_is_not(name: str) -> None:
    asked = SharedAllowances("test", HOUR, 3)
    assert [asked.spend(name) for _n in range(3)] == [0, 0, 0]
    wait = asked.spend(name)
    assert 3500 < wait <= 3600
    assert asked.look(name) == pytest.approx(wait, abs=60)
    assert asked.spend(name + "x") == 0
    assert SharedAllowances("other", HOUR, 3).spend(name) == 0, "each door counts for itself"


def test_to_look_takes_nothing(name: str) -> None:
    asked = SharedAllowances("test", HOUR, 1)
    assert [asked.look(name) for _n in range(5)] == [0] * 5
    assert asked.spend(name) == 0
    assert asked.look(name) > 0


def test_it_fills_up_with_time(name: str) -> None:
    asked = SharedAllowances("test", 1000.0, 1)
    assert asked.spend(name) == 0
    assert any(asked.spend(name) == 0 for _n in range(1000))


def test_another_process_counts_the_same(name: str) -> None:
    program = (
        "import django; django.setup()\n"
        "from services.access.shared_allowances import SharedAllowances\n"
        f"print(SharedAllowances('test', {HOUR}, 2).spend({name!r}))"
    )
    asked = SharedAllowances("test", HOUR, 2)
    assert asked.spend(name) == 0
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "command_center.settings"}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=settings.ROOT, check=True
    )
    assert answer.stdout.strip() == "0.0"
    assert asked.spend(name) > 0


def test_f02_while_redis_is_away_each_process_counts_by_itself(name: str, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9"
    shared_allowances._script.cache_clear()
    try:
        asked = SharedAllowances("test", HOUR, 2)
        assert [asked.spend(name) for _n in range(2)] == [0, 0]
        assert asked.spend(name) > 0 and asked.look(name) > 0
        assert asked.spend(name + "x") == 0
    finally:
        shared_allowances._script.cache_clear()
