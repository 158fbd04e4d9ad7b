"""Devices: whom a gateway takes readings from, who may see and change a device, and whether it is heard."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.rows import class_row

from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.telemetry import tokens
from services.telemetry.models import Device
from services.telemetry.spans import Span

MOST_PENDING = 10_000
"""Unknown devices kept for approval; more are refused without a trace of their own."""
MOST_FROM_ADDRESS = 50
"""Of them from one address."""
PROFILE = (
    "name", "units", "crc_mode", "datatime_is", "missing_flag", "minute_span", "interval", "base", "back_days",
    "sm4_key", "password", "version",
)  # fmt: skip
"""What a person edits of a device."""
SECRET = ("sm4_key", "password")
KEY_FOR, PASSWORD_FOR = (f"{Device._meta.db_table}.{name}" for name in SECRET)
"""What a device's key and its password are sealed for."""
BY_TOKEN = (Device.Protocol.HTTP, Device.Protocol.MQTT)
"""Protocols whose devices show a token."""
SILENT = 3
"""Intervals without a packet after which a device is offline, but at least ``SHORTEST_SILENCE`` seconds."""
SHORTEST_SILENCE = 180
DEAF = 30
"""Seconds without a word from a gateway after which it hears nobody, and nobody is silent for that."""


class Admitted(NamedTuple):
    """An active device as a gateway needs it."""

    id: int
    number: str
    secret: str
    """The digest of its token or code."""
    units: dict[str, str]
    crc_mode: str
    datatime_is: str
    missing_flag: str
    minute_span: int
    interval: int
    back_days: int
    sm4_key: str
    password: str
    """Both sealed."""
    version: int | None
    base: int = 0
    behind_id: int | None = None
    """The device that speaks for it."""

    @property
    def rhythm(self) -> float:
        """Seconds between two packets of it."""
        return {Span.MINUTE: 60.0 * self.minute_span, Span.HOUR: 3600.0}.get(Span(self.base), float(self.interval))


def admit(link: psycopg.Connection, protocol: str, number: str, address: str) -> Admitted | None:
    """The device with this number if it is active; else None, and an unknown one waits for approval from now on.

    Each refusal is counted with the device. At most ``MOST_PENDING`` wait, ``MOST_FROM_ADDRESS`` from one address.
    """
    if not 1 <= len(number) <= 32 or not number.isprintable():
        return None
    with link.transaction(), link.cursor(row_factory=class_row(Admitted)) as cursor:
        found = cursor.execute(_ADMIT, [protocol, number]).fetchone()
        if found is not None:
            return _apart(found)
        given = {"protocol": protocol, "number": number, "address": address[:45], "now": timezone.now()}
        link.execute(_MEET, {**given, "most": MOST_PENDING, "most_here": MOST_FROM_ADDRESS})
    return None


def admitted(link: psycopg.Connection, protocol: str) -> list[Admitted]:
    """All active devices that speak a protocol: a gateway reads them again every few seconds."""
    with link.cursor(row_factory=class_row(Admitted)) as cursor:
        return [_apart(device) for device in cursor.execute(_ADMITTED, [protocol])]


def _apart(device: Admitted) -> Admitted:
    # As text and taken apart here: connections differ in what they make of JSON.
    return device._replace(units=_units(str(device.units)))


@lru_cache(maxsize=4096)
def _units(text: str) -> dict[str, str]:
    """Shared by the many devices with the same units: nobody changes it."""
    found: dict[str, str] = json.loads(text)
    return found


def heard(link: psycopg.Connection, arrivals: dict[int, tuple[datetime, str]]) -> None:
    """Note when and from which address devices were last heard; call it every few seconds for all of them together.

    Their outages end.
    """
    if not arrivals:
        return
    rows = sorted((device, at, address[:45]) for device, (at, address) in arrivals.items())
    devices, times, addresses = (list(column) for column in zip(*rows, strict=True))
    with link.transaction():
        link.execute(_HEARD, [devices, times, addresses])
        link.execute(
            "update telemetry_outage o set ended_at = greatest(o.began_at, s.at) from unnest(%s::int4[],"
            " %s::timestamptz[]) s (device, at) join telemetry_presence p on p.device_id = s.device and p.online"
            " where o.device_id = s.device and o.ended_at is null",
            [devices, times],
        )


def mark_silent(link: psycopg.Connection, now: datetime | None = None) -> list[int]:
    """Set devices offline that were not heard for too long, each with an outage from when it was; returns them."""
    with link.transaction():
        rows = link.execute(
            _SILENT, {"now": now or timezone.now(), "times": SILENT, "least": SHORTEST_SILENCE, "deaf": DEAF}
        )
        return [device for (device,) in rows.fetchall()]


def clock_was_set(link: psycopg.Connection, now: datetime | None = None) -> None:
    """Count the silence of every device that is online from now: when it was last heard was said by another clock."""
    link.execute("update telemetry_presence set seen_at = %s where online", [now or timezone.now()])


