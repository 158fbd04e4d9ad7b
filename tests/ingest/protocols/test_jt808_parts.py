"""Sub-packets of JT/T 808: any order, repeats, losses, lies."""

from itertools import permutations

import pytest

from ingest.protocols.jt808.bodies import parse
from ingest.protocols.jt808.errors import BodyError, PartError
from ingest.protocols.jt808.from_terminal import build_batch
from ingest.protocols.jt808.messages import Header, Message, MessageId, decode, packets
from ingest.protocols.jt808.parts import DRIFT, Assembler
from tests.ingest.protocols.jt808_samples import BATCH

ID = MessageId.LOCATION_BATCH


def sent(body: bytes = build_batch(BATCH), serial: int = 100, phone: str = "13912345678") -> list[Message]:
    return [decode(wire) for wire in packets(ID, body, phone=phone, serial=serial)]


def part(number: int, total: int, *, serial: int = 100, body: bytes = b"x", message_id: int = ID) -> Message:
    return Message(
        Header(message_id, 0x2000 | len(body), "013912345678", serial + number - 1, None, total, number), body
    )


def refused(assembler: Assembler, message: Message, now: float = 0.0) -> str:
    with pytest.raises(PartError) as caught:
        assembler.add(message, now)
    return caught.value.kind


def test_f16_parts_in_any_order_give_the_same() -> None:
    parts = sent()
    assert len(parts) == 3
    for order in permutations(parts):
        assembler = Assembler()
        first, second, whole = [assembler.add(message, 0.0) for message in order]
        assert first is None and second is None
        assert whole is not None
        assert parse(whole) == BATCH
        assert whole.serials == (100, 101, 102)
        assert whole.header.serial == 100


def test_a_part_alone_is_no_message() -> None:
    with pytest.raises(BodyError) as caught:
        parse(sent()[0])
    assert caught.value.kind == "part"


def test_a_message_that_is_whole_passes_through() -> None:
    (message,) = sent(b"short")
    assert Assembler().add(message, 0.0) is message


def test_f15_repeated_parts_change_nothing() -> None:
    parts = sent()
    assembler = Assembler()
    answers = [assembler.add(message, 0.0) for message in (parts[0], parts[0], parts[1], parts[0], parts[2])]
    assert [answer is not None for answer in answers] == [False, False, False, False, True]
    assert answers[-1] is not None and parse(answers[-1]) == BATCH
    assert assembler.counts["repeated"] == 2


def test_f15_a_part_that_comes_again_after_the_commit_is_known_and_opens_nothing() -> None:
    parts = sent()
    assembler = Assembler(timeout=60)
    *_, whole = [assembler.add(message, 0.0) for message in parts]
    assert whole is not None and not assembler.is_stored(parts[1])
    assembler.mark_stored(whole)
    assert assembler.is_stored(parts[1]), "its acknowledgement was lost: it wants it again"
    assert assembler.add(parts[1], 1.0) is None
    assert assembler.gaps(30.0) == []
    assert not assembler.is_stored(sent(serial=103)[1]), "the same bytes under other serials are another message"
    assembler.expire(60.0)
    assert not assembler.is_stored(parts[1]), "remembered for the time-out only"


def test_f01_what_was_not_stored_is_taken_again() -> None:
    """The commit failed, so nothing was acknowledged, and the terminal sends all parts once more."""
    assembler = Assembler()
    for _ in range(2):
        *_, whole = [assembler.add(message, 0.0) for message in sent()]
        assert whole is not None and parse(whole) == BATCH
        assert not assembler.is_stored(sent()[0])


def test_another_message_is_not_marked_as_stored() -> None:
    assembler = Assembler()
    *_, old = [assembler.add(message, 0.0) for message in sent(serial=100)]
    for message in sent(serial=103):
        assembler.add(message, 0.0)
    assert old is not None
    assembler.mark_stored(old)
    assert not assembler.is_stored(sent(serial=103)[0])


def test_the_next_message_of_the_same_kind_is_another() -> None:
    assembler = Assembler()
    for serial in (100, 103, 106):
        answers = [assembler.add(message, 0.0) for message in sent(serial=serial)]
        assert answers[-1] is not None and answers[-1].header.serial == serial
    assert assembler.counts["assembled"] == 3


def test_f19_a_message_that_stays_incomplete_is_forgotten() -> None:
    parts = sent()
    assembler = Assembler(timeout=60)
    assembler.add(parts[0], 0.0)
    assembler.add(parts[2], 59.0)
    assert assembler.expire(59.9) == 0
    assert assembler.expire(60.0) == 1
    assert assembler.counts["timed-out"] == 1
    assert assembler.add(parts[1], 60.0) is None, "the other two are gone"
    assert assembler.gaps(99.0)[0].missing == (1, 3)


