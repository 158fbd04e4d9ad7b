"""The 20-digit device number of GB/T 28181, and the first rules of alarms."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from services.alarms.declared import Alarm

CAMERA_TYPES = frozenset({"131", "132"})
"""Digits 11 to 13 of a camera and of a network camera (GB/T 28181-2022 annex D)."""

RECORDER_TYPES = frozenset({"111", "112", "113", "118", "200", "500"})
"""Those of what has cameras behind it: recorders, encoders, servers and platforms."""

CONSTRUCTION = "44"
"""Digits 9 and 10 of the construction industry."""


def is_camera_number(number: str) -> bool:
    """Whether a text is a device number that GB/T 28181 gives to cameras."""
    return len(number) == 20 and number.isascii() and number.isdigit() and number[10:13] in CAMERA_TYPES


def validate_camera_number(number: str) -> None:
    """Raise ValidationError unless the number is one of a camera."""
    if not is_camera_number(number):
        raise ValidationError(_("国标编码应为20位数字，第11至13位为131或132（GB/T 28181）。"), code="camera_number")


def validate_recorder_number(number: str) -> None:
    """Raise ValidationError unless the number is one of a recorder or platform."""
    digits = len(number) == 20 and number.isascii() and number.isdigit()
    if not digits or number[10:13] not in RECORDER_TYPES:
        raise ValidationError(
            _("国标编码应为20位数字，第11至13位为111、112、113、118、200或500（GB/T 28181）。"), code="recorder_number"
        )


MISSED = 3
"""Minutes: a keepalive a minute, and three that did not come."""
_OFFLINE = "GB/T 28181-2022：心跳间隔60秒，连续3次未收到即为离线"

ALARMS = (
    Alarm(
        "camera-silent", gettext_noop("摄像机离线"), "cameras", kind="silence", for_minutes=MISSED, template="silence",
        citation=_OFFLINE,
    ),
    Alarm(
        "recorder-silent", gettext_noop("录像机离线"), "recorders", kind="silence", for_minutes=MISSED, level="orange",
        template="silence", citation=_OFFLINE,
    ),
    Alarm(
        "camera-report", gettext_noop("摄像机状态异常"), "cameras", kind="report", level="yellow",
        citation="GB/T 28181-2022 附录A",
    ),
    Alarm(
        "recorder-report", gettext_noop("录像机状态异常"), "recorders", kind="report", level="yellow",
        citation="GB/T 28181-2022 附录A",
    ),
)  # fmt: skip
"""The first rules of alarms; an office edits, adds and switches off."""