def visible(principal: Principal) -> QuerySet[Device]:
    """The devices of features that a principal may see; an administrator sees those without a feature, too."""
    if principal.is_admin:
        return Device.objects.all()
    return Device.objects.filter(feature__in=gate.restrict_index(principal).values("pk"))


def pending(principal: Principal) -> QuerySet[Device]:
    """The devices that wait for approval: for those who may change some feature that can have one."""
    if not any(gate.may(principal, layer, "change") for layer in device_layers()):
        return Device.objects.none()
    return Device.objects.filter(state=Device.State.PENDING)


def device_layers() -> list[Layer]:
    """The layers whose features may have devices: with columns that they feed, that move, are present, or say so."""
    measured = measured_layers()
    known = ("moves", "presence", "has_devices")
    return [layer for layer in registry if layer in measured or any(getattr(layer.model, n, None) for n in known)]


def present_layers() -> list[Layer]:
    """The layers whose features are online or offline as their devices are."""
    return [layer for layer in registry if getattr(layer.model, "presence", None)]


def measured_layers() -> list[Layer]:
    """The layers with columns that devices feed."""
    return [layer for layer in registry if any(getattr(f, "factor", "") for f in layer.model._meta.concrete_fields)]


def online_rate(principal: Principal, begin: datetime, end: datetime) -> dict[int, float]:
    """Device → the share of the time from ``begin`` to ``end`` in which it was online, from 0 to 1.

    Active devices that were heard at all; the time before a device was approved does not count.
    """
    rows = visible(principal).filter(state=Device.State.ACTIVE, presence__seen_at__isnull=False)
    return rates(list(rows.values_list("pk", flat=True)), begin, end)


def rates(devices: list[int], begin: datetime, end: datetime) -> dict[int, float]:
    """The same share for devices that somebody is known to see, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_RATE, {"devices": devices, "begin": begin, "end": end})
        return dict(cursor.fetchall())


@transaction.atomic
def approve(principal: Principal, pk: int, feature: UUID) -> Device:
    """Bind a device to a feature that the principal may change, and take its readings from now on."""
    found = FeatureIndex.objects.filter(pk=feature).first()
    layer = registry.get(found.layer) if found else None
    if layer is None:
        raise NotFound(_("没有这个要素。"))
    gate.fetch(principal, layer, feature, "change")
    device = Device.objects.select_for_update().filter(pk=pk).first()
    if device is None or not (device.state == Device.State.PENDING or may_change(principal, device)):
        raise NotFound(_("没有这个设备。"))
    before = [device.state, str(device.feature)]
    device.state, device.feature = Device.State.ACTIVE, feature
    device.approved_at, device.approved_by_id = timezone.now(), principal.id
    device.save()
    _note(
        principal, "approve device", device, {"state": [before[0], device.state], "feature": [before[1], str(feature)]}
    )
    return device


@transaction.atomic
def approve_behind(principal: Principal, pk: int) -> int:
    """Approve what waits behind a device and has the number of a feature that the principal may change; how many."""
    front = _changeable(principal, pk)
    waiting = {row.number: row for row in front.channels.filter(state=Device.State.PENDING)}
    features = gate.restrict_index(principal, device_layers(), "change").filter(code__in=list(waiting))
    taken = set(Device.objects.filter(feature__in=features.values("pk")).values_list("feature", flat=True))
    found = [row for row in features.order_by("pk").only("pk", "code") if row.pk not in taken]
    for feature in found:
        approve(principal, waiting[feature.code].pk, feature.pk)
    return len(found)


@transaction.atomic
def block(principal: Principal, pk: int) -> Device:
    """Take no more readings from a device; what it sent stays."""
    device = _changeable(principal, pk)
    before, device.state = device.state, Device.State.BLOCKED
    device.save()
    _note(principal, "block device", device, {"state": [before, device.state]})
    return device


@transaction.atomic
def edit(principal: Principal, pk: int, values: dict[str, Any]) -> Device:
    """Change named settings of PROFILE; Invalid where one cannot be. Readings that were stored stay as they are."""
    device = _changeable(principal, pk)
    unknown = sorted(set(values) - set(PROFILE))
    if unknown:
        raise Invalid(_("有不能写入的字段。"), {name: [_("没有此字段或不可写入。")] for name in unknown})
    changes = {}
    for name, value in values.items():
        before = getattr(device, name)
        setattr(device, name, value)
        if name in SECRET:
            # Not opened to compare: it is typed only to be changed.
            if before or value:
                changes[name] = ["***" if before else "", "***" if value else ""]
        elif before != value:
            changes[name] = [before, value]
    try:
        device.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    device.save()
    _note(principal, "change device", device, changes)
    return device


@transaction.atomic
def new_token(principal: Principal, pk: int) -> str:
    """A new token for a device that speaks HTTP or MQTT; the one before it no longer counts. It is shown only now."""
    device = _changeable(principal, pk)
    if device.protocol not in BY_TOKEN:
        raise Invalid(_("只有 HTTP 和 MQTT 设备使用令牌。"), {})
    before = device.secret
    token, digest = tokens.new()
    device.secret = digest if device.protocol == Device.Protocol.HTTP else tokens.broker_digest(token)
    device.save(update_fields=["secret"])
    _note(principal, "new token", device, {"secret": ["***" if before else "", "***"]})
    return token


@transaction.atomic
def revoke_token(principal: Principal, pk: int) -> Device:
    """End a device's token: from the next look of the gateways on, seconds later, nobody comes in with it."""
    device = _changeable(principal, pk)
    if device.protocol not in BY_TOKEN:
        raise Invalid(_("只有 HTTP 和 MQTT 设备使用令牌。"), {})
    if device.secret:
        device.secret = ""
        device.save(update_fields=["secret"])
        _note(principal, "revoke token", device, {"secret": ["***", ""]})
    return device