def test_f19_the_time_out_also_comes_with_the_next_part() -> None:
    parts = sent()
    assembler = Assembler(timeout=60)
    assert [assembler.add(parts[0], 0.0), assembler.add(parts[1], 1.0), assembler.add(parts[2], 61.0)] == [None] * 3


def test_what_is_missing_is_asked_for_after_a_pause_and_again_after_another() -> None:
    parts = sent(serial=65535)
    assembler = Assembler(quiet=5)
    assembler.add(parts[1], 0.0)
    assert assembler.gaps(4.9) == []
    (gap,) = assembler.gaps(5.0)
    assert (gap.header.phone, gap.serial, gap.missing) == ("013912345678", 65535, (1, 3))
    assert assembler.gaps(9.9) == []
    assembler.add(parts[0], 9.9)
    (gap,) = assembler.gaps(15.0)
    assert (gap.serial, gap.missing) == (65535, (3,))
    whole = assembler.add(parts[2], 16.0)
    assert whole is not None and parse(whole) == BATCH


def test_f20_too_many_parts() -> None:
    assembler = Assembler(max_parts=255)
    assert refused(assembler, part(1, 9999)) == "too-many-parts"
    assert assembler.counts["too-many-parts"] == 1
    assert assembler.gaps(30.0) == [], "nothing is kept"


def test_f20_the_number_of_parts_changes() -> None:
    assembler = Assembler()
    assembler.add(part(1, 3), 0.0)
    assert refused(assembler, part(2, 4)) == "total-changed"
    assembler.add(part(2, 3), 0.0)
    assert assembler.add(part(3, 3), 0.0) is not None, "the first word counts"


def test_f20_too_many_bytes_drop_the_message() -> None:
    assembler = Assembler(max_bytes=2500)
    assembler.add(part(1, 9, body=bytes(1000)), 0.0)
    assembler.add(part(2, 9, body=bytes(1000)), 0.0)
    assert refused(assembler, part(3, 9, body=bytes(1000))) == "set-too-big"
    assert assembler.gaps(30.0) == []


def test_f20_too_many_messages_at_once() -> None:
    assembler = Assembler(max_sets=4, timeout=60)
    for message_id in range(4):
        assembler.add(part(1, 2, message_id=message_id), 0.0)
    assert refused(assembler, part(1, 2, message_id=4), 59.0) == "too-many-sets"
    assert assembler.add(part(1, 2, message_id=4), 60.0) is None, "room again after the time-out"


def test_f18_other_bytes_under_a_known_number_begin_another_message() -> None:
    """A terminal that restarted in mid-message must not get the old half glued to the new one."""
    assembler = Assembler()
    assembler.add(part(1, 2, body=b"old"), 0.0)
    assembler.add(part(1, 2, body=b"new"), 0.0)
    whole = assembler.add(part(2, 2, body=b"er"), 0.0)
    assert whole is not None and whole.body == b"newer"
    assert assembler.counts["superseded"] == 1


def test_f18_serials_far_off_begin_another_message() -> None:
    assembler = Assembler()
    assembler.add(part(1, 3, serial=100, body=b"old"), 0.0)
    later = 100 + DRIFT + 1
    assert assembler.add(part(2, 3, serial=later), 0.0) is None
    assert assembler.add(part(3, 3, serial=later), 0.0) is None, "part 1 is of the message before"
    whole = assembler.add(part(1, 3, serial=later, body=b"new"), 0.0)
    assert whole is not None and whole.body == b"newxx"


@pytest.mark.parametrize("start", [100, 65500, 65535])
def test_other_messages_in_between_move_the_serials(start: int) -> None:
    """Real terminals report their position between two parts; serials wrap meanwhile."""
    assembler = Assembler()
    moved = (start + DRIFT) % 65536
    first, second = part(1, 2), part(2, 2)
    assembler.add(Message(first.header._replace(serial=start), b"a"), 0.0)
    whole = assembler.add(Message(second.header._replace(serial=(moved + 1) % 65536), b"b"), 0.0)
    assert whole is not None and whole.body == b"ab"


def test_two_terminals_do_not_mix() -> None:
    assembler = Assembler()
    ours, theirs = sent(), sent(phone="13800138000")
    for mine, other in zip(ours[:2], theirs[:2], strict=True):
        assembler.add(mine, 0.0)
        assembler.add(other, 0.0)
    whole = assembler.add(theirs[2], 0.0)
    assert whole is not None and whole.header.terminal == "13800138000"
