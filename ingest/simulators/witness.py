"""What a site box keeps of an exceedance: a snapshot and a recording, in its own memory until the platform has them."""

import asyncio
import http.client
import io
import itertools
import math
import random
import urllib.error
import urllib.parse
import urllib.request
import wave
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw

RATE = 8000
"""Samples a second."""
STAMP = "%Y%m%dT%H%M%S%z"
LOUD = (74.0, 92.0)
"""dB(A) of what is worth keeping."""
CUT = 3
"""Every so manieth event falls into an outage: its files wait in the memory for the next."""
ATTEMPTS, AGAIN = 20, 15.0
"""How often, and after how many seconds, what was not taken is offered again before the next event."""
PAST = timedelta(hours=5)
"""How long before its first start the oldest files were made that a box hands over then."""


class Witness:
    """One box: its number and token, the platform's address, and the folder that is its memory."""

    def __init__(self, number: str, token: str, url: str, memory: Path) -> None:
        self.number, self.token, self.url, self.memory = number, token, url, memory
        memory.mkdir(parents=True, exist_ok=True)

    def note(self, at: datetime, level: float) -> None:
        """Keep a picture and two seconds of sound of the moment; ``level`` is the noise in dB(A)."""
        stamp = at.strftime(STAMP)
        (self.memory / f"{stamp}.jpg").write_bytes(snapshot(at, level))
        (self.memory / f"{stamp}.wav").write_bytes(recording(level))

    async def run(self, every: float) -> None:
        """See something about every so many seconds and hand it over, for ever; a third of it only with the next."""
        chance = random.Random(self.number)
        now = datetime.now(UTC)
        if not self.held():
            for hours in (0.2, 0.6):
                self.note((now - PAST * hours).replace(microsecond=0), chance.uniform(*LOUD))
        for count in itertools.count(1):
            for _attempt in range(ATTEMPTS):
                await asyncio.to_thread(self.send)
                if not self.held():
                    break
                await asyncio.sleep(min(AGAIN, every))
            await asyncio.sleep(every * chance.uniform(0.7, 1.3))
            self.note(datetime.now(UTC).replace(microsecond=0), chance.uniform(*LOUD))
            if count % CUT == 0:
                await asyncio.sleep(every)

    def held(self) -> list[Path]:
        """What the platform does not have yet, oldest first."""
        return sorted(self.memory.iterdir())

    def send(self) -> int:
        """Hand over what is held until the platform does not answer; returns how many files it has taken."""
        taken = 0
        for path in self.held():
            if not self._send(path):
                break
            path.unlink()
            taken += 1
        return taken

    def _send(self, path: Path) -> bool:
        at = datetime.strptime(path.stem, STAMP)
        query = urllib.parse.urlencode({"name": path.name, "taken_at": at.isoformat()})
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's own
            f"{self.url}/devices/files?{query}", path.read_bytes(), method="POST",
            headers={"X-Device": self.number, "X-Device-Token": self.token, "Content-Type": "application/octet-stream"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status in (200, 201)
        except (OSError, http.client.HTTPException):
            return False


def snapshot(at: datetime, level: float) -> bytes:
    """A picture of the site as a JPEG: sky, ground, dust the denser the louder, and the time."""
    image = Image.new("RGB", (640, 360), (146, 178, 205))
    draw = ImageDraw.Draw(image)
    haze = int(min(120, max(0.0, level - 50) * 3))
    draw.rectangle((0, 220, 640, 360), fill=(120 + haze // 3, 104 + haze // 4, 82))
    for n in range(6):
        draw.rectangle((40 + 100 * n, 200 - 20 * (n % 3), 100 + 100 * n, 250), fill=(90 + haze, 92 + haze, 96 + haze))
    draw.text((12, 336), f"{at:%Y-%m-%d %H:%M:%S%z}  {level:.1f} dB(A)", fill=(255, 255, 255))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def recording(level: float, seconds: float = 2.0) -> bytes:
    """A hum as loud as the level asks for, as WAV with 16-bit samples."""
    height = 32_000 * min(1.0, 10 ** ((level - 100) / 20))
    wanted = range(int(RATE * seconds))
    samples = array("h", (int(height * math.sin(n * 2 * math.pi * 110 / RATE)) for n in wanted))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()
