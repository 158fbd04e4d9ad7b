"""The cache in Redis with one client a pool: Django builds a new one, of 170 table entries, for every call."""

from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient


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
    """Django's Redis cache, keeping its clients."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
