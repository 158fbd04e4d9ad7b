"""Golden numbers of camera numbers (GB/T 28181)."""

import pytest

from layers.video.rules import is_camera_number


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("51170200441320000001", True),
        ("34020000001310000001", True),
        ("34020000001180000001", False),  # a network video recorder
        ("3402000000132000000", False),
        ("3402000000132000000A", False),
    ],
)
def test_only_numbers_of_cameras_pass(number: str, right: bool) -> None:
    assert is_camera_number(number) is right
