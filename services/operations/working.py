"""For whom this process works at the moment: said to the database with every question, and to the log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

MARK = re.compile(r"^/\*zhutu (\S*)\*/ ?")
"""How a question to the database begins that is asked for an account of the platform."""
_UNSAFE = re.compile(r"[^\w.@+-]")


class Work(NamedTuple):
    """Whose work it is, from where they come, and what they asked for; empty texts where nobody did."""

    account: str = ""
    address: str = ""
    request: str = ""


NOBODY = Work()
_now: ContextVar[Work] = ContextVar("work", default=NOBODY)


def now() -> Work:
    """What this thread works at."""
    return _now.get()


def begin(work: Work) -> None:
    """Say what this thread works at from here on."""
    _now.set(work)


def end() -> None:
    """Say that it works for nobody in particular."""
    _now.set(NOBODY)


@contextmanager
def working(account: str, address: str = "", request: str = "") -> Iterator[None]:
    """Work for somebody within the block."""
    token = _now.set(Work(account, address, request))
    try:
        yield
    finally:
        _now.reset(token)


def marked(sql: str) -> str:
    """A question with the account before it, where ``pg_stat_activity`` and triggers find it without another question.

    Nothing of a name can end the comment or be taken for a parameter.
    """
    account = _now.get().account
    return f"/*zhutu {_UNSAFE.sub('_', account)}*/ {sql}" if account else sql


def account_of(sql: str | None) -> str:
    """The account before a question, or an empty text."""
    found = MARK.match(sql or "")
    return found[1] if found else ""


def bare(sql: str | None) -> str:
    """A question without the account."""
    return MARK.sub("", sql or "")
