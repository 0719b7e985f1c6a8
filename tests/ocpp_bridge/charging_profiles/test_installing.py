"""Which charging profiles are kept (OCPP 1.6, 3.13.2, 5.5, 5.16), and their payloads."""

import json

import pytest
from hypothesis import given

from agents.ocpp_bridge.charging_profiles import (
    ChargingProfile,
    InstallLimits,
    Kind,
    ProfileRefused,
    Profiles,
    Purpose,
    RateUnit,
    Recurrence,
    check_for_remote_start,
    clear,
    compose,
    end_transaction,
    install,
)
from agents.ocpp_bridge.v16.charging_profile_payloads import read_profile, write_composite, write_profile
from tests.ocpp_bridge.charging_profiles.profiles import NOON_MS, SUPPLY, any_profile, profile

LIMITS = InstallLimits(max_stack_level=5, max_periods=3, max_installed=4)
STATION, DEFAULT, TX = Purpose.CHARGE_POINT_MAX, Purpose.TX_DEFAULT, Purpose.TX


def put(profiles: Profiles, connector_id: int, new: ChargingProfile, transaction_id: int | None = None) -> Profiles:
    return install(profiles, connector_id, new, NOON_MS, LIMITS, transaction_id)


def ids(profiles: Profiles) -> list[int]:
    return [installed.profile.profile_id for installed in profiles]


def test_the_same_purpose_and_level_replaces() -> None:
    profiles = put((), 1, profile((0, 16), profile_id=1, level=2))
    assert ids(put(profiles, 1, profile((0, 10), profile_id=2, level=2))) == [2]
    assert ids(put(profiles, 1, profile((0, 10), profile_id=2, level=3))) == [1, 2]
    assert ids(put(profiles, 0, profile((0, 10), profile_id=2, level=2))) == [1, 2], "another connector"
    assert ids(put(profiles, 1, profile((0, 10), profile_id=2, level=2, purpose=TX), 7)) == [1, 2], "another purpose"


def test_the_same_id_replaces_whatever_its_purpose_was() -> None:
    profiles = put((), 1, profile((0, 16), profile_id=1, level=2))
    assert ids(put(profiles, 0, profile((0, 10), profile_id=1, level=3, purpose=STATION))) == [1]


@pytest.mark.parametrize(
    ("connector_id", "transaction_id", "bad", "words"),
    [
        (1, None, profile((0, 16), purpose=STATION), "connector 0"),
        (1, None, profile((0, 16), purpose=TX), "no transaction"),
        (0, 7, profile((0, 16), purpose=TX), "connector 0"),
        (1, 7, profile((0, 16), purpose=TX, transaction_id=8), "is 7, not 8"),
        (1, 7, profile((0, 16), transaction_id=7), "belongs to a TxProfile"),
        (1, None, profile((0, 16), level=6), "highest is 5"),
        (1, None, profile((0, 1), (1, 2), (2, 3), (3, 4)), "at most 3"),
        (1, None, profile(), "no period"),
        (1, None, profile((1, 16)), "not at 0"),
        (1, None, profile((0, 16), (10, 8), (10, 6)), "follows"),
        (1, None, profile((0, 16), (20, 8), (10, 6)), "follows"),
        (1, None, profile((0, -1)), "limit"),
        (1, None, profile((0, float("nan"))), "limit"),
        (1, None, profile((0, float("inf"))), "limit"),
        (1, None, profile((0, 16), duration_s=0), "lasts 0 s"),
        (1, None, profile((0, 16), level=-1), "stack level"),
        (1, None, profile((0, 16), kind=Kind.RECURRING), "recurrencyKind"),
        (1, None, profile((0, 16), kind=Kind.RECURRING, recurrence=Recurrence.DAILY, start_ms=None), "startSchedule"),
        (1, None, profile((0, 16), valid_from_ms=NOON_MS, valid_to_ms=NOON_MS), "validTo"),
    ],
)
def test_what_contradicts_itself_or_cannot_be_kept_is_refused(
    connector_id: int, transaction_id: int | None, bad: ChargingProfile, words: str
) -> None:
    with pytest.raises(ProfileRefused, match=words):
        put((), connector_id, bad, transaction_id)


