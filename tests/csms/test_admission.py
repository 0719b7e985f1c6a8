"""Who guesses is slowed down, shut out and named; who has a password is not kept out by those who guess."""

import base64
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers

from agents.csms.admission import OF_ADDRESS, OF_ONE, OF_STATION, STRANGERS, WRONG_S, Admission
from agents.csms.gate import Gate, Verdict
from agents.csms.settings import CsmsSettings
from agents.runtime.quota import MAX_SENDERS, Quotas
from tests.ledger.harness import NOW_MS


class PassingClock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def now_ms(self) -> int:
        return NOW_MS + round(self.elapsed_s * 1000)

    def monotonic_s(self) -> float:
        return self.elapsed_s

    async def sleep(self, seconds: float) -> None:
        self.elapsed_s += seconds


def login(user: str, password: str) -> Headers:
    return Headers(Authorization="Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


class Door:
    def __init__(self, **more: Any) -> None:
        stations = {"box": {}, "other": {}, "open": {"without_password": True}}
        settings = CsmsSettings.model_validate({"stations": stations, "password_file": "file", **more})
        self.clock, self.quotas = PassingClock(), Quotas()
        self.admission = Admission(Gate(settings, {"box": "secret", "other": "another"}), self.quotas, self.clock)

    async def knock(self, address: str, station: str = "box", password: str | None = "secret") -> int:
        headers = Headers() if password is None else login(station, password)
        refused = await self.admission.refusal(address, f"/ocpp/{station}", headers)
        assert refused is None or (refused.retry_after_s or 0) >= 0
        return 101 if refused is None else int(refused.status)


async def test_three_hundred_wrong_passwords_are_a_few_tries_and_an_alarm() -> None:
    door = Door()
    answers = [await door.knock("10.0.0.9", password=f"guess-{number}") for number in range(300)]
    tried = answers.count(401)
    assert answers[:5] == [401] * 5 and tried <= OF_ONE.burst + 1
    assert set(answers[5:]) <= {401, 429} and door.clock.elapsed_s >= tried * WRONG_S
    (named,) = [each for each in door.quotas.exceeding(door.clock.elapsed_s) if each.quota == "wrong_passwords"]
    assert named.sender == "box from 10.0.0.9" and named.count > 250
    assert await door.knock("10.0.0.9") == 429, "not even with the right one, or guessing would go on"
    door.clock.elapsed_s += 60
    assert await door.knock("10.0.0.9") == 101


async def test_guesses_of_others_do_not_keep_a_station_out_that_is_where_it_was() -> None:
    door = Door()
    assert await door.knock("10.0.0.1") == 101
    for number in range(1000):
        await door.knock(f"10.1.{number // 250}.{number % 250}", password="guess")
    assert await door.knock("10.2.0.1") == 429, "guessed at from everywhere: nobody new may try"
    assert await door.knock("10.0.0.1") == 101
    assert await door.knock("10.2.0.1", "other", "another") == 101
    assert await door.knock("10.2.0.1", "open", None) == 101
    assert len(door.quotas["wrong_passwords"]) <= 2 * MAX_SENDERS


async def test_one_station_with_an_old_password_does_not_keep_its_neighbours_out() -> None:
    """A hundred of them behind one address, and the central system has just started."""
    door = Door()
    for _ in range(500):
        await door.knock("10.0.0.1", password="old")
        door.clock.elapsed_s += 2
    assert await door.knock("10.0.0.1", "other", "another") == 101


async def test_many_names_from_one_address_are_shut_out() -> None:
    door = Door()
    answers = [await door.knock("10.0.0.9", f"name-{number}", None) for number in range(300)]
    assert answers.count(404) <= STRANGERS.burst + 1 and answers[-1] == 429
    assert await door.knock("10.0.0.9", "box") == 101, "a known station there is no stranger"
    strangers = Door(accept_unknown=True)
    answers = [await strangers.knock("10.0.0.9", f"name-{number}", None) for number in range(300)]
    assert answers.count(101) <= STRANGERS.burst + 1 and answers[-1] == 429


async def test_a_name_of_a_table_is_not_the_name_of_a_station() -> None:
    settings = CsmsSettings.model_validate(
        {"stations": {"box": {"identity": "ACME-1", "without_password": True}}, "accept_unknown": True}
    )
    gate = Gate(settings, {})
    assert gate.judge("/ocpp/ACME-1", Headers()) is Verdict.ADMITTED
    assert gate.judge("/ocpp/stranger", Headers()) is Verdict.ADMITTED
    assert gate.judge("/ocpp/box", Headers()) is Verdict.TABLE_NAME
    status, words = Verdict.TABLE_NAME.value
    assert status is HTTPStatus.NOT_FOUND and "identity" in words


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, Verdict.ADMITTED),
        ({"Host": "whatever.example"}, Verdict.ADMITTED),
        ({"Host": "csms.local:9000", "Origin": "http://csms.local:9000"}, Verdict.ADMITTED),
        ({"Host": "127.0.0.1:9000", "Origin": "http://127.0.0.1:9000"}, Verdict.ADMITTED),
        ({"Host": "127.0.0.1:9000", "Origin": "http://evil.example"}, Verdict.BROWSER),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, Verdict.BROWSER),
        ({"Host": "127.0.0.1:9000", "Origin": "null"}, Verdict.BROWSER),
        ({"Host": "127.0.0.1", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket"}, Verdict.BROWSER),
        ({"Origin": "http://127.0.0.1:9000"}, Verdict.BROWSER),
    ],
)
def test_no_web_page_is_a_station(headers: dict[str, str], verdict: Verdict) -> None:
    stations = {"box": {"without_password": True}}
    settings = CsmsSettings.model_validate({"stations": stations, "hosts": ["csms.local"]})
    assert Gate(settings, {}).judge("/ocpp/box", Headers(headers)) is verdict


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["box", "other", "x"]), st.floats(0, 30)), max_size=60))
def test_an_address_never_tries_more_than_its_budget(knocks: list[tuple[int, str, float]]) -> None:
    import asyncio

    async def run() -> None:
        door, tried = Door(), 0
        for _, station, wait_s in knocks:
            door.clock.elapsed_s += wait_s
            tried += await door.knock("10.0.0.9", station, "guess") == 401
        assert tried <= 2 * (OF_ONE.burst + OF_ONE.per_s * door.clock.elapsed_s) + 1
        assert tried <= OF_ADDRESS.burst + OF_ADDRESS.per_s * door.clock.elapsed_s + 1
        assert OF_STATION.burst >= OF_ONE.burst

    asyncio.run(run())
