"""The alarm centre: the list with its filters, the page of one alarm, what may be done to it, badge and panel tab."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from command_center.desk.curves import charts
from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.outputs import attachment
from gis.models import Region
from layers.environment import flows
from services.access import gate
from services.access.errors import AccessError, NotFound, Refused
from services.access.principal import Principal
from services.alarms import actions, figures, governing, listing
from services.alarms.models import Act, Deadline, Episode, Level
from services.alarms.sweeps import AWAITING
from services.catalog.layer import registry
from services.export.sheets import sheet
from services.notify import absence
from services.telemetry.history import history

AROUND = timedelta(minutes=30)
"""Shown before and after an episode, at least."""
LONGEST = timedelta(days=45)


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The alarms within reach, the newest first; without a filter of the state those that are not done."""
    principal = visitor(request)
    query = request.GET.dict()
    query.setdefault("state", listing.UNDONE)
    if query["state"] == "all":
        query["state"] = ""
    wanted = listing.filters(query, principal.id)
    found = listing.page(principal, wanted, _uuid(request.GET.get("before")))
    allowed = actions.allowed_of(principal, found.rows)
    rules = governing.rules(principal)
    with_rules = {rule.layer for rule in rules}
    context = {
        "found": found,
        "lines": [_line(episode, allowed[episode.pk]) for episode in found.rows],
        "choose": any("acknowledge" in acts for acts in allowed.values()),
        "push": any("assign" in acts for acts in allowed.values()),
        "wanted": wanted,
        "cards": [(level.value, level.label, found.counts[level], _query(request, level=level)) for level in Level],
        "ends": [
            (listing.UNDONE, _("未办结"), found.open, _query(request, state=listing.UNDONE)),
            (listing.FINISHED, _("已结束"), found.done, _query(request, state=listing.FINISHED)),
        ],
        "all_levels": _query(request, level=""),
        "states": [
            (listing.UNDONE, _("未办结")),
            (listing.FINISHED, _("已结束")),
            ("all", _("全部")),
            *Episode.State.choices,
        ],
        "state": request.GET.get("state", listing.UNDONE),
        "levels": Level.choices,
        "modules": figures.modules(),
        "layers": [(layer.key, layer.title) for layer in gate.layers(principal) if layer.key in with_rules],
        "rules": [(str(rule.pk), str(rule)) for rule in rules],
        "regions": counties(),
        "older": _query(request, before=str(found.older)) if found.older else "",
        "paged": "before" in request.GET,
        "first": _query(request),
        "may_export": principal.is_admin or bool(gate.layers(principal, "export")),
    }
    return render(request, "desk/alarms_again.html" if fragment(request, "alarms") else "desk/alarms.html", context)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One alarm: what was measured around it, what happened, what may be done."""
    principal = visitor(request)
    episode = actions.fetch(principal, pk)
    allowed = actions.allowed(principal, episode)
    feature, now = episode.feature, timezone.now()
    layer = registry.get(feature.layer) if feature else None
    context = {
        "episode": episode,
        "feature": feature,
        "layer_of": layer,
        "place": _place(feature),
        "value": _shown(episode, episode.value),
        "peak": _shown(episode, episode.peak),
        "limit": _shown(episode, episode.limit),
        "acts": [(act, _shown(episode, act.value)) for act in episode.acts.select_related("user", "deadline__rule")],
        "told": _told(episode),
        "deadlines": _deadlines(episode, now),
        "charts": [json.dumps(chart, ensure_ascii=False) for chart in _charts(principal, episode, now)],
        "allowed": allowed,
        **(_assignees(episode) if {"assign", "rectify"} & set(allowed) else {}),
        "due": timezone.localtime(now + timedelta(days=3)).replace(hour=18, minute=0),
        "late": episode.state == Episode.State.RECTIFYING and episode.rectify_by and episode.rectify_by < now,
        "dispositions": Episode.Disposition.choices,
        "may_order": _may_order(principal, episode),
        "orders": list(flows.orders(principal).filter(alarm=pk)) if gate.may(principal, flows.layer()) else [],
        "advice": _(episode.rule.advice) if episode.rule.advice else "",
        "may_write_rule": governing.may_write(principal, episode.rule.layer, episode.rule.region),
        "more": actions.episodes(principal).filter(feature=episode.feature_id).exclude(pk=pk).count()
        if feature
        else 0,
    }  # fmt: skip
    return render(request, "desk/alarm_side.html" if fragment(request, "alarm-side") else "desk/alarm.html", context)


def _assignees(episode: Episode) -> dict[str, Any]:
    """The people to whom an alarm can be pushed, and which of them are off duty."""
    found = actions.assignees(episode)
    return {"assignees": found, "away": absence.current(user.pk for user in found)}


@require_POST
@signed_in
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Do one thing with an alarm and show it again; what could not be done is said there."""
    principal = visitor(request)
    actions.fetch(principal, pk)
    try:
        done = actions.act(
            principal, pk, name, request.POST.get("text", ""), assignee=_uuid(request.POST.get("assignee")),
            disposition=request.POST.get("disposition", ""), due=_moment(request.POST.get("due")),
        )  # fmt: skip
    except NotFound:
        raise
    except AccessError as error:
        messages.error(request, error.message)
    else:
        said = _("已推送给%s，并指派为责任人。") % done.assignee if name == "assign" else _("已记录。")
        messages.success(request, said)
    return HttpResponseRedirect(_list_again(request) if "back" in request.POST else f"/desk/alarms/{pk}")


