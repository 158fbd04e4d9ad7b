"""The 20-digit device number of GB/T 28181."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

CAMERA_TYPES = frozenset({"131", "132"})
"""Digits 11 to 13 of a camera and of a network camera (GB/T 28181-2022 annex D)."""

CONSTRUCTION = "44"
"""Digits 9 and 10 of the construction industry."""


def is_camera_number(number: str) -> bool:
    """Whether a text is a device number that GB/T 28181 gives to cameras."""
    return len(number) == 20 and number.isascii() and number.isdigit() and number[10:13] in CAMERA_TYPES


def validate_camera_number(number: str) -> None:
    """Raise ValidationError unless the number is one of a camera."""
    if not is_camera_number(number):
        raise ValidationError(_("国标编码应为20位数字，第11至13位为131或132（GB/T 28181）。"), code="camera_number")
