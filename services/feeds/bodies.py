"""Secrets in the body of a request: taken out and sealed when a source is saved, put in when it is sent.

A member of the JSON that is called like a secret, or whose value is written as ``{secret:…}``, keeps asterisks in its
place; its value lies sealed beside the body under its JSON pointer (RFC 6901). Asterisks that are sent back keep it.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from services.catalog.sealed import HIDDEN, CannotOpen, opened
from services.feeds.models import Source
from services.notify.keys import TELLING

PLACES = ("since", "until", "page", "offset", "size", "token", "day")
"""What may stand in braces in parameters and body."""
Secrets = dict[str, Any]
_SAID = re.compile(r"\{secret:(.+)\}", re.DOTALL)


def secrets_of(source: Source) -> Secrets:
    """JSON pointer → the secret that belongs there; raises CannotOpen."""
    text = opened(source.body_secrets)
    found: Secrets = json.loads(text) if text else {}
    return found


def seal(source: Source, keep: bool) -> bool:
    """Take the secrets out of a source's body; whether there are others than before.

    Without ``keep``, and where they cannot be opened, those of before are forgotten. What is no JSON stays as it is.
    """
    before: Secrets = {}
    with suppress(CannotOpen):
        before = secrets_of(source)
    found: Secrets = {}
    with suppress(ValueError, RecursionError):
        masked = _masked(json.loads(source.body or "null"), "", "", before if keep else {}, found)
        if found:
            source.body = json.dumps(masked, ensure_ascii=False, indent=2)
    source.body_secrets = json.dumps(found, ensure_ascii=False) if found else ""
    return found != before


def lacking(pattern: Any, secrets: Mapping[str, Any]) -> bool:
    """Whether asterisks stand for a secret that is not there."""
    left = put_in(pattern, dict.fromkeys(secrets))
    waiting = [left]
    while waiting:
        each = waiting.pop()
        if each == HIDDEN:
            return True
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else []
    return False


def put_in(pattern: Any, secrets: Mapping[str, Any], path: str = "") -> Any:
    """A body with its secrets in their places."""
    if isinstance(pattern, dict):
        return {name: put_in(value, secrets, _under(path, name)) for name, value in pattern.items()}
    if isinstance(pattern, list):
        return [put_in(value, secrets, _under(path, str(n))) for n, value in enumerate(pattern)]
    return secrets[path] if pattern == HIDDEN and path in secrets else pattern


def _masked(value: Any, name: str, path: str, kept: Mapping[str, Any], found: Secrets) -> Any:
    if isinstance(value, dict):
        return {key: _masked(each, key, _under(path, key), kept, found) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, name, _under(path, str(n)), kept, found) for n, each in enumerate(value)]
    if value == HIDDEN:
        if path in kept:
            found[path] = kept[path]
        return value
    said = _SAID.fullmatch(value) if isinstance(value, str) else None
    if said or (TELLING.search(name) and _tells(value)):
        found[path] = said[1] if said else value
        return HIDDEN
    return value


def _tells(value: Any) -> bool:
    """Whether a value can be a secret: neither empty nor one that is filled in for each request."""
    if isinstance(value, str):
        return bool(value) and not any(f"{{{place}}}" in value for place in PLACES)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _under(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