def test_only_so_many_are_kept_but_replacing_is_possible() -> None:
    profiles: Profiles = ()
    for number in range(4):
        profiles = put(profiles, 1, profile((0, 16), profile_id=number, level=number))
    with pytest.raises(ProfileRefused, match="4 profiles"):
        put(profiles, 1, profile((0, 16), profile_id=9, level=5))
    assert ids(put(profiles, 1, profile((0, 16), profile_id=9, level=3))) == [0, 1, 2, 9]


def test_clear_filters_are_anded_and_an_id_alone_wins() -> None:
    profiles = put((), 0, profile((0, 16), profile_id=1, purpose=STATION, level=1))
    profiles = put(profiles, 1, profile((0, 16), profile_id=2, level=1))
    profiles = put(profiles, 1, profile((0, 16), profile_id=3, level=2))

    assert ids(clear(profiles)[0]) == []
    assert clear(profiles)[1] == 3
    assert ids(clear(profiles, stack_level=1)[0]) == [3]
    assert ids(clear(profiles, stack_level=1, connector_id=1)[0]) == [1, 3]
    assert ids(clear(profiles, purpose=DEFAULT)[0]) == [1]
    assert ids(clear(profiles, connector_id=0)[0]) == [2, 3], "connector 0 is a filter, not all"
    assert ids(clear(profiles, profile_id=3, connector_id=0, stack_level=9)[0]) == [1, 2]
    assert clear(profiles, purpose=TX) == (profiles, 0)
    assert clear(profiles, profile_id=9) == (profiles, 0)


def test_a_transactions_profiles_end_with_it() -> None:
    profiles = put((), 1, profile((0, 16), profile_id=1))
    profiles = put(profiles, 1, profile((0, 16), profile_id=2, purpose=TX), 7)
    profiles = put(profiles, 2, profile((0, 16), profile_id=3, purpose=TX), 8)
    assert ids(end_transaction(profiles, 1)) == [1, 3]


def test_the_profile_of_a_remote_start() -> None:
    check_for_remote_start(profile((0, 16), purpose=TX), LIMITS)
    with pytest.raises(ProfileRefused, match="is a TxProfile"):
        check_for_remote_start(profile((0, 16)), LIMITS)
    with pytest.raises(ProfileRefused, match="has no transactionId"):
        check_for_remote_start(profile((0, 16), purpose=TX, transaction_id=7), LIMITS)
    with pytest.raises(ProfileRefused, match="not at 0"):
        check_for_remote_start(profile((5, 16), purpose=TX), LIMITS)


@given(any_profile())
def test_a_profile_survives_being_written_and_read(any_one: ChargingProfile) -> None:
    assert read_profile(json.loads(json.dumps(write_profile(any_one)))) == any_one


def test_times_of_a_payload_may_have_offsets_fractions_or_nothing() -> None:
    payload = write_profile(profile((0, 16)))
    texts = ["2026-01-02T12:00:00Z", "2026-01-02T13:00:00.000+01:00", "2026-01-02T12:00:00.000000"]
    read = set()
    for text in texts:
        payload["chargingSchedule"]["startSchedule"] = text
        read.add(read_profile(payload).schedule.start_ms)
    assert read == {1_767_355_200_000}
    payload["validFrom"] = "tomorrow"
    with pytest.raises(ProfileRefused, match="validFrom is not a time"):
        read_profile(payload)


def test_a_composite_schedule_in_either_unit() -> None:
    profiles = put((), 1, profile((0, 16), (600, 7.25), kind=Kind.RELATIVE, number_phases=3))
    periods, covered_s = compose(profiles, 1, NOON_MS, 900, SUPPLY, 32.0)
    amperes = write_composite(periods, NOON_MS, covered_s, RateUnit.A, SUPPLY)
    assert amperes["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 16.0, "numberPhases": 3},
        {"startPeriod": 600, "limit": 7.2, "numberPhases": 3},
    ]
    assert (amperes["duration"], amperes["chargingRateUnit"]) == (900, "A")
    watts = write_composite(periods, NOON_MS, covered_s, RateUnit.W, SUPPLY)
    assert [period["limit"] for period in watts["chargingSchedulePeriod"]] == [11_040.0, 5002.5]
