"""What a simulated monitor remembers: the means of minutes and hours that it formed, to send and to be asked for."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from ingest.protocols.hj212.replies import DEVICE_TIME

KEPT = timedelta(days=3)
_ORIGIN = datetime(2000, 1, 1, tzinfo=DEVICE_TIME)


class Memory:
    """Means of one length, under the command that they are sent by."""

    def __init__(self, cn: str, length: timedelta) -> None:
        self.cn = cn
        self.length = length
        self._open: dict[str, list[float]] = {}
        self._begin: datetime | None = None
        self._kept: OrderedDict[datetime, str] = OrderedDict()

    def add(self, at: datetime, values: Mapping[str, float]) -> str | None:
        """Take measured values in; the CP of the span before where these begin another one."""
        begin = _ORIGIN + (at - _ORIGIN) // self.length * self.length
        formed = None
        if self._begin is not None and begin != self._begin:
            formed = self._form()
        self._begin = begin
        for code, value in values.items():
            self._open.setdefault(code, []).append(value)
        return formed

    def between(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
        """What is remembered of the spans that begin from one time to another, both included."""
        for at, cp in self._kept.items():
            if begin <= at <= end:
                yield at, cp

    def _form(self) -> str:
        assert self._begin is not None
        begin, self._begin = self._begin, None
        texts = [f"DataTime={begin.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}"]
        for code, values in self._open.items():
            mean = sum(values) / len(values)
            texts.append(f"{code}-Avg={mean:.2f},{code}-Min={min(values):g},{code}-Max={max(values):g},{code}-Flag=N")
        self._open = {}
        cp = self._kept[begin.astimezone(UTC)] = ";".join(texts)
        while next(iter(self._kept)) < begin - KEPT:
            self._kept.popitem(last=False)
        return cp
