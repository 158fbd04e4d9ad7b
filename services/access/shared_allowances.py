"""Allowances of all processes together, through Redis. Gateways, which have their own alone, do without its client."""

import logging
from functools import lru_cache
from time import monotonic
from typing import Any

import redis
from django.conf import settings

from services.access.allowances import Allowances

log = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds that a door waits for Redis before it counts by itself."""
AGAIN = 5.0
"""Seconds before a Redis that was away is asked again."""


class SharedAllowances:
    """``Allowances`` kept in Redis by its clock; while Redis is away each process counts by itself."""

    def __init__(self, of: str, a_second: float, burst: float) -> None:
        self._of = of
        self._a_second = a_second
        self._burst = burst
        self._own = Allowances(a_second, burst)
        self._away_until = 0.0

    def spend(self, name: str) -> float:
        """Take one: 0 where there was one, else the seconds until there is."""
        return self._ask(name, 1)

    def look(self, name: str) -> float:
        """The seconds until one is left, without taking it."""
        return self._ask(name, 0)

    def _ask(self, name: str, taken: int) -> float:
        if monotonic() >= self._away_until:
            key = f"{settings.CACHES['default']['KEY_PREFIX']}:allowance:{self._of}:{name}"
            try:
                found = _script()(keys=[key], args=[self._a_second, self._burst, taken])
                return float(found)
            except redis.RedisError as error:
                self._away_until = monotonic() + AGAIN
                log.warning("Redis is away, this process counts by itself: %s", type(error).__name__)
        if taken and self._own.spend(name):
            return 0.0
        return self._own.wait(name)


@lru_cache(maxsize=1)
def _script() -> Any:
    link = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
    return link.register_script(_LUA)


_LUA = """
local now = redis.call('time')
local at = tonumber(now[1]) + tonumber(now[2]) / 1000000
local rate, burst, taken = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('hmget', KEYS[1], 'left', 'at')
local left = burst
if kept[1] then left = math.min(burst, tonumber(kept[1]) + math.max(0, at - tonumber(kept[2])) * rate) end
if left < 1 then return tostring((1 - left) / rate) end
if taken > 0 then
  redis.call('hset', KEYS[1], 'left', tostring(left - taken), 'at', string.format('%.6f', at))
  redis.call('expire', KEYS[1], math.ceil(burst / rate) + 1)
end
return '0'
"""
"""One step that nothing comes between. Quiet names are forgotten once they have everything again."""
