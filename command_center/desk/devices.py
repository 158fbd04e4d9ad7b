"""Devices on the desk: the list, the page of one with its profile, and what a person may do to it."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Case, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.forms import blanks
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.alarms.models import SUBJECTS
from services.audit.models import Entry
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.telemetry import devices, inventory
from services.telemetry.features import columns
from services.telemetry.models import Device, Factor, Quarantined
from services.telemetry.units import FACTORS, UNITS, propose_unit

LISTED = 20
"""Outages and changes shown of a device."""
QUARANTINED = 50
CHANNELS = 500
"""Channels shown of a device."""
UNIT = "unit-"
"""Before the factor's code in the name of a form field."""
SELECT = {"class": "form-select"}
INPUT = {"class": "form-control"}


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The devices within reach, those that wait for approval first."""
    principal = visitor(request)
    found = inventory.listing(principal, request.GET.dict())
    context = {
        "found": found,
        "query": request.GET,
        "states": Device.State.choices,
        "protocols": Device.Protocol.choices,
        "presences": [(key, _presence(key)) for key in inventory.PRESENCE],
        "figures": [
            (_("全部设备"), found.counts["total"], "", ""),
            (_("待审核"), found.counts["pending"], "state=pending", "warn" if found.counts["pending"] else ""),
            (_presence("online"), found.counts["online"], "presence=online", "ok"),
            (
                _presence("offline"),
                found.counts["offline"],
                "presence=offline",
                "bad" if found.counts["offline"] else "",
            ),
            (_presence("never"), found.counts["never"], "presence=never", ""),
            (_("已停用"), found.counts["blocked"], "state=blocked", ""),
        ],
        "around": {"previous": found.page - 1, "next": found.page + 1},
    }
    return render(request, "desk/devices.html", context)


class Profile(forms.ModelForm):
    """How a device's data are to be read; what is secret is written, never shown."""

    sm4_key = forms.CharField(
        required=False, max_length=32, widget=forms.PasswordInput({**INPUT, "autocomplete": "new-password"})
    )
    password = forms.CharField(
        required=False, max_length=32, widget=forms.PasswordInput({**INPUT, "autocomplete": "new-password"})
    )
    forget_sm4_key = forms.BooleanField(required=False)
    forget_password = forms.BooleanField(required=False)

    class Meta:
        model = Device
        fields = (
            "name", "interval", "minute_span", "base", "back_days", "version", "crc_mode", "datatime_is",
            "missing_flag", "sm4_key", "password",
        )  # fmt: skip
        widgets = {
            "name": forms.TextInput(INPUT),
            "interval": forms.NumberInput(INPUT),
            "minute_span": forms.NumberInput(INPUT),
            "back_days": forms.NumberInput(INPUT),
            "base": forms.Select(SELECT),
            "version": forms.Select(SELECT),
            "crc_mode": forms.Select(SELECT),
            "datatime_is": forms.Select(SELECT),
            "missing_flag": forms.TextInput(INPUT),
        }

    def __init__(self, *args: Any, instance: Device, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        blanks(self.fields)
        if instance.protocol not in Device.BY_PASSWORD:
            del self.fields["password"]
        if instance.protocol == Device.Protocol.GB28181:
            # It measures nothing: only who it is and how often it is heard is to be said.
            for name in set(self.fields) - {"name", "interval", "password", "forget_password"}:
                del self.fields[name]
            self.fields["interval"].label = _("心跳间隔（秒）")
        self.kept = {name for name in devices.SECRET if getattr(instance, name)}
        for name in self.fields.keys() & set(devices.SECRET):
            self.fields[name].label = Device._meta.get_field(name).verbose_name  # type: ignore[union-attr]
            self.initial.pop(name, None)

    def values(self) -> dict[str, Any]:
        """What to change: a secret only where one was typed or is to be forgotten."""
        given = self.cleaned_data
        values = {name: given[name] for name in self.Meta.fields if name in given and name not in devices.SECRET}
        for name in self.fields.keys() & set(devices.SECRET):
            if given[f"forget_{name}"]:
                values[name] = ""
            elif given[name]:
                values[name] = given[name]
        return values


class UnitLine(NamedTuple):
    """The unit of one factor as the form draws it."""

    field: str
    code: str
    name: str
    stored: str
    choices: list[str]
    chosen: str
    unconfirmed: bool
    median: float | None
    of: int
    proposal: str | None
    error: str


@signed_in
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """A device; POST changes its profile."""
    principal = visitor(request)
    device = inventory.fetch(principal, pk)
    if request.method != "POST":
        return _page(request, device, Profile(instance=device))
    form = Profile(request.POST, instance=Device.objects.get(pk=pk))
    units, wrong = _units(device, request.POST)
    if form.is_valid() and not wrong:
        try:
            devices.edit(principal, pk, form.values() | {"units": units})
        except Invalid as error:
            for name, texts in error.fields.items():
                for text in texts:
                    form.add_error(name if name in form.fields else None, text)
            if not error.fields:
                form.add_error(None, error.message)
        else:
            messages.success(request, _("设备设置已保存。"))
            return HttpResponseRedirect(f"/desk/devices/{pk}")
    return _page(request, device, form, wrong, status=422)


@require_POST
@signed_in
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Bind a device to the feature named and take its readings."""
    try:
        feature = UUID(request.POST.get("feature", ""))
    except ValueError:
        raise Invalid(_("请选择要绑定的监测点。"), {"feature": [_("请从列表中选择。")]}) from None
    device = devices.approve(visitor(request), pk, feature)
    messages.success(request, _("设备%s已启用，开始接收数据。") % device.number)
    return HttpResponseRedirect(f"/desk/devices/{pk}")


@require_POST
@signed_in
def approve_behind(request: HttpRequest, pk: int) -> HttpResponse:
    """Take in what waits behind a device and has the number of a feature."""
    number = devices.approve_behind(visitor(request), pk)
    messages.success(request, _("已启用 %d 路编号相符的通道。") % number)
    return HttpResponseRedirect(f"/desk/devices/{pk}#channels")


@require_POST
@signed_in
def block(request: HttpRequest, pk: int) -> HttpResponse:
    """Take no more readings from a device."""
    device = devices.block(visitor(request), pk)
    messages.success(request, _("设备%s已停用。") % device.number)
    return HttpResponseRedirect(f"/desk/devices/{pk}")


@never_cache
@require_POST
@signed_in
def new_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a token for a device and show it this once; the one before no longer counts."""
    token = devices.new_token(visitor(request), pk)
    device = inventory.fetch(visitor(request), pk)
    return _page(request, device, Profile(instance=device), token=token)


@require_POST
@signed_in
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """End the token of a device: it is let in nowhere until it has a new one."""
    device = devices.revoke_token(visitor(request), pk)
    messages.success(request, _("设备%s的令牌已收回。") % device.number)
    return HttpResponseRedirect(f"/desk/devices/{pk}")


@signed_in
def candidates(request: HttpRequest) -> HttpResponse:
    """Features to which a device may be bound, whose text holds what was typed."""
    text = request.GET.get("q", "").strip()[:100]
    rows = inventory.candidates(visitor(request), text)
    found = [(row.pk, row.title, row.code) for row in rows]
    return render(request, "desk/choices.html", {"found": found, "text": text})


def _page(
    request: HttpRequest,
    device: Device,
    form: Profile,
    wrong: dict[str, str] | None = None,
    status: int = 200,
    token: str = "",
) -> HttpResponse:
    principal = visitor(request)
    now = timezone.now()
    presence = getattr(device, "presence", None)
    pending = device.state == Device.State.PENDING
    features = inventory.features_of(principal, [device])
    feature = features.get(device.feature)
    measured = inventory.measured(device)
    may_change = devices.may_change(principal, device)
    proposed = (inventory.suggestion(principal, device) if pending else None) or feature
    quarantined = list(Quarantined.objects.filter(device=device.pk).order_by("-received_at")[: QUARANTINED + 1])
    context = {
        "device": device,
        "presence": presence,
        "feature": feature,
        "layer_of": registry.get(feature.layer) if feature else None,
        "pending": pending,
        "may_change": may_change,
        "may_approve": may_change or pending,
        "proposed": proposed,
        "by_token": device.protocol in devices.BY_TOKEN,
        "token": token,
        "token_made": _token_made(device),
        "form": form,
        "units": _unit_lines(device, measured, form.data if form.is_bound else None, wrong or {}),
        "measured": measured,
        "rates": [
            (label, devices.rates([device.pk], now - timedelta(days=days), now).get(device.pk))
            for label, days in ((_("近24小时"), 1), (_("近7天"), 7), (_("近30天"), 30))
        ]
        if device.state == Device.State.ACTIVE
        else [],
        "signals": device.protocol == Device.Protocol.GB28181,
        "channels": _channels(principal, device),
        "front": inventory.reachable(principal).filter(pk=device.behind_id).first() if device.behind_id else None,
        "left": SUBJECTS.get(presence.left_how, "") if presence is not None and not presence.online else "",
        "outages": device.outages.order_by("-began_at")[:LISTED],
        "quarantined": [(row, _reason(row.reason)) for row in quarantined[:QUARANTINED]],
        "more_quarantined": len(quarantined) > QUARANTINED,
        "changes": [
            (entry, _deed(entry.action), _changed(principal, entry))
            for entry in Entry.objects.filter(layer="device", object_id=str(device.pk))[:LISTED]
        ],
        "now": now,
    }
    return render(request, "desk/device.html", context, status=status)


def _channels(principal: Principal, device: Device) -> list[tuple[Device, FeatureIndex | None]]:
    """What a device speaks for, those that wait for approval first, each with its feature where that may be seen."""
    first = Case(When(state=Device.State.PENDING, then=0), default=1)
    within = inventory.reachable(principal).filter(behind=device)
    rows = list(within.select_related("presence").order_by(first, "number")[:CHANNELS])
    features = inventory.features_of(principal, rows)
    return [(row, features.get(row.feature)) for row in rows]


def _unit_lines(device: Device, measured: list[inventory.Measured], data: Any, wrong: dict[str, str]) -> list[UnitLine]:
    """A line for every factor that the device sent, or that its feature shows, and that comes in several units."""
    if device.protocol == Device.Protocol.FEED:
        return []  # the source says them
    medians = inventory.medians(device)
    lines = []
    for code, name in _factors(device, measured).items():
        choices = _valid_units(code)
        if len(choices) < 2:
            continue
        confirmed = device.units.get(code, "")
        median, number = medians.get(code, (None, 0))
        lines.append(UnitLine(
            UNIT + code, code, name, FACTORS[code].unit, choices,
            confirmed if data is None else data.get(UNIT + code, ""),
            FACTORS[code].confusable and not confirmed, median, number,
            propose_unit([median]) if median is not None and code in FACTORS else None, wrong.get(code, ""),
        ))  # fmt: skip
    return lines


def _factors(device: Device, measured: list[inventory.Measured]) -> dict[str, str]:
    found = {each.factor.code: str(each.factor) for each in measured}
    feature = FeatureIndex.objects.filter(pk=device.feature).only("layer").first() if device.feature else None
    layer = registry.get(feature.layer) if feature else None
    if layer is not None:
        rows = Factor.objects.filter(code__in=[c for c in columns(layer) if c not in found])
        found |= {factor.code: str(factor) for factor in rows}
    return dict(sorted(found.items()))


def _valid_units(code: str) -> list[str]:
    """The units in which a factor may be sent: those of its quantity."""
    if code not in FACTORS:
        return []
    quantity = UNITS[FACTORS[code].unit][0]
    return [unit for unit, (other, _size) in UNITS.items() if other == quantity]


def _units(device: Device, data: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Units by factor as typed into the form, over those that stay; and what is wrong by factor."""
    units, wrong = dict(device.units), {}
    for name in data:
        code = name.removeprefix(UNIT)
        if code == name:
            continue
        if not data[name]:
            units.pop(code, None)
        elif data[name] in _valid_units(code):
            units[code] = data[name]
        else:
            wrong[code] = _("可选：%s。") % "、".join(_valid_units(code))
    return units, wrong


def _presence(key: str) -> str:
    return {"online": _("在线"), "offline": _("离线"), "never": _("从未上报")}[key]


def _reason(code: str) -> str:
    """Why a reading was not taken, in words."""
    known = {
        "clock": _("时间超出允许范围"),
        "factor": _("因子编码无法识别"),
        "device": _("设备未登记"),
        "refused": _("数据库拒绝写入"),
    }
    return known.get(code, code)


def _deed(action: str) -> str:
    known = {
        "approve device": _("审核并绑定"),
        "block device": pgettext("action", "停用"),
        "new token": _("签发令牌"),
        "revoke token": _("收回令牌"),
        "change device": _("修改设置"),
    }
    return known.get(action, action)


def _token_made(device: Device) -> Entry | None:
    """When the token that counts was made, and by whom; None where it was not made here or there is none."""
    if device.protocol not in devices.BY_TOKEN or not device.secret:
        return None
    return Entry.objects.filter(layer="device", object_id=str(device.pk), action="new token").order_by("-pk").first()


def _changed(principal: Principal, entry: Entry) -> list[tuple[str, str, str]]:
    """The changes of an audit entry by label; keys of features as their names, where they may be seen."""
    pairs = {name: pair for name, pair in entry.changes.items() if isinstance(pair, list) and len(pair) == 2}
    keys = {str(key) for key in pairs.get("feature", []) if key and key != "None"}
    titles = {str(row.pk): row.title for row in gate.restrict_index(principal).filter(pk__in=keys)} if keys else {}
    found = []
    for name, (before, after) in pairs.items():
        field = Device._meta.get_field(name)
        choices = dict(field.flatchoices)  # type: ignore[union-attr]
        texts = [_text(name, value, choices, titles) for value in (before, after)]
        found.append((str(field.verbose_name), texts[0], texts[1]))  # type: ignore[union-attr]
    return found


def _text(name: str, value: Any, choices: dict[Any, Any], titles: dict[str, str]) -> str:
    if value in (None, "", "None", {}):
        return "—"
    if name == "feature":
        return titles.get(str(value), "…")
    if isinstance(value, dict):
        return "，".join(f"{code} {unit}" for code, unit in sorted(value.items()))
    return str(choices.get(value, value))
