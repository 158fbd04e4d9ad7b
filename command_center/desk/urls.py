"""The doors of the desk."""

from django.urls import path
from django.views.generic import RedirectView

from command_center.desk import curves, editing, intake, map, notices, outputs, sessions, tokens, views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="desk"), name="root"),
    path("login", sessions.LogIn.as_view(), name="login"),
    path("logout", sessions.LogOut.as_view(), name="logout"),
    path("preferences", sessions.preferences, name="preferences"),
    path("desk", views.overview, name="desk"),
    path("desk/search", views.search, name="desk-search"),
    path("desk/counts", views.counts, name="desk-counts"),
    path("desk/map/style.json", map.style_json, name="desk-style"),
    path("desk/tokens", tokens.page, name="desk-tokens"),
    path("desk/tokens/<int:pk>/withdraw", tokens.withdraw, name="desk-token-withdraw"),
    path("desk/notices", notices.page, name="desk-notices"),
    path("desk/notices/bell", notices.bell, name="desk-bell"),
    path("desk/notices/read", notices.read_all, name="desk-notices-read"),
    path("desk/notices/preferences", notices.preferences, name="desk-notice-preferences"),
    path("desk/notices/<uuid:pk>/read", notices.read, name="desk-notice-read"),
    path("notify/receipts/<int:channel>", notices.gateway_receipts, name="notify-receipts"),
    path("desk/region-at", editing.region_at, name="desk-region-at"),
    path("desk/choices/<slug:key>", editing.choices, name="desk-choices"),
    path("desk/jobs", intake.jobs, name="desk-jobs"),
    path("desk/jobs/<uuid:pk>", intake.job, name="desk-job"),
    path("desk/jobs/<uuid:pk>/dismiss", intake.dismiss, name="desk-dismiss"),
    path("desk/imports/<uuid:pk>", intake.settings, name="desk-import"),
    path("desk/imports/<uuid:pk>/undo", intake.undo, name="desk-undo"),
    path("desk/imports/<uuid:pk>/discard", intake.discard, name="desk-discard"),
    path("desk/imports/<uuid:pk>/report", intake.report, name="desk-report"),
    path("desk/<slug:key>/import", intake.upload, name="desk-upload"),
    path("desk/<slug:key>", views.layer, name="desk-layer"),
    path("desk/<slug:key>/<uuid:pk>", views.layer, name="desk-feature"),
    path("desk/<slug:key>/stats", outputs.stats, name="desk-stats"),
    path("desk/<slug:key>/export", outputs.export, name="desk-export"),
    path("desk/<slug:key>/map.html", outputs.html_map, name="desk-html-map"),
    path("desk/<slug:key>/new", editing.new, name="desk-new"),
    path("desk/<slug:key>/<uuid:pk>/edit", editing.edit, name="desk-edit"),
    path("desk/<slug:key>/<uuid:pk>/delete", views.delete, name="desk-delete"),
    path("desk/<slug:key>/<uuid:pk>/nearby", views.nearby, name="desk-nearby"),
    path("desk/<slug:key>/<uuid:pk>/curves", curves.page, name="desk-curves"),
    path("desk/<slug:key>/<uuid:pk>/history", views.history, name="desk-history"),
    path("desk/<slug:key>/<uuid:pk>/tab/<slug:tab>", views.tab, name="desk-tab"),
    path("desk/<slug:key>/<uuid:pk>/tab/<slug:tab>/add", editing.add_record, name="desk-add-record"),
]
