"""How people are drawn, read, filtered and opened, and who may."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from layers.people import flows
from layers.people.models import Certificate, Handover, Locator, Person, Training
from services.catalog.layer import Layer, Scope, Tab, Topic, register
from styles import Categorized, Icon


@register
class People(Layer):
    """People at the seat of their employer; the colour shows whether they work, have left or are locked."""

    model = Person
    geom = "enterprise__geom"
    group = _("市场主体")
    scope = Scope(region="enterprise__region", organisation="enterprise")
    style = Categorized(
        "state",
        {
            Person.State.ACTIVE: Icon("person", "#2b8a3e"),
            Person.State.LEFT: Icon("person", "#6b7a90"),
            Person.State.LOCKED: Icon("person", "#c92a2a"),
        },
    )
    panel = (
        "code", "state", "kind", "title", "trade", "team", "enterprise", "project", "id_masked", "id_number",
        "phone_masked", "phone", "employed_on",
    )  # fmt: skip
    columns = ("code", "name", "kind", "title", "state", "enterprise", "project", "phone_masked")
    tabs = (
        Tab(Certificate, ("kind", "number", "issued_by", "issued_on", "valid_until")),
        Tab(Training, ("held_on", "subject", "hours", "held_by", "result")),
        Topic("location", _("实时定位")),
    )
    filters = ("kind", "state", "title", "enterprise__region", "employed_on")
    search = ("code", "name", "trade", "team", "enterprise__name")
    stats = ("kind", "state", "title", "enterprise__region")
    grants = {
        "commander": "view export private",
        "supervisor": "view create change delete export import private",
        "inspector": "view",
        # An employer registers its own people, by their numbers.
        "contractor": "view create change private",
    }
    private = ("id_number", "phone")
    zoom = 12
    covers = ("DZ-034", "FJ-365", "HZ-007", "DZ-154", "DZ-155", "DZ-156")

    def objections(self, rows: Sequence[Any]) -> Mapping[int, dict[str, list[str]]]:
        """Who is on the blacklist, until somebody has decided on it."""
        return flows.objections(rows)

    def objected(self, who: UUID | None, name: str, row: Any) -> list[Any]:
        """Kept as a hit for the registrar, and a warning at the project."""
        return list(flows.keep(who, name, row))


@register
class Locators(Layer):
    """Helmets, badges and handhelds of workers at their latest position; the colour shows who moves, stands or is off.

    Where somebody is concerns few: inspectors and the public do not see this layer.
    """

    model = Locator
    group = _("工地监管")
    scope = Scope(region="project__region", organisation="person__enterprise")
    style = Categorized(
        "state",
        {
            Locator.State.MOVING: Icon("locator", "#2b8a3e"),
            Locator.State.STILL: Icon("locator", "#1864ab"),
            Locator.State.OFFLINE: Icon("locator", "#6b7a90"),
        },
        label="code",
    )
    panel = ("code", "state", "kind", "person", "project", "worn_since", "speed", "heading", "located_at")
    columns = ("code", "name", "kind", "person", "project", "state", "speed", "located_at")
    tabs = (Tab(Handover, ("taken_at", "person", "note")),)
    filters = ("state", "kind", "project__region", "located_at")
    search = ("code", "name", "person__name", "project__name")
    stats = ("state", "kind", "project__region")
    grants = {
        "commander": "view",
        "supervisor": "view create change delete export import",
        "contractor": "view create change",
    }
    time = "located_at"
    zoom = 12
    covers = ("LN-297",)
