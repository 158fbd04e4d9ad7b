"""Settings. Everything that differs between machines comes from the environment, or from ``.local/env``."""

import os
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

from django.utils.translation import gettext_lazy as _

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"

if (LOCAL / "env").is_file():
    for line in (LOCAL / "env").read_text().splitlines():
        name, _sep, value = line.partition("=")
        os.environ.setdefault(name.strip(), value.strip())

# One PROJ, one GDAL, one GEOS in the process: those inside the wheels.
for name in ("PROJ_DATA", "PROJ_LIB"):
    os.environ.pop(name, None)


def wheel_library(package: str, pattern: str) -> str:
    """The shared library that a wheel brings beside its package."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, f"{package} is not installed"
    return str(next(Path(spec.origin).parent.parent.glob(f"{package}.libs/{pattern}")))


GDAL_LIBRARY_PATH = wheel_library("pyogrio", "libgdal-*.so*")
GEOS_LIBRARY_PATH = wheel_library("shapely", "libgeos_c-*.so*")


def found(folder: str) -> list[str]:
    """The apps of a floor, found by looking: every package below it."""
    return [f"{folder}.{path.parent.name}" for path in sorted((ROOT / folder).glob("*/__init__.py"))]


def called() -> str:
    """The name of this program: as the scripts start it, else its command, else that of the server that runs it."""
    path = Path(sys.argv[0])
    command = sys.argv[1] if path.name == "manage.py" and len(sys.argv) > 1 else path.stem
    return os.environ.get("ZHUTU_PROGRAM") or (path.parent.name if command == "__main__" else command)


DEBUG = os.environ.get("ZHUTU_DEBUG") == "1"
PROGRAM = called()
SECRET_KEY = os.environ.get("ZHUTU_SECRET_KEY") or "only-for-tests-and-checks-" + "0" * 32
# Sessions and sealed secrets that a former key made: `manage.py reseal` and they may go.
SECRET_KEY_FALLBACKS = [key for key in os.environ.get("ZHUTU_OLD_SECRET_KEYS", "").split(",") if key]
ALLOWED_HOSTS = os.environ.get("ZHUTU_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
WEB_PORT = os.environ.get("PORT", "8000")
LIVE_URL = os.environ.get("ZHUTU_LIVE_URL", "")
"""Where browsers reach the live events: an address or a path behind a proxy, else port LIVE_PORT of the same host."""
LIVE_PORT = os.environ.get("LIVE_PORT", "")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("ZHUTU_ORIGINS", "").split(",") if origin]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.gis",
    "gis.apps.SpatialConfig",
    *found("services"),
    "ingest",
    *found("layers"),
    "command_center.apps.CommandCenterConfig",
    "django.contrib.admin",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "command_center.middleware.Locale",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "command_center.middleware.ContentSecurity",
    "command_center.middleware.Principal",
    "command_center.errors.Problems",
]

ROOT_URLCONF = "command_center.urls"
WSGI_APPLICATION = "command_center.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "command_center.context.everywhere",
            ],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "command_center.postgis",
        "HOST": os.environ.get("ZHUTU_PGHOST", ""),
        "PORT": os.environ.get("ZHUTU_PGPORT", ""),
        "USER": os.environ.get("ZHUTU_PGUSER", "zhutu"),
        "PASSWORD": os.environ.get("ZHUTU_PGPASSWORD", ""),
        "NAME": os.environ.get("ZHUTU_PGDATABASE", "zhutu"),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # A network that is cut without a word is noticed within ten seconds, and of several hosts the one that
            # writes is taken; over the socket of the same machine both say nothing.
            "tcp_user_timeout": "10000",
            "keepalives_idle": "4",
            "keepalives_interval": "2",
            "keepalives_count": "3",
            "target_session_attrs": "read-write",
            # By which sessions are told apart from those of others (docs/operations.md).
            "application_name": f"zhutu {PROGRAM}"[:63],
            # Parallel workers rebuild PROJ pipelines and ruin tiles; nothing of the web runs for half a minute.
            "options": "-c max_parallel_workers_per_gather=0 -c jit=off -c datestyle=ISO"
            + ("" if Path(sys.argv[0]).name == "manage.py" else " -c statement_timeout=30s -c lock_timeout=10s"),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("ZHUTU_REDIS_URL", "redis://127.0.0.1:6379")
CACHES = {
    "default": {
        "BACKEND": "command_center.cache.Cache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": os.environ.get("ZHUTU_PGDATABASE", "zhutu"),
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
# Not by cookie as well: its signature is prepared for every request, tiles included.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# Celery spells a Redis socket differently from redis-py.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TIMEZONE = "Asia/Shanghai"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["services.accounts.backend.PasswordBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "UserAttributeSimilarityValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "desk"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "zh-hans"
# Floors that are not apps, or whose apps share their words.
LOCALE_PATHS = [ROOT / "services" / "locale", ROOT / "styles" / "locale"]
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "/static/"
STATIC_ROOT = LOCAL / "static"
FRONTEND = ROOT / "command_center" / "frontend" / "dist"
STATICFILES_DIRS = [path for path in (FRONTEND, LOCAL / "assets") if path.is_dir()]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_MAX_AGE = 3600
# Vite names what it builds by its content: such a file never changes.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/.+-[\w-]{8}\.\w+$"
MEDIA_ROOT = Path(os.environ.get("ZHUTU_MEDIA", LOCAL / "media"))
# Whose filling up administrators hear of.
DISKS = [Path(name) for name in os.environ.get("ZHUTU_DISKS", str(MEDIA_ROOT)).split(":") if name]
# Where the MQTT broker's files are: the gateway writes who may come in.
MQTT_FOLDER = Path(os.environ.get("ZHUTU_MQTT", LOCAL / "run" / "mosquitto"))
# The folder of the database server's log in JSON: logins and changes of structure are found there.
SERVER_LOG = Path(os.environ["ZHUTU_SERVER_LOG"]) if os.environ.get("ZHUTU_SERVER_LOG") else None
# Our own number as a platform of GB/T 28181; its first ten digits are the domain that devices register in.
GB28181_NUMBER = os.environ.get("ZHUTU_GB28181_NUMBER", "51170000442000000001")
# What one address may take up of the gateways of HJ 212, JT/T 808 and GB/T 28181 (docs/devices.md), and addresses
# without limits: the simulators' own, and those behind which a carrier or a relay of ours hides many devices.
GATEWAY_TRUSTED = [each for each in os.environ.get("ZHUTU_GATEWAY_TRUSTED", "127.0.0.0/8,::1").split(",") if each]
GATEWAY_CONNECTIONS = int(os.environ.get("ZHUTU_GATEWAY_CONNECTIONS", "5000"))
GATEWAY_UNPROVED = int(os.environ.get("ZHUTU_GATEWAY_UNPROVED", "512"))
GATEWAY_REFUSALS = int(os.environ.get("ZHUTU_GATEWAY_REFUSALS", "120"))
FILE_UPLOAD_PERMISSIONS = 0o640
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# With HTTPS a proxy of ours stands in front: what it says of scheme and address is believed, and of nobody else.
BEHIND_PROXY = os.environ.get("ZHUTU_HTTPS") == "1"
if BEHIND_PROXY:
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_NAME = "__Host-sessionid"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "collector": {"()": "services.operations.collecting.Collector", "program": PROGRAM},
    },
    # Of programs that run on their own the entries are collected; a command that is given by hand shows what it says.
    "root": {"handlers": ["console", *(["collector"] if os.environ.get("ZHUTU_PROGRAM") else [])], "level": "INFO"},
}

PRODUCT = _("筑图")
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
"""Of the program: what it computed and keeps says with which."""
PRODUCT_REGION = os.environ.get("ZHUTU_REGION", "511700")
"""The city the platform serves: what the map shows first."""
