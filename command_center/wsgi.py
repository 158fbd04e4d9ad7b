"""The WSGI application, as granian serves it."""

import os
from importlib import import_module
from threading import Timer

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "command_center.settings")

application = get_wsgi_application()

# The doors that come later (``command_center.ogc_urls``) must not make the first who asks for one wait.
_loading = Timer(2, import_module, ["command_center.edr"])
_loading.daemon = True
_loading.start()
