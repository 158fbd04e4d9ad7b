"""Where a pull is: the window of time, the page in it, and what has been reached once everything before is stored.

The position of a source is ``{"since": …, "token": …, "resume": {…}}``. ``resume`` stands for a window that was begun:
it is written in the transaction that stores a page, so who takes over after a death goes on behind that page.
``since`` moves only when the last page of a window is stored, as pages need not be in the order of time.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_noop as _

from ingest.feeds.formats import MISSING, Page, at
from ingest.feeds.moments import BadMoment, moment, written
from ingest.feeds.outcome import text_of
from services.feeds.faults import Fault
from services.feeds.models import Source

FIRST = timedelta(days=1)
"""How far back the first window reaches where nobody said."""


class Walk:
    """The pages of one source from where it is, one after the other."""

    def __init__(self, source: Source, now: datetime) -> None:
        self.source, self.now, self.zone = source, now, ZoneInfo(source.zone)
        kept: dict[str, Any] = source.position or {}
        self.since, self.token = _time(kept.get("since")), str(kept.get("token", ""))
        self.exact = bool(kept.get("exact"))
        """Somebody said from when on: without the overlap."""
        begun: dict[str, Any] = kept.get("resume") or {}
        self.begun, self.until = _time(begun.get("begin")), _time(begun.get("until")) or now
        self.high = _time(begun.get("high"))
        self.page = int(begun.get("page", source.page_first))
        self.offset = int(begun.get("offset", 0))
        self.following = str(begun.get("next", ""))
        self.before = int(begun.get("rows", 0))
        """Rows of the page before."""
        self.digest = str(begun.get("digest", ""))

    @property
    def begin(self) -> datetime:
        """From when on rows are asked for."""
        begin_at = self.source.begin_at
        if self.begun is not None:
            return self.begun
        if self.since is None:
            return begin_at or self.now - FIRST
        back = self.since if self.exact else self.since - timedelta(minutes=self.source.overlap)
        return max(back, begin_at) if begin_at is not None and not self.exact else back

    @property
    def places(self) -> dict[str, str]:
        """What is filled into the request."""
        way = self.source.cursor_moment
        return {
            "since": written(self.begin, way, self.zone), "until": written(self.until, way, self.zone),
            "day": f"{self.until.astimezone(self.zone):%Y-%m-%d}", "page": str(self.page), "offset": str(self.offset),
            "size": str(self.source.page_size), "token": self.token,
        }  # fmt: skip

    def step(self, page: Page, content: bytes) -> bool:
        """Go on behind a page; whether there may be another."""
        self._reach(page)
        digest, number = hashlib.sha256(content).hexdigest()[:16], len(page.rows)
        repeated, shorter = digest == self.digest, bool(self.before) and number < self.before
        self.digest, self.before = digest, number
        self.page, self.offset = self.page + 1, self.offset + number
        if self.source.cursor == Source.Cursor.TOKEN:
            return self._token(page) and number > 0
        match self.source.paging:
            case Source.Paging.NEXT:
                self.following = self._next(page)
                return bool(self.following) and not repeated
            case Source.Paging.PAGE | Source.Paging.OFFSET:
                # A server may give fewer rows than were asked for: the last page is empty, shorter, or there again.
                return number > 0 and not shorter and not repeated
        return False

    @property
    def within(self) -> dict[str, Any]:
        """The position with the window still open."""
        resume = {
            "begin": self.begin.isoformat(), "until": self.until.isoformat(),
            "high": self.high.isoformat() if self.high else None, "page": self.page, "offset": self.offset,
            "next": self.following, "rows": self.before, "digest": self.digest,
        }  # fmt: skip
        return self._position(self.since, self.exact) | {"resume": resume}

    @property
    def behind(self) -> dict[str, Any]:
        """The position once the window is done."""
        reached = [at for at in (None if self.exact and self.high else self.since, self.high) if at is not None]
        return self._position(max(reached) if reached else None, exact=False)

    def _position(self, since: datetime | None, exact: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"token": self.token} if self.token else {}
        if since is not None:
            found["since"] = since.isoformat()
            if exact:
                found["exact"] = True
        return found

    def _reach(self, page: Page) -> None:
        """The latest time in the rows; one in the future is a wrong clock and must not carry the window with it."""
        if self.source.cursor != Source.Cursor.TIME:
            return
        path = self.source.cursor_path or self.source.mapping.get("time", "")
        for row in page.rows:
            value = at(row, path)
            try:
                when = moment(None if value is MISSING else value, self.zone)
            except BadMoment:
                continue
            if when <= self.now + timedelta(minutes=5):
                self.high = max(self.high or when, when)

    def _token(self, page: Page) -> bool:
        """Take the position that the answer gives; whether it is another."""
        value = text_of(at(page.document, self.source.cursor_path))
        if not value and page.rows:
            raise Fault(_("应答中没有位置“%(path)s”。"), path=self.source.cursor_path)
        changed = bool(value) and value != self.token
        self.token = value or self.token
        return changed

    def _next(self, page: Page) -> str:
        return text_of(at(page.document, self.source.next_path))[:1000]


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
