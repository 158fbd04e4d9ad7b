"""Admin pages: one for each layer with its records inline; accounts; the audit trail to read."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from services.access import actions, gate
from services.access.principal import Principal, principal_of
from services.accounts.models import ApiToken, Membership, User
from services.audit.models import Entry
from services.catalog.layer import Layer, registry


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


class MembershipInline(admin.TabularInline):
    """The roles of a user."""

    model = Membership
    extra = 0
    raw_id_fields = ("region", "organisation")


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Users."""

    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("username", "password", "title", "email")}),
        (_("状态"), {"fields": ("is_active", "is_staff", "locked_until", "last_login")}),
    )
    readonly_fields = ("locked_until", "last_login")
    list_display = ("username", "title", "is_active", "is_staff", "last_login")


@admin.register(ApiToken)
class TokenAdmin(admin.ModelAdmin):
    """Tokens: to see and withdraw; a new one is issued where its secret can be shown."""

    list_display = ("name", "user", "expires_at", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """The audit trail, to read."""

    list_display = ("at", "user_name", "action", "layer", "object_id", "address", "result")
    list_filter = ("action", "layer")
    search_fields = ("user_name", "object_id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


for declared in registry:
    register_layer(declared)
