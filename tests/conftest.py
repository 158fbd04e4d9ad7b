"""Fixtures of all tests: real PostGIS, real Redis, four users who look at the same rows."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from services.access import principal

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"

HOME, SIBLING = "511702", "511703"
"""Tongchuan and Dachuan, two counties of Dazhou: where the owner and the neighbour are."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Each pytest worker has its own cache keys, as it has its own database."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The regions of the test city, once per database; audit rows may be flushed between tests."""
    from django.core.management import call_command

    with django_db_blocker.unblock():
        call_command("loadregions", scope="5117", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("alter table audit_entry disable trigger insert_only")


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    """Nothing kept from the test before: no rights in the process, no entries in the cache."""
    principal.forget()
    yield
    principal.forget()


@pytest.fixture
def empty_cache() -> None:
    """An empty Redis cache."""
    cache.clear()
