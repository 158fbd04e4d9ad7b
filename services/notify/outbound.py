"""Connections out: to listed hosts only, to the address that was checked, without redirects, within time and size.

The standard library's client serves here because it connects where it is told to and writes no address, which may
carry a key, into a log. ASVS 1.3.6, 13.2.4, 15.3.2; fault F53.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from services.notify.errors import Refused, Retry, Unreachable
from services.notify.models import Destination

SECONDS = 10.0
"""For one step: to connect, to read."""

DEADLINE = 30.0
"""Seconds for a whole request; well under the outbox's lease."""

BYTES = 64 * 1024
"""The longest answer that is read."""


@dataclass(frozen=True)
class Answer:
    """An answer: HTTP status, body, and headers by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def split(url: str, *, plain: bool = False) -> tuple[str, int, str]:
    """Host, port and path with query of an https address, or of an http one where ``plain``; raises Refused else."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("the address is malformed") from None
    host = parts.hostname or ""
    allowed = ("https", "http") if plain else ("https",)
    if parts.scheme not in allowed or not host or parts.username is not None or parts.password is not None:
        raise Refused(f"only {' and '.join(allowed)} addresses without a user name are called")
    if any(ord(letter) <= 32 or ord(letter) > 126 for letter in url) or "\\" in url:
        raise Refused("the address holds a character that must not be in one")
    return host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def listed(host: str, port: int) -> Destination:
    """The administrator's row for a host and port; raises Refused where there is none."""
    found = Destination.objects.filter(host=host, port=port).first()
    if found is None:
        raise Refused(f"{host}:{port} is not among the allowed hosts")
    return found


def connect(destination: Destination) -> socket.socket:
    """A connection to a listed host, at an address that was checked; raises Refused or Unreachable."""
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"the name {destination.host} cannot be resolved") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _permitted(address, destination.internal):
            raise Refused(f"{destination.host} resolves to an address that must not be called")
    # The address is connected to, not the name: a second look-up could answer differently (DNS rebinding).
    for address in addresses:
        try:
            return socket.create_connection((address, destination.port), SECONDS)
        except OSError:
            continue
    raise Unreachable(f"{destination.host}:{destination.port} does not answer")


def trust(destination: Destination) -> ssl.SSLContext:
    """How the host proves itself: by the authority that its row names, else by one that the system trusts."""
    try:
        context = ssl.create_default_context(cadata=destination.authority or None)
    except (ssl.SSLError, ValueError):
        raise Refused(f"the authority's certificate of {destination.host} cannot be read") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def post(url: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Send a request over https and read its answer; raises as ``exchange``."""
    return exchange("POST", url, body, headers)


def exchange(
    method: str,
    url: str,
    body: bytes | None,
    headers: dict[str, str],
    *,
    most: int = BYTES,
    patience: float = SECONDS,
    deadline: float = DEADLINE,
    plain: bool = False,
) -> Answer:
    """Send a request and read its answer whatever its status; a redirect is an answer like any other.

    ``most`` bytes of it are read; ``patience`` is how long a single step may take, ``deadline`` the whole. ``plain``
    lets http through, to hosts of the internal network. Raises Refused before a socket opens where the address is not
    allowed, Unreachable where nothing answers, Retry where the answer is too long.
    """
    host, port, path = split(url, plain=plain)
    destination = listed(host, port)
    context = trust(destination) if urlsplit(url).scheme == "https" else None
    if context is None and not destination.internal:
        raise Refused(f"{host} is not in the internal network, and only there http is spoken")
    link: http.client.HTTPConnection
    if context is None:
        link = http.client.HTTPConnection(host, port, timeout=SECONDS)
    else:
        link = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
    raw = connect(destination)
    # A peer that sends a byte now and then would outlast any time-out of a single step. The watch holds a socket of its
    # own on the connection: TLS takes the first one over.
    watched, until = raw.dup(), time.monotonic() + deadline
    watch = threading.Timer(deadline, _cut, (watched,))
    watch.daemon = True
    watch.start()
    try:
        link.sock = context.wrap_socket(raw, server_hostname=host) if context is not None else raw
        link.sock.settimeout(patience)
        link.request(method, path, body, headers)
        response = link.getresponse()
        content = response.read(most + 1)
    except ssl.SSLCertVerificationError:
        raise Unreachable(f"{host} does not prove itself by a trusted certificate") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{host} broke off: {type(error).__name__}") from None
    finally:
        watch.cancel()
        link.close()
        raw.close()
        watched.close()
    if time.monotonic() >= until or (response.length and len(content) <= most):
        raise Unreachable(f"{host} broke off in its answer")
    if len(content) > most:
        raise Retry(f"{host} answered with more than {most} bytes")
    return Answer(response.status, content, {name.lower(): value for name, value in response.getheaders()})


def accepted(answer: Answer, host: str) -> bytes:
    """The body of a good answer; raises Refused or Unreachable by the status of any other."""
    if 200 <= answer.status < 300:
        return answer.body
    if answer.status in (408, 425, 429) or answer.status >= 500:
        raise Unreachable(f"{host} answered {answer.status}")
    raise Refused(f"{host} answered {answer.status}")


def _permitted(address: str, internal: bool) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
        return False  # 169.254.169.254 hands out a cloud machine's credentials
    return internal or ip.is_global


def _cut(watched: socket.socket) -> None:
    with contextlib.suppress(OSError):
        watched.shutdown(socket.SHUT_RDWR)
