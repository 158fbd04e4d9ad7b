"""The cache in Redis with one client a pool: Django builds a new one, of 170 table entries, for every call.

While Redis is away nothing is kept, and every answer is made anew (F02).
"""

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import ConnectionError as Away
from redis.exceptions import TimeoutError as Hung

log = logging.getLogger(__name__)


class _Client(RedisCacheClient):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients: dict[int, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        pool = self._get_connection_pool(write)
        kept = self._clients.get(id(pool))
        if kept is None:
            kept = self._clients[id(pool)] = self._client(connection_pool=pool)
        return kept


class Cache(RedisCache):
    """Django's Redis cache, keeping its clients; without Redis it finds nothing and keeps nothing."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return _tried(lambda: super(Cache, self).get(key, default, version), default)

    def get_many(self, keys: Any, version: Any = None) -> Any:
        return _tried(lambda: super(Cache, self).get_many(keys, version), {})

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return _tried(lambda: super(Cache, self).add(key, value, *args, **kwargs), False)

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return _tried(lambda: super(Cache, self).set(key, value, *args, **kwargs), None)

    def delete(self, key: Any, version: Any = None) -> Any:
        return _tried(lambda: super(Cache, self).delete(key, version), False)

    def has_key(self, key: Any, version: Any = None) -> Any:
        return _tried(lambda: super(Cache, self).has_key(key, version), False)


def _tried(work: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return work()
    except (Away, Hung) as error:
        log.warning("the cache is away: %s", type(error).__name__)
        return otherwise
