"""Admin pages: one for each layer with its records inline; accounts; the audit trail to read."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gis.models import Region
from services.access import actions, gate
from services.access.principal import Principal, principal_of
from services.accounts.models import ApiToken, Membership, User
from services.audit import trail
from services.audit.models import Entry, Finding, Rule
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.operations.models import Job, Policy


def principal(request: HttpRequest) -> Principal:
    """The principal of an admin request."""
    return getattr(request, "principal", None) or principal_of(request.user)


class FeatureAdmin(admin.ModelAdmin):
    """Admin of one layer; written through actions, so that checks and audit are those of every other door."""

    layer: Layer
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return gate.restrict(principal(request), self.layer).order_by("-pk")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [f.name for f in gate.fields(principal(request), self.layer) if f.editable]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return gate.may(principal(request), self.layer)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return gate.may(principal(request), self.layer, "create")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "delete", obj)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        values = {
            name: getattr(obj, obj._meta.get_field(name).attname)  # type: ignore[union-attr]
            for name in (form.changed_data if change else form.cleaned_data)
        }
        if change:
            actions.change(principal(request), self.layer, obj.pk, values)
        else:
            obj.pk = actions.create(principal(request), self.layer, values).pk
            obj._state.adding = False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        actions.delete(principal(request), self.layer, obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the audit trail keeps this."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the audit trail keeps this."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing: the audit trail keeps this."""

    def _may(self, request: HttpRequest, action: str, obj: Any) -> bool:
        if obj is None:
            return gate.may(principal(request), self.layer, action)
        return gate.restrict(principal(request), self.layer, action).filter(pk=obj.pk).exists()


def register_layer(layer: Layer) -> None:
    """Make and register the admin page of a layer."""
    direct = [path for path in layer.listed if "__" not in path]
    options: dict[str, Any] = {
        "layer": layer,
        "list_display": ("name", *(path for path in direct if path != "name" and path not in layer.private)),
        "list_select_related": tuple(path for path in direct if layer.field[path].related is not None),
        "search_fields": layer.search,
        "list_filter": tuple(
            path for path in layer.filters if path in layer.field and layer.field[path].choices
        ),
        "raw_id_fields": tuple(f.name for f in layer.fields if f.related is not None),
    }  # fmt: skip
    admin.site.register(layer.model, type(f"{layer.model.__name__}Admin", (FeatureAdmin,), options))


class ForAdministrators:
    """Pages of the platform itself: for an administrator without bounds; every change is audited."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return principal(request).is_admin

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return principal(request).is_admin

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        self._note(request, "change" if change else "create", obj, form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._note(request, "delete", obj, [])
        super().delete_model(request, obj)  # type: ignore[misc]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)  # type: ignore[misc]
        for row in (*formset.new_objects, *(row for row, _fields in formset.changed_objects)):
            self._note(request, "grant", row, [str(row)])
        for row in formset.deleted_objects:
            self._note(request, "withdraw", row, [str(row)])

    def _note(self, request: HttpRequest, action: str, obj: Any, fields: list[str]) -> None:
        # Names of fields only: a password's hash does not belong into the trail.
        who = principal(request)
        trail.note(
            who.id, who.name, f"{action} {obj._meta.model_name}", object_id=obj.pk, changes={"fields": fields},
            address=who.address,
        )  # fmt: skip


class ReadOnly(ForAdministrators):
    """The same, to read."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_add_permission = has_delete_permission = has_change_permission


class MembershipInline(ForAdministrators, admin.TabularInline):
    """The roles of a user."""

    model = Membership
    extra = 0
    raw_id_fields = ("region", "organisation")


@admin.register(User)
class PersonAdmin(ForAdministrators, UserAdmin):
    """Users."""

    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("username", "password", "title", "email")}),
        (_("状态"), {"fields": ("is_active", "is_staff", "locked_until", "last_login")}),
    )
    readonly_fields = ("locked_until", "last_login")
    list_display = ("username", "title", "is_active", "is_staff", "last_login")


@admin.register(ApiToken)
class TokenAdmin(ReadOnly, admin.ModelAdmin):
    """Tokens: to see and to withdraw; a new one is issued where its secret can be shown."""

    list_display = ("name", "user", "expires_at", "created_at")
    has_delete_permission = ForAdministrators.has_view_permission


@admin.register(Region)
class RegionAdmin(ReadOnly, admin.ModelAdmin):
    """Regions, as they were loaded."""

    list_display = ("code", "name", "level", "parent", "valid_from", "valid_to", "replaced_by")
    list_select_related = ("parent", "replaced_by")
    list_filter = ("level",)
    search_fields = ("code", "name")
    exclude = ("geom", "place", "geom_3857", "place_3857")


@admin.register(FeatureIndex)
class IndexAdmin(ReadOnly, admin.ModelAdmin):
    """The feature index: where the organisation of a membership is looked up."""

    list_display = ("title", "code", "layer", "region_code")
    list_filter = ("layer",)
    search_fields = ("title", "code")
    exclude = ("geom", "geom_3857")
    show_full_result_count = False


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    """Long work."""

    list_display = ("title", "kind", "user", "state", "progress", "created_at", "finished_at")
    list_filter = ("state", "kind")


@admin.register(Policy)
class PolicyAdmin(ForAdministrators, admin.ModelAdmin):
    """How the platform watches itself, from a day on."""

    list_display = ("valid_from", "log_months", "rise_least", "rise_factor", "rise_days", "block_seconds", "citation")


@admin.register(Rule)
class RuleAdmin(ForAdministrators, admin.ModelAdmin):
    """What is abnormal on the database."""

    list_display = ("name", "kind", "level", "least", "enabled", "valid_from", "valid_to")
    list_filter = ("kind", "level", "enabled")


@admin.register(Finding)
class FindingAdmin(ReadOnly, admin.ModelAdmin):
    """Abnormal operations on the database."""

    list_display = ("at", "level", "rule", "account", "role", "address", "program", "tables", "rows")
    list_filter = ("kind", "level")
    search_fields = ("account", "role", "statement")


@admin.register(Entry)
class EntryAdmin(ReadOnly, admin.ModelAdmin):
    """The audit trail."""

    list_display = ("at", "user_name", "action", "layer", "object_id", "address", "result")
    list_filter = ("action", "layer")
    search_fields = ("user_name", "object_id")


for declared in registry:
    register_layer(declared)
