"""Measured values: units, marks, times, names."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from ingest.protocols.hj212.errors import BadPacket
from ingest.protocols.hj212.factors import FLAGS, readings
from ingest.protocols.hj212.frames import frame
from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.readings import QUALITIES, Reading
from services.telemetry.units import FACTORS, propose_unit, rule
from tests.ingest.protocols.hj212_samples import (
    BACK_FILL,
    DECRYPTED_CP,
    ENCRYPTED,
    KEY,
    MICROGRAMS,
    MN,
    REAL_TIME,
    measured,
    one,
    segment,
)

AT = datetime(2026, 11, 21, 2, 15, tzinfo=UTC)
"""DataTime=20261121101500 of a device, which lives at UTC+8."""


def packet_of(cp: str, cn: str = "2011") -> Packet:
    return Packet(MN, cn, cp=cp)


def test_a_real_time_packet() -> None:
    assert readings(one(REAL_TIME), MICROGRAMS) == [
        Reading(factor, AT, "real", value, None, None, None, "N", "")
        for factor, value in [
            ("a34004", 35.0), ("a34002", 88.0), ("a34001", 156.0), ("LA", 63.5), ("a01001", 18.6), ("a01002", 71.2),
            ("a01007", 1.8), ("a01008", 135.0),
        ]
    ]  # fmt: skip


def test_an_averaged_packet() -> None:
    at = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
    assert readings(one(BACK_FILL), MICROGRAMS) == [Reading("a34002", at, "minute", 81.4, 70.1, 99.0, None, "N", "")]


def test_an_encrypted_packet_gives_the_same_as_its_plain_text() -> None:
    profile = Profile(key=KEY, units=MICROGRAMS.units)
    found = readings(one(ENCRYPTED, profile), profile)
    assert found == readings(packet_of(DECRYPTED_CP), profile)
    assert [reading.value for reading in found] == [88.0, 156.0]


@pytest.mark.parametrize("cn", ["9011", "9014", "1011", "2021", "2041", "2062", "2000", "3020"])
def test_other_commands_measure_nothing(cn: str) -> None:
    assert readings(packet_of("LA-Rtd=63.5,LA-Flag=N", cn), MICROGRAMS) == []


@pytest.mark.parametrize(
    ("factor", "unit", "sent", "stored"),
    [
        ("a34002", "µg/m³", "88.0", 88.0), ("a34002", "mg/m³", "0.088", 88.0), ("a34002", "ng/m³", "88000", 88.0),
        ("a34002", "mg/m³", "0.057", 57.0), ("a34002", "mg/m³", "0", 0.0), ("a34013", "µg/m³", "1500", 1.5),
        ("a21005", "mg/m³", "1.1", 1.1), ("a21026", "mg/m³", "0.058", 58.0),
        ("a01006", "hPa", "1013.2", 101.32), ("a01006", "Pa", "101320", 101.32), ("a01006", "kPa", "101.32", 101.32),
        ("a01007", "km/h", "36", 10.0), ("a01001", "℃", "-12.5", -12.5), ("LA", "dB(A)", "63.5", 63.5),
        ("w00000", "m³/h", "36", 10.0), ("w00000", "m³/s", "0.5", 500.0), ("w01018", "µg/L", "42000", 42.0),
        ("w01014", "mS/cm", "1.425", 1425.0),
    ],
)  # fmt: skip
def test_units_are_converted_to_the_stored_one(factor: str, unit: str, sent: str, stored: float) -> None:
    reading = measured(f"{factor}-Rtd={sent},{factor}-Flag=N", Profile(units={factor: unit}))[factor]
    assert (reading.value, reading.quality) == (stored, "")


def test_the_total_has_a_unit_of_its_own() -> None:
    cp = "w01018-Cou=10.5,w01018-Min=40.1,w01018-Avg=41.0,w01018-Max=42.2,w01018-Flag=N"
    in_micrograms = measured(cp, Profile(units={"w01018": "µg/L"}), "2061")["w01018"]
    assert (in_micrograms.value, in_micrograms.total) == (0.041, 10.5), "kg stay kg"
    in_grams = measured(cp, Profile(units={"w01018-Cou": "g"}), "2061")["w01018"]
    assert (in_grams.value, in_grams.low, in_grams.high, in_grams.total) == (41.0, 40.1, 42.2, 0.0105)
    flow = measured("w00000-Cou=63.0,w00000-Flag=N", Profile(units={"w00000": "L/s"}), "2061")["w00000"]
    assert (flow.value, flow.total, flow.quality) == (None, 63.0, "")
    backwards = measured("w01018-Cou=-1,w01018-Avg=41.0,w01018-Flag=N", cn="2061")["w01018"]
    assert (backwards.value, backwards.total, backwards.quality) == (41.0, -1.0, "range")


def test_f28_an_unconfirmed_unit_of_dust_does_not_count() -> None:
    """F28: the standard says ng/m³, devices send µg or mg; a value counts only once the unit is confirmed."""
    found = measured("a34002-Rtd=88.0,a34002-Flag=N;LA-Rtd=63.5,LA-Flag=N;a01006-Rtd=1013,a01006-Flag=N", Profile())
    assert (found["a34002"].value, found["a34002"].quality) == (88.0, "unit")
    assert found["LA"].quality == ""
    assert found["a01006"].quality == "range", "hectopascals cannot pass for kilopascals"


def test_f28_a_mistaken_unit_is_out_of_range_and_still_given() -> None:
    """F28: a step of a thousand is stored and marked."""
    profile = Profile(units={"a34002": "mg/m³"})
    found = measured("a34002-Rtd=88.0,a34002-Flag=N", profile)["a34002"]
    assert (found.value, found.quality) == (88_000.0, "range")


@pytest.mark.parametrize(
    ("factor", "inside", "outside"),
    [("a34002", "20000", "20000.1"), ("a34001", "0", "-0.1"), ("a01002", "100", "100.1"), ("a01008", "360", "361"),
     ("a01006", "101.3", "30.4"), ("LA", "0", "999.9"), ("w01001", "14", "14.1"), ("vendor01", "1e9", "1.1e9")],
)  # fmt: skip
def test_what_is_plausible(factor: str, inside: str, outside: str) -> None:
    for text, quality in ((inside, ""), (outside, "range")):
        found = measured(f"{factor}-Rtd={text},{factor}-Flag=N")[factor]
        assert (found.value, found.quality) == (float(text), quality)


@pytest.mark.parametrize(
    ("fine", "coarse", "total", "marked"),
    [
        ("35", "88", "156", ""), ("88", "88", "88", ""), ("105", "88", "156", ""), ("0", "0", "0", ""),
        ("106", "88", "156", "a34004 a34002"), ("35", "188", "156", "a34002 a34001"),
        ("200", "170", "156", "a34004 a34001"), ("300", "200", "100", "a34004 a34002 a34001"),
        ("200", "NaN", "156", "a34004 a34001"), ("35", "-1", "156", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("profile", [MICROGRAMS, Profile()], ids=["confirmed", "unconfirmed"])
def test_finer_dust_is_part_of_coarser(fine: str, coarse: str, total: str, marked: str, profile: Profile) -> None:
    found = measured(
        f"a34004-Rtd={fine},a34004-Flag=N;a34002-Rtd={coarse},a34002-Flag=N;a34001-Rtd={total},a34001-Flag=N", profile
    )
    assert {factor for factor, reading in found.items() if reading.quality == "order"} == set(marked.split())


def test_a_mean_lies_between_minimum_and_maximum() -> None:
    def quality(low: str, mean: str, high: str, factor: str = "a34002") -> str:
        cp = f"{factor}-Min={low},{factor}-Avg={mean},{factor}-Max={high},{factor}-Flag=N"
        return measured(cp, cn="2051")[factor].quality

    assert quality("70.1", "81.4", "99.0") == ""
    assert quality("70.14", "70.1", "70.14") == "", "rounding is no contradiction"
    assert quality("90.1", "81.4", "99.0") == quality("70.1", "81.4", "79.0") == "order"
    assert quality("350", "2", "10", "a01008") == "", "a mean direction is no mean"
    assert quality("--", "81.4", "NaN") == "", "bounds that were not sent are none"


@pytest.mark.parametrize(
    ("flag", "kept", "quality"),
    [("N", "N", ""), ("n", "N", ""), *((letter, letter, "flag") for letter in FLAGS[1:]),
     ("X", "?", "letter"), ("", "", "letter"), ("0", "?", "letter"), ("NN", "?", "letter"), ("ＮN", "?", "letter")],
)  # fmt: skip
def test_only_n_counts(flag: str, kept: str, quality: str) -> None:
    found = measured(f"LA-Rtd=63.5,LA-Flag={flag}")["LA"]
    assert (found.value, found.flag, found.quality) == (63.5, kept, quality)


def test_a_missing_flag_is_judged_by_the_profile_and_seen() -> None:
    assert measured("LA-Rtd=63.5")["LA"][-2:] == ("", "")
    assert measured("LA-Rtd=63.5", Profile(missing_flag="D"))["LA"][-2:] == ("", "flag")
    assert measured("LA-Rtd=63.5", Profile(missing_flag=""))["LA"][-2:] == ("", "letter")
    assert measured("LA-Rtd=63.5,LA-Flag=N", Profile(missing_flag="D"))["LA"][-2:] == ("N", "")


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("NaN", "number"), ("nan", "number"), ("Inf", "number"), ("-Infinity", "number"), ("1e400", "number"),
        ("-1e999", "number"), ("1,2", "number"), ("８８", "number"), ("٣", "number"), ("1_0", "number"),
        ("0x10", "number"), ("88µg", "number"), ("8 8", "number"), ("--", "missing"), ("-", "missing"),
        ("", "missing"), (" ", "missing"), ("null", "missing"), ("+-1", "number"), (".", "number"), ("e5", "number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("span", ["2011", "2051"])
def test_f30_what_is_no_number_is_no_value_and_never_zero(text: str, quality: str, span: str) -> None:
    """F30: a value is invalid with its reason, the others of the packet are kept."""
    name = "Rtd" if span == "2011" else "Avg"
    found = measured(f"a34002-{name}={text},a34002-Flag=N;LA-{name}=63.5,LA-Flag=N", cn=span)
    assert (found["a34002"].value, found["a34002"].quality) == (None, quality)
    assert (found["LA"].value, found["LA"].quality) == (63.5, "")


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("-0.0", 0.0), ("007", 7.0), (" 1.5 ", 1.5), ("1e2", 100.0)])
def test_numbers_as_devices_write_them(text: str, value: float) -> None:
    assert measured(f"LA-Rtd={text},LA-Flag=N")["LA"].value == value


def test_f30_a_comma_in_a_number_is_never_taken_for_half_of_it() -> None:
    """F30: also where other damage makes up for the count of names and values."""
    for more in ("", ";x=3=y", ";LA-Rtd=63.5=", ";;"):
        assert measured(f"a34002-Rtd=1,2{more}")["a34002"].value is None


def test_f18_two_values_in_one_packet() -> None:
    """F18: the first is kept and marked, an equal one is nothing new."""
    assert measured("LA-Rtd=63.5;LA-Rtd=63.5;LA-Flag=N")["LA"][3::5] == (63.5, "")
    found = measured("LA-Rtd=63.5;LA-Rtd=70;LA-Flag=N")["LA"]
    assert (found.value, found.quality) == (63.5, "repeat")


def test_names_that_are_not_understood() -> None:
    found = measured("LA-Rtd-Rtd=71.0,LA-Rtd-Flag=N;a34002-td=5,a34002-Flag=N;a01001=20;a01002-Rtd=50,a01002-Num=10")
    assert {factor: reading.quality for factor, reading in found.items()} == {
        "LA": "key", "a34002": "key", "a01001": "key", "a01002": "",
    }  # fmt: skip
    assert found["a01002"].value == 50.0
    junk = measured("RestartTime=20261121101500;x=1;-Rtd=5;测-Rtd=5;a'b-Rtd=5;" + "z" * 25 + "-Rtd=5;LA-Rtd=1")
    assert list(junk) == ["LA"]


def test_names_in_any_case_and_separators_in_any_mix() -> None:
    expected = measured("a34002-Rtd=88.0,a34002-Flag=N;LEQ-Rtd=60,Leq-Flag=N")
    assert set(expected) == {"a34002", "Leq"}
    assert measured("A34002-RTD=88.0,A34002-FLAG=N;leq-rtd=60,LEQ-FLAG=N;") == expected
    assert measured("a34002-Rtd=88.0;a34002-Flag=N,Leq-Rtd=60; Leq-Flag = N;") == expected


def test_noise_of_a_day() -> None:
    found = measured(
        "L5-Data=53.0;Ldn-Data=50.0;L5-DayData=54.0;Ld-DayData=52.5;L5-NightData=45.0;Ln-NightData=42", cn="2031"
    )
    assert {factor: reading.value for factor, reading in found.items()} == {
        "L5": 53.0, "Ldn": 50.0, "L5-Day": 54.0, "Ld": 52.5, "L5-Night": 45.0, "Ln": 42.0,
    }  # fmt: skip
    assert {reading.span for reading in found.values()} == {"day"}


def test_converted_values_and_what_measures_nothing() -> None:
    found = measured(
        "a21026-Min=1,a21026-Avg=2,a21026-Max=3,a21026-ZsMin=10,a21026-ZsAvg=20,a21026-ZsMax=30,a21026-Flag=N;"
        "w01018-SampleTime=20261121080000,w01018-Rtd=2.2,w01018-Flag=N,w01018-EFlag=A01;i12001-Info=1;SB1-RS=1",
        Profile(units={"a21026": "mg/m³"}), "2061",
    )  # fmt: skip
    assert set(found) == {"a21026", "a21026-Zs", "w01018"}
    assert found["a21026-Zs"][3:6] == (20_000.0, 10_000.0, 30_000.0), "in the unit of the factor"
    assert (found["w01018"].at, found["w01018"].quality) == (AT, "")
    for cp in ("a21026-Avg=2,a21026-ZsAvg=20,a21026-Flag=D", "a21026-Avg=2,a21026-ZsAvg=20,a21026-Flag=D;"):
        assert measured(cp, cn="2061")["a21026-Zs"][-2:] == ("D", "flag"), "one flag for both"


@pytest.mark.parametrize(
    ("cn", "span", "minutes"), [("2011", "real", 0), ("2051", "minute", 5), ("2061", "hour", 60), ("2031", "day", 1440)]
)
def test_a_period_is_known_by_its_start(cn: str, span: str, minutes: int) -> None:
    start = measured("LA-Avg=63.5,LA-Flag=N", Profile(minutes=5), cn)["LA"]
    end = measured("LA-Avg=63.5,LA-Flag=N", Profile(minutes=5, datatime_is="end"), cn)["LA"]
    assert (start.span, start.at) == (span, AT)
    assert end.at == AT - timedelta(minutes=minutes)
    assert end.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("19700101000000", datetime(1969, 12, 31, 16, tzinfo=UTC)),
        ("20380119111408", datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)),
        ("20251121101500", datetime(2025, 11, 21, 2, 15, tzinfo=UTC)),
        ("20280229235959", datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC)),
        ("20210305003817000", datetime(2021, 3, 4, 16, 38, 17, tzinfo=UTC)),
        (" 20210305003817250 ", datetime(2021, 3, 4, 16, 38, 17, 250_000, tzinfo=UTC)),
    ],
)
def test_f14_clocks_that_are_far_off_are_read_as_they_are(time: str, at: datetime) -> None:
    """F14: 1970, 2038, a year back; whether they are believed is for the one who knows when they came."""
    for cp in (f"DataTime={time};LA-Rtd=1", f"LA-Rtd=1;DataTime={time};x"):
        (reading,) = readings(packet_of(cp), MICROGRAMS)
        assert reading.at == at


@pytest.mark.parametrize(
    "time",
    ["", "2026", "20261121", "2026112110150", "202611211015000", "2026112110150012", "20261321101500", "20260229000000",
     "20261121240000", "20261121106000", "20261121101560", "00000101000000", "00010101000000", "19691231235959",
     "2026-11-21 10:15", "２０２６１１２１１０１５００", "-2026112110150", "99991231235960", "null"],
)  # fmt: skip
@pytest.mark.parametrize("profile", [MICROGRAMS, Profile(datatime_is="end")], ids=["start", "end"])
def test_f14_times_that_cannot_be_are_refused_by_name(time: str, profile: Profile) -> None:
    """F14, F33: a DataTime that is no moment refuses the packet and says so."""
    with pytest.raises(BadPacket, match="DataTime") as refused:
        readings(packet_of(f"DataTime={time};LA-Avg=1", "2031"), profile)
    assert refused.value.kind == "datatime"


def test_a_missing_data_time_is_refused_by_name() -> None:
    for cp in ("LA-Rtd=63.5,LA-Flag=N", "", "…", "SystemTime=20261121101500;LA-Rtd=1"):
        with pytest.raises(BadPacket, match="DataTime is missing") as refused:
            readings(packet_of(cp), MICROGRAMS)
        assert refused.value.kind == "datatime"


def test_the_short_way_and_the_long_way_give_the_same() -> None:
    """An empty or an unknown group takes another path through the code."""
    source = random.Random(7)
    texts = ["35.0", "0", "-1", "1e9", "NaN", "--", "", "20001", "63.5"]
    for _ in range(500):
        cn = source.choice(["2011", "2051"])
        groups = []
        for factor in source.sample(sorted(FACTORS), 6):
            names = ["Rtd"] if cn == "2011" else source.sample(["Min", "Avg", "Max", "Cou"], source.randint(1, 4))
            items = [f"{factor}-{name}={source.choice(texts)}" for name in names]
            groups.append(",".join([*items, f"{factor}-Flag={source.choice('NNND?')}"][: source.randint(1, 5)]))
        cp = f"DataTime=20261121101500;{';'.join(groups)}"
        profile = Profile(
            units=source.choice([{}, {"a34002": "mg/m³", "w00000": "m³/h"}]), missing_flag=source.choice("NNMX")
        )
        short = readings(packet_of(cp, cn), profile)
        assert short == readings(packet_of(cp + ";", cn), profile)
        assert short == readings(packet_of(cp + ";;", cn), profile)
        assert short == readings(packet_of("junk;" + cp, cn), profile)
        assert {reading.quality for reading in short} <= set(QUALITIES)


def test_rules_of_units() -> None:
    assert rule("a34002", "ng/m³").scale == 0.001
    assert rule("L5-Night", None).highest == 150
    assert rule("vendor", "mg/L").scale == 1.0
    with pytest.raises(ValueError, match="furlong"):
        rule("a01007", "furlong")


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([35, 88, 156], "µg/m³"), ([0.035, 0.088, None, 0.156], "mg/m³"), ([35_000, 88_000, 156_000], "ng/m³"),
        ([30], "µg/m³"), ([300], "µg/m³"), ([0.03], "mg/m³"), ([0.3], "mg/m³"), ([10_001], "ng/m³"),
        ([10_000], None), ([5, 6, 7], None), ([0.5], None), ([], None), ([0, 0, None], None), ([0, 0, 88], "µg/m³"),
    ],
)  # fmt: skip
def test_a_unit_is_proposed_from_the_median(values: list[float | None], unit: str | None) -> None:
    assert propose_unit(values) == unit


def test_a_frame_and_its_repetition_give_the_same() -> None:
    """F15: nothing is kept between packets, so a duplicate gives the same keys and values."""
    again = frame(segment("DataTime=20261121101500;LA-Rtd=63.5,LA-Flag=N"))
    assert len({tuple(readings(one(again), MICROGRAMS)) for _ in range(5)}) == 1
