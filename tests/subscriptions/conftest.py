"""Another system that hears of alarms: a real HTTPS server, and a subscription that posts to it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from services.access.principal import Principal
from services.accounts.models import User
from services.alarms.models import Act
from services.notify.models import Destination
from services.subscriptions import actions
from services.subscriptions.models import Subscription
from tests.alarms.conftest import device, keep, rule  # noqa: F401
from tests.conftest import Server
from tests.notify.receivers import Web, certificate, https_server, says


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Key and certificate of the other system."""
    return certificate(tmp_path_factory.mktemp("subscriber"))


@pytest.fixture
def web(pair: tuple[Path, Path]) -> Iterator[Web]:
    """The other system."""
    with https_server(*pair) as server:
        server.usual = says({"ok": True})
        yield server


@pytest.fixture
def admin(who: dict[str, Principal]) -> Principal:
    return who["admin"]


Subscribe = Callable[..., Subscription]


@pytest.fixture
def subscribe(web: Web, pair: tuple[Path, Path], admin: Principal) -> Subscribe:
    """``subscribe(**values)`` makes a subscription of the owner's, as the form does."""
    Destination.objects.create(host="localhost", port=web.port, internal=True, authority=pair[1].read_text())

    def made(**values: Any) -> Subscription:
        given = {
            "name": f"支队平台{Subscription.objects.count()}", "url": f"{web.url}/alarms", "level": "blue",
            "user": User.objects.get(username="owner"), "layers": [], "language": "zh-hans", "note": "",
            "acts": [Act.Kind.RAISED, Act.Kind.ENDED],
        }  # fmt: skip
        return actions.save(admin, None, given | values)[0]

    return made


def sender(server: Server) -> subprocess.Popen[bytes]:
    """``manage.py subscriptions`` on the server's database, a process of its own."""
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    log = (settings.LOCAL / f"{server.database}_subscriptions.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "subscriptions"], cwd=settings.ROOT, env=environment, stdout=log, stderr=log
    )
    log.close()
    return process
