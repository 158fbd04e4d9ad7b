"""The bell, one's own notices, and how one wants to be told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from services.access.errors import Invalid
from services.access.principal import Principal
from services.accounts.models import User
from services.audit import trail
from services.notify import absence, inbox, receipts
from services.notify.models import PERSONAL, SHANGHAI, Contact, Kind, Level


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """One's notices, newest first; ``unread=1`` for those not read, ``before`` an id for older ones."""
    me = visitor(request)
    only_unread = request.GET.get("unread") == "1"
    try:
        before = UUID(request.GET["before"]) if "before" in request.GET else None
    except ValueError:
        before = None
    rows = list(inbox.of(me.id, unread=only_unread, before=before)[: inbox.PAGE + 1])
    shown = rows[: inbox.PAGE]
    context = {
        "notices": shown,
        "older": shown[-1].pk if len(rows) > inbox.PAGE else None,
        "unread": inbox.unread(me.id),
        "only_unread": only_unread,
        "away": absence.current([me.id]).get(me.id) if me.id else None,
    }
    return render(request, "desk/notices.html", context)


@signed_in
def bell(request: HttpRequest) -> HttpResponse:
    """The number beside the bell, and the newest notice that is not read, which the page shows as it comes."""
    me = visitor(request).id
    return render(request, "desk/bell.html", {"unread": inbox.unread(me), "newest": inbox.newest(me)})


@require_POST
@signed_in
def read(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Mark a notice of one's own as read and go where it leads."""
    notice = inbox.read(visitor(request).id, pk)
    lead = notice.link if url_has_allowed_host_and_scheme(notice.link, None) else ""
    return HttpResponseRedirect(lead or "/desk/notices")


@require_POST
@signed_in
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all notices as read."""
    inbox.read_all(visitor(request).id)
    return HttpResponseRedirect("/desk/notices")


class Preferences(forms.ModelForm):
    """Where and when somebody wants to be told."""

    ways = forms.MultipleChoiceField(
        choices=[(f"{level}:{kind}", "") for level in Level.values for kind in PERSONAL], required=False
    )

    class Meta:
        model = Contact
        fields = ("mobile", "email", "language", "quiet_from", "quiet_to")
        widgets = {
            "mobile": forms.TextInput({"class": "form-control", "inputmode": "numeric", "autocomplete": "tel"}),
            "email": forms.EmailInput({"class": "form-control", "autocomplete": "email"}),
            "language": forms.Select({"class": "form-select"}),
            "quiet_from": forms.TimeInput({"class": "form-control", "type": "time"}, "%H:%M"),
            "quiet_to": forms.TimeInput({"class": "form-control", "type": "time"}, "%H:%M"),
        }

    def grid(self) -> list[tuple[str, str, list[tuple[str, bool]]]]:
        """Each level with its name and, for each kind, the box's value and whether it is ticked."""
        ticked = self.data.getlist("ways") if self.is_bound else self.ticked  # type: ignore[attr-defined]
        return [
            (level.value, str(level.label), [(f"{level}:{kind}", f"{level}:{kind}" in ticked) for kind in PERSONAL])
            for level in Level
        ]

    @property
    def ticked(self) -> list[str]:
        return [f"{level}:{kind}" for level, kinds in self.instance.ways.items() for kind in kinds]

    def save(self, commit: bool = True) -> Any:
        """Save the contact with its ways."""
        chosen = [value.split(":") for value in self.cleaned_data["ways"]]
        self.instance.ways = {level: [k for asked, k in chosen if asked == level] for level in Level.values}
        return super().save(commit)


@signed_in
def preferences(request: HttpRequest) -> HttpResponse:
    """One's addresses, ways by level and quiet hours; POST saves them."""
    me = visitor(request)
    user = User.objects.get(pk=me.id)
    contact = Contact.objects.filter(user=user).first() or Contact(user=user)
    form = Preferences(request.POST if request.method == "POST" else None, instance=contact)
    if request.method == "POST" and form.is_valid():
        form.save()
        trail.note(
            me.id, me.name, "change contact", object_id=user.pk, changes={"fields": form.changed_data},
            address=me.address,
        )  # fmt: skip
        messages.success(request, _("通知设置已保存。"))
        return HttpResponseRedirect("/desk/notices/preferences")
    kinds = [Kind(kind).label for kind in PERSONAL]
    context = {"form": form, "kinds": kinds, "account_email": user.email, **_absences(me)}
    return render(request, "desk/notice_preferences.html", context, status=400 if form.errors else 200)


@require_POST
@signed_in
def set_absence(request: HttpRequest) -> HttpResponse:
    """Be off duty for a time, with a deputy: ``since`` and ``until`` in China's time, ``deputy`` a user."""
    me = visitor(request)
    given = {name: request.POST.get(name, "") for name in ("since", "until", "deputy")}
    try:
        absence.settle(me, _moment(given["since"]), _moment(given["until"]), _user(given["deputy"]))
    except Invalid as error:
        user = User.objects.get(pk=me.id)
        contact = Contact.objects.filter(user=user).first() or Contact(user=user)
        context = {
            "form": Preferences(None, instance=contact), "kinds": [Kind(kind).label for kind in PERSONAL],
            "account_email": user.email, "wrong": error.fields, "given": given, **_absences(me),
        }  # fmt: skip
        return render(request, "desk/notice_preferences.html", context, status=422)
    messages.success(request, _("不在岗安排已保存，到期自动恢复。"))
    return HttpResponseRedirect("/desk/notices/preferences")


@require_POST
@signed_in
def end_absence(request: HttpRequest, pk: int) -> HttpResponse:
    """Be on duty again, or take back what is to come."""
    absence.end(visitor(request), pk)
    messages.success(request, _("不在岗安排已结束。"))
    return HttpResponseRedirect("/desk/notices/preferences")


def _absences(me: Principal) -> dict[str, Any]:
    now = timezone.now()
    rows = [(row, row.since <= now) for row in absence.mine(me)]
    return {"absences": rows, "deputies": absence.candidates(me)}


def _moment(text: str) -> datetime | None:
    """A time of a form, in China's time; None for what is none."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=SHANGHAI) if found is not None and found.tzinfo is None else found


def _user(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@csrf_exempt
@require_POST
def gateway_receipts(request: HttpRequest, channel: int) -> HttpResponse:
    """Receipts of an SMS gateway, which shows its token in the X-Notify-Token header."""
    taken = receipts.take(channel, request.headers.get("X-Notify-Token", ""), request.body)
    return JsonResponse({"taken": taken})
