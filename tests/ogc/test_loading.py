"""The doors of the OGC API are loaded late: that changes nothing for who asks, and no start waits for pygeoapi."""

import subprocess
import sys

from django.conf import settings
from django.test import RequestFactory

from command_center import edr, ogc, ogc_urls

LATER = {"command_center.edr": edr, "command_center.ogc": ogc}


def test_every_address_leads_to_a_door_that_refuses_or_looks_for_the_token() -> None:
    """All are exempt from Django's own look for it: they are GET only, or look for themselves."""
    refusing = set()
    for pattern in ogc_urls.urlpatterns:
        door = getattr(LATER[pattern.callback.__module__], pattern.callback.__name__)
        if not getattr(door, "csrf_exempt", False):
            assert door(RequestFactory().post("/ogc")).status_code == 405, pattern.pattern
            refusing.add(pattern.callback.__name__)
    assert {"landing", "coverage", "position", "location", "job_results"} <= refusing
    assert refusing.isdisjoint({"item", "item_list", "execution", "job"})


def test_a_start_does_not_load_pygeoapi_and_a_web_process_has_it_soon() -> None:
    said = """
import sys, time
import django
from django.urls import reverse

django.setup()
reverse("ogc-items", args=["projects"])
print("pygeoapi.api" in sys.modules)
from command_center.wsgi import application
until = time.monotonic() + 60
while "pygeoapi.api" not in sys.modules and time.monotonic() < until:
    time.sleep(0.1)
print("pygeoapi.api" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", said], cwd=settings.ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
