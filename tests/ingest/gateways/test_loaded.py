"""A gateway of many thousand devices loads nothing that it has no use for: each library is megabytes."""

import os
import subprocess
import sys

from django.conf import settings

PROGRAM = """
import django, sys
django.setup()
from ingest.management.commands import gateway
gateway.kind("hj212")
print(*sorted({"granian", "openpyxl", "paho", "pandas", "pygeoapi", "pyogrio", "pyproj", "redis"} & sys.modules.keys()))
"""


def test_f22_the_gateway_of_instruments_has_no_library_of_others() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "command_center.settings"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=settings.ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
