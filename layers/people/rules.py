"""The citizen identity number (GB 11643-1999): its check digit and its validity; what is warned of about people."""

from datetime import date

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from services.alarms.kinds import WarningKind

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def check_digit(body: str) -> str:
    """The 18th character for the first 17 digits (ISO 7064 MOD 11-2, as GB 11643-1999 annex A has it)."""
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body[:17], strict=True))
    return "10X98765432"[total % 11]


def is_identity_number(number: str) -> bool:
    """Whether a text is an 18-character number with a real date of birth and the right check digit."""
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()):
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return born <= date.today() and check_digit(number) == number[17]


def validate_identity_number(number: str) -> None:
    """Raise ValidationError unless the number is well formed."""
    if not is_identity_number(number):
        raise ValidationError(
            _("身份证号应为18位，出生日期真实，且末位校验码正确（GB 11643-1999），末位字母用大写X。"),
            code="identity_number",
        )


LISTED = "blacklisted-at-site"
WARNINGS = (
    WarningKind(
        LISTED, gettext_noop("黑名单人员进场"), "projects", level="orange",
        advice=gettext_noop("核对人员身份，按企业规定决定是否允许进场并说明理由。"),
    ),
)  # fmt: skip