def _changeable(principal: Principal, pk: int) -> Device:
    device = visible(principal).filter(pk=pk).first()
    if device is None:
        raise NotFound(_("没有这个设备。"))
    if not may_change(principal, device):
        raise Refused(_("需要对设备所属要素的修改权限。"))
    return Device.objects.select_for_update().get(pk=pk)


def may_change(principal: Principal, device: Device) -> bool:
    """Whether a principal may change a device: as they may its feature, and an administrator one without."""
    if device.feature is None:
        return principal.is_admin
    return gate.restrict_index(principal, action="change").filter(pk=device.feature).exists()


def _note(principal: Principal, action: str, device: Device, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, action, layer="device", object_id=device.pk, changes=changes,
        address=principal.address,
    )  # fmt: skip


_ADMITTED = f"""
select {", ".join(Admitted._fields).replace("units", "units::text as units")} from telemetry_device
where protocol = %s and state = 'active'"""  # noqa: S608
_ADMIT = f"{_ADMITTED} and number = %s"
_MEET = """
with known as (
    select id from telemetry_device where protocol = %(protocol)s and number = %(number)s
), added as (
    insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is, missing_flag,
        minute_span, interval, base, back_days, sm4_key, created_at)
    select %(protocol)s, %(number)s, '', 'pending', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', %(now)s
    where not exists (select from known)
        and (select count(*) from telemetry_device where state = 'pending') < %(most)s
        and (select count(*) from telemetry_device d join telemetry_presence p on p.device_id = d.id
            where d.state = 'pending' and p.address = %(address)s) < %(most_here)s
    on conflict (protocol, number) do nothing returning id
)
insert into telemetry_presence as p (device_id, seen_at, address, online, refused)
select id, %(now)s, %(address)s, false, 1 from (table known union all table added) d
on conflict (device_id) do update set refused = p.refused + 1, seen_at = excluded.seen_at, address = excluded.address"""
_HEARD = """
insert into telemetry_presence as p (device_id, seen_at, connected_at, address, online, refused)
select s.device, s.at, s.at, s.address, true, 0
from unnest(%s::int4[], %s::timestamptz[], %s::text[]) s (device, at, address)
join telemetry_device d on d.id = s.device
-- What was said before it left does not bring it back.
left join telemetry_presence q on q.device_id = s.device and q.left_at >= s.at and q.left_at <= now()
where q.device_id is null
on conflict (device_id) do update set address = excluded.address,
    -- A time that is still to come was written by a clock that has been set back since (F13).
    seen_at = greatest(case when p.seen_at <= now() then p.seen_at end, excluded.seen_at),
    connected_at = case when p.online then p.connected_at else excluded.connected_at end, online = true,
    left_at = null, left_how = ''"""
_SILENT = """
with ahead as (
    -- Heard by a clock that has been set back since (F13): silence counts from now.
    update telemetry_presence set seen_at = %(now)s where online and seen_at > %(now)s + interval '5 minutes'
), silent as (
    update telemetry_presence p set online = false
    from telemetry_device d left join telemetry_listening l on l.protocol = d.protocol
    cross join lateral (
        select %(now)s - make_interval(secs => greatest(%(least)s,
            %(times)s * case d.base when 0 then d.interval when 1 then 60 * d.minute_span else 3600 end)) as at
    ) bar
    where d.id = p.device_id and p.online and p.seen_at < bar.at
        and (l.at is null or (l.since < bar.at and l.at > %(now)s - make_interval(secs => %(deaf)s)))
    returning p.device_id, p.seen_at
), noted as (
    insert into telemetry_outage (device_id, began_at) select device_id, seen_at from silent on conflict do nothing
)
select device_id from silent order by 1"""
_RATE = """
select d.id, 1 - coalesce(sum(extract(epoch from least(coalesce(o.ended_at, %(end)s), %(end)s) - greatest(o.began_at,
        s.begin))) filter (where o.id is not null), 0)::float8 / extract(epoch from %(end)s - s.begin)::float8
from telemetry_device d
cross join lateral (select greatest(%(begin)s, coalesce(d.approved_at, %(begin)s)) as begin) s
left join telemetry_outage o on o.device_id = d.id and o.began_at < %(end)s
    and coalesce(o.ended_at, %(end)s) > s.begin
where d.id = any(%(devices)s) and s.begin < %(end)s group by d.id, s.begin"""
