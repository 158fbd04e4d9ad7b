"""What goes out: an act of an alarm as a CloudEvent, its data a GeoJSON feature, signed as Standard Webhooks says.

CloudEvents 1.0 (CNCF), structured JSON; RFC 7946; signature: HMAC-SHA256 over ``id.timestamp.body``, in base64.
"""

import hashlib
import hmac
import json
import secrets
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.gis.geos import Point
from django.utils import translation

from services.access import gate
from services.alarms.models import Act, Episode
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.telemetry.models import Device

TYPE = "zhutu.alarm."
"""Before the kind of the act."""
PING = "zhutu.ping"
"""The type of the event that tries a subscription."""
KEY = "whsec_"
"""Before a signing key, which is base64."""


def new_secret() -> str:
    """A signing key: 192 bits."""
    return KEY + b64encode(secrets.token_bytes(24)).decode()


def ping(identifier: str, at: datetime) -> dict[str, Any]:
    """An event that tells nothing, to try the way."""
    return _event(identifier, PING, at, subject="ping", data={})


def event(act: Act, language: str) -> dict[str, Any]:
    """The event of an act, with the alarm as it stands now: the feature's place in CGCS2000 longitude and latitude.

    ``act`` comes with its episode and that one's rule, factor and feature. Texts are in ``language``.
    """
    with translation.override(language):
        return _event(str(act.pk), TYPE + act.kind, act.at, subject=str(act.episode_id), data=_feature(act))


def headers(secret: str, identifier: str, body: bytes, at: datetime) -> dict[str, str]:
    """The headers of a request; a repeat has the same ``webhook-id``."""
    stamp = str(int(at.timestamp()))
    signed = hmac.new(b64decode(secret.removeprefix(KEY)), f"{identifier}.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/cloudevents+json; charset=utf-8", "webhook-id": identifier,
        "webhook-timestamp": stamp, "webhook-signature": f"v1,{b64encode(signed.digest()).decode()}",
    }  # fmt: skip


def encoded(event: dict[str, Any]) -> bytes:
    """An event as it is sent."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _event(identifier: str, kind: str, at: datetime, **rest: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": identifier, "source": _origin(), "type": kind, "time": at.isoformat(),
        "datacontenttype": "application/geo+json", **rest,
    }  # fmt: skip


def _feature(act: Act) -> dict[str, Any]:
    episode, index = act.episode, act.episode.feature
    properties = {
        "alarm": str(episode.pk), "act": act.kind, "act_title": act.get_kind_display(), "at": act.at.isoformat(),
        "text": act.words, "level": act.level, "state": episode.state, "state_title": episode.get_state_display(),
        "title": str(episode.rule), "rule": episode.rule.key or str(episode.rule_id), "subject": episode.subject,
        **_measured(episode),
        "began_at": episode.began_at.isoformat(), "raised_at": episode.raised_at.isoformat(),
        "last_at": episode.last_at.isoformat(), "late": episode.late, "count": episode.count,
        "ended_at": episode.ended_at.isoformat() if episode.ended_at else None,
        "url": f"{_origin()}/desk/alarms/{episode.pk}",
    }  # fmt: skip
    if index is None:
        return {"type": "Feature", "geometry": None, "properties": properties}
    layer = registry.get(index.layer)
    properties |= {
        "layer": index.layer, "layer_title": str(layer.title) if layer else "", "code": index.code,
        "name": index.title, "region": index.region_code, "belongs_to": _above(index),
    }  # fmt: skip
    return {"type": "Feature", "id": str(index.pk), "geometry": _place(index), "properties": properties}


def _measured(episode: Episode) -> dict[str, Any]:
    factor = episode.factor
    devices = Device.objects.filter(pk__in=[episode.device_id]) if episode.device_id else Device.objects.none()
    device = devices.values_list("number", flat=True).first()  # it may be gone
    return {
        "device": device, "factor": factor.code if factor else None,
        "factor_title": str(factor) if factor else None, "unit": factor.unit if factor else episode.rule.unit or None,
        "value": episode.value, "peak": episode.peak, "limit": episode.limit,
    }  # fmt: skip


def _above(index: FeatureIndex) -> list[dict[str, str]]:
    """What the feature belongs to, such as its project: layer, id, code and name, the nearest first."""
    layer = registry.get(index.layer)
    keys = (layer.rows().filter(pk=index.pk).values_list(*gate.lineage(layer)).first() or ()) if layer else ()
    found = FeatureIndex.objects.in_bulk([key for key in keys[1:] if key is not None])
    rows = [found[key] for key in keys[1:] if key in found]
    return [{"layer": row.layer, "id": str(row.pk), "code": row.code, "name": row.title} for row in rows]


def _place(index: FeatureIndex) -> dict[str, Any] | None:
    if index.geom is None:
        return None
    point = index.geom if isinstance(index.geom, Point) else index.geom.point_on_surface
    return {"type": "Point", "coordinates": [round(point.x, 7), round(point.y, 7)]}


def _origin() -> str:
    """The platform's first outside address; a name where it has none."""
    return settings.CSRF_TRUSTED_ORIGINS[0].rstrip("/") if settings.CSRF_TRUSTED_ORIGINS else "urn:zhutu"
