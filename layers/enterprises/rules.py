"""The unified social credit code (GB 32100-2015): its check character and its validity."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of a code; I, O, S, V and Z are left out because they look like digits."""


def check_character(body: str) -> str:
    """The 18th character for the first 17 (GB 32100-2015 §4.2): weights are powers of three modulo 31."""
    total = sum(ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(body[:17]))
    return ALPHABET[-total % 31]


def is_credit_code(code: str) -> bool:
    """Whether a text is a well-formed unified social credit code."""
    return len(code) == 18 and set(code) <= set(ALPHABET) and check_character(code) == code[17]


def validate_credit_code(code: str) -> None:
    """Raise ValidationError unless the code is well formed."""
    if not is_credit_code(code):
        raise ValidationError(
            _("统一社会信用代码应为18位，不含字母I、O、S、V、Z，且末位校验码正确（GB 32100-2015）。"),
            code="credit_code",
        )
