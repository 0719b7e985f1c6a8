"""Local Auth List Management (OCPP 1.6, 5.10 and 5.15)."""

from ocpp.v16 import call, datatypes

from agents.ocpp_bridge.v16.keys import MAX_LOCAL_LIST
from bus_schema.words import Verdict
from tests.ocpp_bridge.stage import Stage, StageClock
from tests.ocpp_bridge.steve import Steve


def entry(tag: str, status: str | None = "Accepted", **fields):
    info = None if status is None else datatypes.IdTagInfo(status, **fields)
    return datatypes.AuthorizationData(tag, info)


async def send(stage: Stage, version: int, kind: str, *entries) -> str:
    return (await stage.steve.call(call.SendLocalList(version, kind, list(entries)))).status


async def version(stage: Stage) -> int:
    return (await stage.steve.call(call.GetLocalListVersion())).list_version


async def test_full_and_differential_updates():
    async with Stage() as stage:
        await stage.charger()
        assert await version(stage) == 0
        assert await send(stage, 3, "Full", entry("A"), entry("B", "Blocked")) == "Accepted"
        assert await version(stage) == 3
        assert (
            await send(stage, 4, "Differential", entry("a", None), entry("C", expiry_date="2027-01-01T00:00:00Z"))
            == "Accepted"
        )
        assert set(stage.point().id_tags.local) == {"b", "c"}
        assert await send(stage, 4, "Differential", entry("D")) == "VersionMismatch"
        assert await send(stage, 5, "Full") == "Accepted"
        assert stage.point().id_tags.local == {} and await version(stage) == 5


async def test_a_list_that_contradicts_itself_changes_nothing():
    async with Stage() as stage:
        await stage.charger()
        assert await send(stage, 1, "Full", entry("A")) == "Accepted"
        assert await send(stage, 2, "Full", entry("B"), entry("b")) == "Failed"
        assert await send(stage, 2, "Full", entry("B", None)) == "Failed"
        assert await send(stage, 0, "Full", entry("B")) == "Failed"
        assert await send(stage, 2, "Full", *[entry(f"T{n}") for n in range(2001)]) == "Failed"
        assert set(stage.point().id_tags.local) == {"a"} and await version(stage) == 1


async def test_a_list_has_as_many_entries_as_the_key_says_and_no_more():
    async with Stage() as stage:
        await stage.charger()
        most = MAX_LOCAL_LIST
        for number in range(1, most // 2000 + 1):
            many = [entry(f"{number}-{n}") for n in range(2000)]
            assert await send(stage, number, "Differential", *many) == "Accepted"
        assert len(stage.point().id_tags.local) == most
        assert await send(stage, 99, "Differential", entry("one too many")) == "Failed"
        assert await send(stage, 99, "Differential", entry("1-0", None), entry("instead")) == "Accepted"


async def test_switched_off_it_is_not_supported_and_has_version_minus_one():
    async with Stage(configuration={"LocalAuthListEnabled": "false"}) as stage:
        await stage.charger()
        assert await version(stage) == -1
        assert await send(stage, 1, "Full", entry("A")) == "NotSupported"


async def test_it_survives_a_restart_and_decides_offline(tmp_path):
    url, clock = f"sqlite:///{tmp_path / 'b.sqlite3'}", StageClock()
    steve = Steve(clock)
    async with Stage(url, clock, {"steve": steve}) as stage:
        await stage.charger()
        await send(stage, 7, "Full", entry("GOOD"), entry("BAD", "Blocked"))
    steve.up = False
    async with Stage(url, clock, {"steve": steve}) as again:
        await again.charger()
        assert (await again.ask_access("GOOD")).verdict is Verdict.ACCEPTED
        assert (await again.ask_access("BAD")).verdict is Verdict.REFUSED
        assert again.point().id_tags.version == 7


async def test_a_listed_tag_is_not_cached():
    async with Stage() as stage:
        stage.steve.tags["GOOD"] = ("Blocked", None)
        await stage.charger()
        await send(stage, 1, "Full", entry("GOOD"))
        assert (await stage.ask_access("GOOD")).verdict is Verdict.REFUSED
        assert stage.point().id_tags.cache == {}
        told = [each for each in stage.steve.got("StatusNotification") if each["errorCode"] == "LocalListConflict"]
        assert len(told) == 1
