"""States of machines: the standard's example, numbers written otherwise, and what is no state."""

from datetime import UTC, datetime

import pytest

from ingest.protocols.hj212.errors import BadPacket
from ingest.protocols.hj212.machines import states
from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.profile import Profile

AT = datetime(2016, 8, 1, 0, 58, 57, tzinfo=UTC)


def said(cp: str) -> list[tuple[str, float | None, str]]:
    """(Code, value, quality) of a packet of CN 2021; all of them are real-time readings of its DataTime."""
    found = states(Packet("M", "2021", "32", cp=cp), Profile())
    assert {(each.at, each.span) for each in found} <= {(AT, "real")}
    return [(each.factor, each.value, each.quality) for each in found]


def test_the_example_of_the_standard() -> None:
    assert said("DataTime=20160801085857;SB1-RS=1;SB2-RS=0") == [
        ("SB1-RS", 1, ""), ("SB2-RS", 0, ""), ("faults", 0, ""),
    ]  # fmt: skip


def test_machines_in_alarm_are_counted_and_numbers_may_be_padded() -> None:
    assert said("DataTime=20160801085857;sb001-Rs=4,SB12-RS=4;SB3-RS=5;SB3-RT=2.5;LA-Rtd=60") == [
        ("SB1-RS", 4, ""), ("SB12-RS", 4, ""), ("SB3-RS", 5, ""), ("faults", 2, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "quality"),
    [("6", "range"), ("11", "range"), ("", "number"), ("on", "number"), ("0…", "number"), ("-1", "number"),
     ("１", "number"), ("1.0", "number")],
)  # fmt: skip
def test_what_is_no_state_is_kept_as_bad_and_nothing_is_counted(text: str, quality: str) -> None:
    assert said(f"DataTime=20160801085857;SB1-RS={text};SB2-RS=4") == [
        ("SB1-RS", None, quality), ("SB2-RS", 4, ""),
    ]  # fmt: skip


def test_without_machines_nothing_is_said_and_without_a_time_it_is_refused() -> None:
    assert said("DataTime=20160801085857") == []
    for cp in ("SB1-RS=1", "DataTime=yesterday;SB1-RS=1"):
        with pytest.raises(BadPacket):
            states(Packet("M", "2021", "32", cp=cp), Profile())
