"""Golden numbers of the identity number (GB 11643-1999)."""

import pytest

from layers.people.rules import check_digit, is_identity_number


@pytest.mark.parametrize("number", ["11010519491231002X", "510107199003070014"])
def test_a_right_number_passes_and_a_wrong_check_digit_does_not(number: str) -> None:
    assert check_digit(number) == number[17]
    assert is_identity_number(number)
    assert not is_identity_number(number[:17] + ("1" if number[17] == "X" else "X"))


@pytest.mark.parametrize(
    "number",
    [
        "110105491231002",  # 15 digits, the form before 1999
        "11010519491231002x",
        "１１０105194912310028",
        "110105194902310021",  # 31 February
        "110105299912310021",  # born in the future
    ],
)
def test_a_malformed_number_does_not_pass(number: str) -> None:
    assert not is_identity_number(number)
