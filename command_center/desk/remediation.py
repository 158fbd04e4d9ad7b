"""Remediation management: orders with their figures, writing one, the page of one with what may be done to it."""

from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.steps import lines
from layers.environment import flows
from layers.environment.models import RemediationOrder
from services.access import gate
from services.access.errors import AccessError, Invalid, NotFound
from services.access.principal import Principal
from services.alarms import actions as alarms
from services.alarms.models import Episode, Level

SIZE = 50
MONTH = timedelta(days=30)
OPEN, OVERDUE, ALL = "open", "overdue", "all"
INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}
STATE = RemediationOrder.State


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The orders within reach, those due first; without a filter those that are not done."""
    principal, now = visitor(request), timezone.now()
    gate.require(principal, flows.layer(), "view")
    query = {name: request.GET.get(name, "").strip()[:100] for name in ("q", "state", "level")}
    query["state"] = query["state"] or OPEN
    states = {OPEN: _("未办结"), OVERDUE: _("超期"), ALL: _("全部"), **dict(STATE.choices)}
    for name, choices in (("state", states), ("level", dict(Level.choices))):
        if query[name] and query[name] not in choices:
            raise Invalid(_("没有这个筛选条件。"), {name: [", ".join(choices)]})
    reach = flows.orders(principal)
    rows = _narrow(reach, query, now)
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 7 else 1
    waiting = query["state"] in (OPEN, OVERDUE, *RemediationOrder.OPEN)
    ordered = rows.order_by("due_at", "pk") if waiting else rows.order_by("-issued_at", "-pk")
    context = {
        "lines": list(ordered[(number - 1) * SIZE : number * SIZE]),
        "total": total,
        "page": number,
        "pages": pages,
        "around": {"previous": number - 1, "next": number + 1},
        "query": query,
        "states": list(states.items()),
        "levels": Level.choices,
        "narrowed": bool(query["q"] or query["level"] or query["state"] != OPEN),
        "cards": _cards(reach, now),
        "may_issue": flows.may_issue(principal),
        "may_export": gate.may(principal, flows.layer(), "export"),
        "export": urlencode({"state": query["state"]} if query["state"] in STATE.values else {}),
        "now": now,
    }
    return render(request, "desk/remediation.html", context)


class OrderForm(forms.Form):
    """What an order says."""

    unit = forms.ChoiceField(label=gettext_lazy("责任单位"), widget=forms.Select(SELECT))
    level = forms.ChoiceField(label=gettext_lazy("级别"), choices=Level.choices, widget=forms.Select(SELECT))
    due_at = forms.DateTimeField(
        label=gettext_lazy("整改期限"),
        widget=forms.DateTimeInput({**INPUT, "type": "datetime-local"}, "%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M"],
    )
    finding = forms.CharField(label=gettext_lazy("存在问题"), max_length=300, widget=forms.TextInput(INPUT))
    requirement = forms.CharField(
        label=gettext_lazy("整改要求"), max_length=2000, widget=forms.Textarea({**INPUT, "rows": 4})
    )

    def __init__(self, *args: Any, units: list[tuple[UUID, str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unit"].choices = [(str(key), f"{name} · {capacity}") for key, name, capacity in units]  # type: ignore[attr-defined]


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Write an order about a monitor: ``alarm`` or ``monitor`` says which."""
    principal = visitor(request)
    episode = _alarm(principal, request.GET.get("alarm"))
    key = episode.feature_id if episode else _uuid(request.GET.get("monitor"))
    if key is None:
        raise NotFound(_("没有这台监测设备。"))
    monitor: Any = gate.fetch(principal, flows.monitors(), key, "change")
    units = flows.units(monitor)
    first: dict[str, Any] = {"level": Level.YELLOW, "due_at": flows.due(Level.YELLOW, timezone.now())}
    if episode is not None:
        first |= flows.proposal(episode)
    form = OrderForm(request.POST or None, initial=first, units=units)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            given = form.cleaned_data
            try:
                order = flows.issue(
                    principal, monitor.pk, unit=_uuid(given["unit"]), finding=given["finding"],
                    requirement=given["requirement"], due_at=given["due_at"], level=given["level"],
                    alarm=episode.pk if episode else None,
                )  # fmt: skip
            except Invalid as error:
                for name, texts in error.fields.items():
                    form.add_error(name if name in form.fields else None, [str(text) for text in texts])
                if not error.fields:
                    form.add_error(None, error.message)
            else:
                messages.success(request, _("整改单 %s 已签发并通知责任单位。") % order.code)
                return HttpResponseRedirect(f"/desk/remediation/{order.pk}")
    context = {"form": form, "monitor": monitor, "episode": episode, "units": units}
    return render(request, "desk/order_new.html", context, status=status)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One order: what is asked, how far it is, what was answered, what may be done."""
    principal, now = visitor(request), timezone.now()
    order = flows.fetch(principal, pk)
    monitor = gate.restrict(principal, flows.monitors()).filter(pk=order.monitor_id).first()
    context = {
        "order": order,
        "monitor": monitor,
        "sees_unit": gate.restrict(principal, _enterprises()).filter(pk=order.unit_id).exists(),
        "alarm": _seen_alarm(principal, order),
        "lines": lines(order.steps.order_by("at", "pk"), order.pk),
        "track": _track(order, now),
        "allowed": flows.allowed(principal, order),
        "overdue": flows.overdue(order, now),
        "most": flows.MOST_PHOTOS,
        "now": now,
    }
    return render(request, "desk/order.html", context)


@require_POST
@signed_in
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Do one thing with an order and show it again; what could not be done is said there."""
    principal = visitor(request)
    flows.fetch(principal, pk)
    photos = [(file.name or "", file.chunks()) for file in request.FILES.getlist("photo")]
    try:
        flows.act(principal, pk, name, request.POST.get("text", ""), photos, due_at=_moment(request.POST.get("due_at")))
    except NotFound:
        raise
    except AccessError as error:
        told = [text for texts in getattr(error, "fields", {}).values() for text in texts]
        messages.error(request, " ".join([error.message, *told]))
    else:
        messages.success(request, _("已记录。"))
    return HttpResponseRedirect(f"/desk/remediation/{pk}")