@signed_in
def people(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The people to whom an alarm can be pushed, each a button; the query is that of the list to return to."""
    principal = visitor(request)
    episode = actions.fetch(principal, pk)
    if "assign" not in actions.allowed(principal, episode):
        raise Refused(_("需要对该要素的修改权限，才能指派责任人。"))
    context = {"episode": episode, "feature": episode.feature, **_assignees(episode)}
    return render(request, "desk/alarm_people.html", context)


@require_POST
@signed_in
def acknowledge(request: HttpRequest) -> HttpResponse:
    """Acknowledge the chosen alarms of a list, as far as that is possible."""
    chosen = [found for text in request.POST.getlist("alarm") if (found := _uuid(text)) is not None]
    done, left = actions.acknowledge_all(visitor(request), chosen)
    if done:
        messages.success(request, ngettext("已确认 %d 条告警。", "已确认 %d 条告警。", done) % done)
    if left:
        messages.error(
            request,
            ngettext("%d 条告警不能确认：已确认过，或不由您处理。", "%d 条告警不能确认：已确认过，或不由您处理。", left)
            % left,
        )
    if not chosen:
        messages.error(request, _("请先勾选要确认的告警。"))
    return HttpResponseRedirect(_list_again(request))


@signed_in
def badge(request: HttpRequest) -> HttpResponse:
    """The numbers beside the bell: alarms that are not done, by level."""
    counts = listing.undone(visitor(request))
    shown = [(level.value, level.label, counts[level]) for level in Level if counts[level]]
    return render(request, "desk/alarm_badge.html", {"counts": shown, "total": sum(counts.values())})


@signed_in
def tab(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The alarms of one feature, for its panel."""
    principal = visitor(request)
    gate.fetch(principal, gate.layer_for(principal, key), pk)
    rows = listing.of_feature(principal, pk)
    return render(request, "desk/alarm_tab.html", {"lines": [_line(row) for row in rows], "pk": pk})


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The list that is shown, as Excel or CSV."""
    query = request.GET.dict()
    query["state"] = "" if query.get("state") == "all" else query.get("state", listing.UNDONE)
    form = query.pop("format", "xlsx")
    principal = visitor(request)
    rows = listing.export(principal, listing.filters(query, principal.id))
    chunks, kind = sheet(form, _("告警"), listing.headings(), rows)
    response = StreamingHttpResponse(chunks, content_type=kind)
    name = f"{_('告警')}_{timezone.localtime():%Y%m%d_%H%M}.{form}"
    response.headers["Content-Disposition"] = attachment(name)
    return response


def _may_order(principal: Principal, episode: Episode) -> bool:
    """Whether an order to remedy can come of an alarm: one of a monitor that the principal may change."""
    feature = episode.feature
    if feature is None or feature.layer != flows.monitors().key or episode.withdrawn:
        return False
    return gate.restrict(principal, flows.monitors(), "change").filter(pk=feature.pk).exists()


def _list_again(request: HttpRequest) -> str:
    """The address of the list from which something was done."""
    query = request.POST.get("back", "")
    return "/desk/alarms" + (f"?{query}" if query and "\n" not in query else "")


def _line(episode: Episode, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """A row of a list as the template draws it, with what may be done to it there."""
    return {
        "episode": episode,
        "may_acknowledge": "acknowledge" in allowed,
        "may_push": "assign" in allowed,
        "feature": episode.feature,
        "value": _shown(episode, episode.value),
        "peak": _shown(episode, episode.peak),
        "limit": _shown(episode, episode.limit),
    }


def _shown(episode: Episode, value: float | None) -> str:
    if value is None:
        return "—"
    if episode.factor is None:
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
    return f"{value:.{episode.factor.digits}f}"


def _charts(principal: Principal, episode: Episode, now: datetime) -> list[dict[str, Any]]:
    """What was measured around an episode, with its time and its limit marked."""
    if episode.factor is None or episode.feature_id is None:
        return []
    end = episode.ended_at or now
    margin = max(AROUND, (min(end, episode.began_at + LONGEST) - episode.began_at) / 4)
    begin, until = episode.began_at - margin, min(end + margin, now, episode.began_at + LONGEST)
    try:
        curves = history(principal, episode.feature_id, [episode.factor.code], begin, until)
    except NotFound:
        return []
    found = charts(
        [curve for curve in curves if curve.device == episode.device_id] or curves,
        {episode.factor.code: str(episode.factor)},
    )
    area = [_milliseconds(episode.began_at), _milliseconds(min(end, until))]
    return [{**chart, "limit": episode.limit, "limitName": _("限值"), "area": area} for chart in found]


def _milliseconds(at: datetime) -> int:
    return round((at + timedelta(hours=8)).timestamp() * 1000)


def _told(episode: Episode) -> list[tuple[str, str]]:
    """Who was told, with why, each once."""
    kinds = dict(Act.Kind.choices)
    rows = episode.told.select_related("user")
    return list(dict.fromkeys((str(row.user), str(kinds[row.kind])) for row in rows))


def _deadlines(episode: Episode, now: datetime) -> list[tuple[Deadline, datetime, str]]:
    """The deadlines of the episode's level: when each is over, and ``open``, ``done`` or ``over``."""
    own = Deadline.objects.filter(rule=episode.rule, level=episode.level)
    rows: Sequence[Deadline] = list(own) or list(Deadline.objects.filter(rule=None, level=episode.level))
    times = {
        "acknowledge": episode.acknowledged_at or episode.closed_at,
        "handle": episode.handled_at or episode.closed_at, "close": episode.closed_at,
    }  # fmt: skip
    found = []
    for row in rows:
        due, done = episode.raised_at + timedelta(minutes=row.minutes), times[row.step]
        waits = episode.state in AWAITING[row.step] and done is None
        state = ("over" if now > due else "open") if waits else ("over" if done and done > due else "done")
        found.append((row, due, state))
    return found if not episode.late else []


def _place(feature: Any) -> tuple[float, float] | None:
    if feature is None or feature.geom is None:
        return None
    point = feature.geom.point_on_surface
    return point.x, point.y


def counties() -> list[tuple[str, str]]:
    """The counties of the product's region."""
    rows = Region.objects.subtree(settings.PRODUCT_REGION).filter(level="county").order_by("code")
    return [(row.code, row.name) for row in rows.only("code", "name")]


def _query(request: HttpRequest, **changes: str) -> str:
    """The query of this list with some values changed; a page begins anew unless it is named."""
    query = {name: value for name, value in request.GET.items() if name != "before"} | changes
    return urlencode({name: value for name, value in query.items() if value})


def _moment(text: str | None) -> datetime | None:
    """A local time of a form; None without one."""
    try:
        return timezone.make_aware(datetime.fromisoformat(text or ""))
    except ValueError:
        return None


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
