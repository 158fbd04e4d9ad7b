"""Golden numbers of the unified social credit code (GB 32100-2015)."""

import pytest
from django.core.exceptions import ValidationError

from layers.enterprises.rules import check_character, is_credit_code, validate_credit_code
from layers.enterprises.seed import credit_code

REAL = ("91330100799655058B", "9144030071526726XG", "91110000802100433B", "91350100M000100Y43")


@pytest.mark.parametrize("code", REAL)
def test_a_right_code_passes_and_each_single_error_is_caught(code: str) -> None:
    assert is_credit_code(code)
    assert check_character(code) == code[17]
    for place in range(18):
        wrong = code[:place] + ("1" if code[place] == "0" else "0") + code[place + 1 :]
        assert not is_credit_code(wrong)


@pytest.mark.parametrize(
    "code", ["", "9133010079965505", "91330100799655058b", "9133010079965505OB", " 1330100799655058B"]
)
def test_a_malformed_code_is_refused(code: str) -> None:
    with pytest.raises(ValidationError):
        validate_credit_code(code)


def test_demo_codes_are_well_formed_and_name_no_area() -> None:
    codes = [credit_code(n) for n in range(2000)]
    assert len(set(codes)) == 2000
    assert all(is_credit_code(code) and code[2:8] == "990000" for code in codes)