def _narrow(rows: QuerySet[RemediationOrder], query: dict[str, str], now: datetime) -> QuerySet[RemediationOrder]:
    late = Q(state__in=RemediationOrder.WAITING, due_at__lt=now)
    conditions = {OPEN: Q(state__in=RemediationOrder.OPEN), OVERDUE: late, ALL: Q()}
    rows = rows.filter(conditions.get(query["state"], Q(state=query["state"])))
    if query["level"]:
        rows = rows.filter(level=query["level"])
    if query["q"]:
        rows = rows.filter(
            Q(code__icontains=query["q"]) | Q(monitor__name__icontains=query["q"]) | Q(unit__name__icontains=query["q"])
        )
    return rows


def _cards(reach: QuerySet[RemediationOrder], now: datetime) -> list[tuple[str, str, str, str]]:
    """Label, figure, filter and tone; the share in time is of the orders of the last thirty days."""
    late = Q(late=True) | Q(state__in=RemediationOrder.WAITING, due_at__lt=now)
    recent = Q(issued_at__gte=now - MONTH) & ~Q(state=STATE.WITHDRAWN)
    timely = recent & Q(replied_at__isnull=False) & ~late
    n = reach.order_by().aggregate(
        waiting=Count("pk", filter=Q(state__in=RemediationOrder.WAITING)),
        replied=Count("pk", filter=Q(state=STATE.REPLIED)),
        overdue=Count("pk", filter=Q(state__in=RemediationOrder.WAITING, due_at__lt=now)),
        issued=Count("pk", filter=Q(issued_at__gte=now - MONTH)),
        closed=Count("pk", filter=Q(closed_at__gte=now - MONTH)),
        timely=Count("pk", filter=timely),
        late=Count("pk", filter=recent & late),
    )
    judged = n["timely"] + n["late"]
    return [
        (_("待整改"), str(n["waiting"]), "", ""),
        (_("待复查"), str(n["replied"]), STATE.REPLIED.value, "warn" if n["replied"] else ""),
        (_("超期未回复"), str(n["overdue"]), OVERDUE, "bad" if n["overdue"] else ""),
        (_("近30天签发"), str(n["issued"]), "", ""),
        (_("近30天办结"), str(n["closed"]), STATE.CLOSED.value, "ok"),
        (_("近30天按期率"), f"{100 * n['timely'] / judged:.0f}%" if judged else "—", "", ""),
    ]


def _track(order: RemediationOrder, now: datetime) -> list[tuple[str, str, datetime | None]]:
    """Label, class and time of the stations of an order."""
    if order.state == STATE.WITHDRAWN:
        return [(_("签发"), "done", order.issued_at), (_("已撤销"), "now", None)]
    waiting, closed = order.state in RemediationOrder.WAITING, order.state == STATE.CLOSED
    late = "now late" if now > order.due_at else "now"
    again = _("退回整改") if order.state == STATE.RETURNED else _("整改回复")
    return [
        (_("签发"), "done", order.issued_at),
        (again, late if waiting else "done", order.due_at if waiting else order.replied_at),
        (_("复查"), "done" if closed else "" if waiting else "now", None),
        (_("办结"), "done" if closed else "", order.closed_at),
    ]


def _alarm(principal: Principal, text: str | None) -> Episode | None:
    key = _uuid(text)
    if text and key is None:
        raise NotFound(_("没有这条告警。"))
    return alarms.fetch(principal, key) if key else None


def _seen_alarm(principal: Principal, order: RemediationOrder) -> Episode | None:
    if order.alarm is None:
        return None
    try:
        return alarms.fetch(principal, order.alarm)
    except NotFound:
        return None


def _enterprises() -> Any:
    from services.catalog.layer import registry

    return registry.by_key["enterprises"]


def _moment(text: str | None) -> datetime | None:
    """The end of the day that a date field names; None without one."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(day, time(18)))


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
