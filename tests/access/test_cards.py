"""Cards and the file that lists them."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.access.cards import Card, card_of, group_token, masked, normal_uid
from agents.access.cards_file import CardsFileError, parse_cards, read_cards
from agents.access.settings import AccessSettings
from bus_schema import IdToken
from bus_schema.words import IdTokenType

UID = "04A2B3C4D5E680"
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "uid", [UID, UID.lower(), "04:a2:b3:c4:d5:e6:80", "04-A2-B3-C4-D5-E6-80", " 04 A2 B3 C4 D5E680"]
)
def test_uids_are_understood_however_they_are_written(uid: str) -> None:
    assert Card(uid=uid).uid == UID


@pytest.mark.parametrize("uid", ["", "04A2B3", "04A2B3C4D", "XYZXYZXYZX", "04" * 11])
def test_what_is_no_uid_is_refused(uid: str) -> None:
    with pytest.raises(ValidationError, match="8 to 20 hexadecimal digits"):
        Card(uid=uid)


@given(st.binary(min_size=4, max_size=10))
def test_every_uid_of_a_reader_is_one(raw: bytes) -> None:
    assert normal_uid(raw.hex(":")) == raw.hex().upper() == Card(uid=raw.hex()).uid


def test_expiry_is_the_last_valid_day() -> None:
    card = Card(uid=UID, expires=date(2026, 6, 1))
    assert card.refusal("c1", NOON) is None
    refusal = card.refusal("c1", NOON.replace(day=2, hour=0))
    assert refusal is not None
    assert "expired on 2026-06-01" in refusal


def test_chargers_and_blocking() -> None:
    assert Card(uid=UID, chargers=["c1"]).refusal("c1", NOON) is None
    assert "valid at c1" in (Card(uid=UID, chargers=["c1"]).refusal("c2", NOON) or "")
    assert "blocked" in (Card(uid=UID, blocked=True).refusal("c1", NOON) or "")


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("06:00-22:00", ["06:00", "12:00", "21:59"], ["05:59", "22:00", "00:00"]),
        ("22:00-06:00", ["22:00", "00:00", "05:59"], ["06:00", "21:59"]),
    ],
)
def test_hours(hours: str, inside: list[str], outside: list[str]) -> None:
    card = Card(uid=UID, hours=hours)
    assert all(card.valid_at(time.fromisoformat(each)) for each in inside)
    assert not any(card.valid_at(time.fromisoformat(each)) for each in outside)


def test_only_cards_are_cards() -> None:
    cards = {UID: Card(uid=UID, group="staff")}
    assert card_of(IdToken(type=IdTokenType.RFID, value=UID), cards) is cards[UID]
    assert card_of(IdToken(type=IdTokenType.APP, value=UID), cards) is None
    assert group_token(cards[UID]) == IdToken(type=IdTokenType.RFID, value="staff")


def test_logs_show_only_the_end_of_a_card() -> None:
    assert masked(IdToken(type=IdTokenType.RFID, value=UID)) == "rfid:…E680"


FILE = """\
# our cards
uid;name;group;expires;chargers;hours;blocked
04:a2:b3:c4:d5:e6:80;Anna;staff;2027-01-31;c1 c2;06:00-22:00;no

11223344;"Müller; Bernd";;;;;yes
"""


def test_a_file_of_cards(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    path.write_text("\ufeff" + FILE, encoding="utf-8")
    assert read_cards(path) == {
        UID: Card(
            uid=UID,
            name="Anna",
            group="staff",
            expires=date(2027, 1, 31),
            chargers=["c1", "c2"],
            hours="06:00-22:00",
        ),
        "11223344": Card(uid="11223344", name="Müller; Bernd", blocked=True),
    }


def test_commas_and_few_columns() -> None:
    assert set(parse_cards("UID\n11223344\n55667788\n", "f")) == {"11223344", "55667788"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "f: is empty"),
        ("name\nAnna\n", "f, line 1: names the columns"),
        ("uid,uid\n1,2\n", "f, line 1: names the columns"),
        ("uid,grup\n11223344,x\n", "f, line 1: no column is called 'grup'; there are uid, name, group"),
        ("uid,name\n11223344\n", "f, line 2: has 1 fields, the first line has 2"),
        ("uid\n\n1122334\n", "f, line 3: column uid: .*8 to 20 hexadecimal"),
        ("uid\n11223344\n11:22:33:44\n", "f, line 3: the card is in line 2 already"),
        ("uid,expires\n11223344,31.1.2027\n", "f, line 2: column expires: use a date like 2027-01-31"),
        ("uid,hours\n11223344,6-22\n", "f, line 2: column hours"),
        ("uid,chargers\n11223344,C 1\n", "f, line 2: column chargers.0"),
        ("uid,blocked\n11223344,maybe\n", "f, line 2: column blocked: use yes or no"),
        ('uid\n"11223344\n', "f, line 2: is not CSV"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(CardsFileError, match=complaint):
        parse_cards(text, "f")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CardsFileError, match="cannot be read: No such file"):
        read_cards(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"uid,name\n11223344,M\xfcller\n")
    with pytest.raises(CardsFileError, match="not UTF-8"):
        read_cards(tmp_path / "latin.csv")


@given(st.text(max_size=200))
def test_any_text_is_cards_or_a_clear_error(text: str) -> None:
    try:
        parse_cards(text, "f")
    except CardsFileError as error:
        assert str(error).startswith("f")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"policies": []}, "at least 1 item"),
        ({"policies": ["free", "free"]}, "names a policy twice"),
        ({"policies": ["cards"]}, "local_list"),
        ({"cards": [{"uid": UID}, {"uid": UID.lower()}]}, f"card {UID} is listed twice"),
        ({"cards": [{"uid": UID, "expires": "tomorrow"}]}, "date"),
        ({"cards": [{"uid": UID, "owner": "x"}]}, "owner"),
        ({"timezone": "Mars/Olympus"}, "is not a time zone"),
        ({"timezone": "../../etc/passwd"}, "is not a time zone"),
        ({"free_chargers": ["C 1"]}, "free_chargers"),
        ({"ask_timeout_s": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        AccessSettings.model_validate(table)
