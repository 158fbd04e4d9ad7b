"""What the air over a site does, hour by hour: believable values, equal for equal seeds."""

import math
import random
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


class Air:
    """Dust, noise and weather at one monitor; ``values`` gives them in the units of the standard factors here."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._dust = self._chance.uniform(0.6, 1.8)
        self._noise = self._chance.uniform(-4, 4)
        self._wind = self._chance.uniform(0, 360)
        self._slow = 0.0

    def values(self, at: datetime) -> dict[str, float]:
        """Factor code → value: µg/m³ (carbon monoxide mg/m³), dB(A), ℃, %, kPa, m/s and degrees."""
        local = at.astimezone(BEIJING)
        hour = local.hour + local.minute / 60
        working = 7 <= hour < 12 or 13.5 <= hour < 19
        daily = math.sin((hour - 9) / 24 * 2 * math.pi)
        # What was stirred up settles slowly.
        self._slow += (self._chance.gauss(0, 1) - self._slow) * 0.1
        pm10 = max(3.0, self._dust * (70 + 25 * (working - 0.3)) * math.exp(0.5 * self._slow))
        self._wind = (self._wind + self._chance.gauss(0, 6)) % 360
        temperature = 18 + 6 * daily + self._chance.gauss(0, 0.2)
        return {
            "a34002": round(pm10, 1),
            "a34001": round(pm10 * 1.7, 1),
            "a34004": round(pm10 * 0.42, 1),
            "LA": round(52 + self._noise + 11 * working + self._chance.gauss(0, 2), 1),
            "a01001": round(temperature, 1),
            "a01002": round(min(100.0, max(5.0, 65 - 12 * daily + self._chance.gauss(0, 1))), 1),
            "a01006": round(97.8 + self._chance.gauss(0, 0.05), 2),
            "a01007": round(abs(1.6 + 0.8 * daily + self._chance.gauss(0, 0.5)), 1),
            "a01008": round(self._wind, 0) % 360,
            "a21026": round(max(0.0, 9 + self._chance.gauss(0, 1)), 1),
            "a21004": round(max(0.0, 30 + 12 * working + self._chance.gauss(0, 2)), 1),
            "a05024": round(max(0.0, 75 + 45 * daily + self._chance.gauss(0, 3)), 1),
            "a21005": round(max(0.0, 0.6 + 0.2 * working + self._chance.gauss(0, 0.03)), 2),
        }
