"""Who may charge (OCPP 1.6, 3.5, 4.1 and 4.6): local list, cache, Authorize, and the offline rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ocpp_bridge.v16.id_tags import Ask, Known, TagInfo, decide, fold, may_stop
from agents.ocpp_bridge.v16.keys import Configuration
from bus_schema.words import Verdict
from tests.ocpp_bridge.stage import Stage, StageClock


def keys(**values: bool) -> Configuration:
    return Configuration({}, {name: str(value).lower() for name, value in values.items()})


GOOD, BAD, OLD = TagInfo("Accepted"), TagInfo("Blocked"), TagInfo("Accepted", None, 500)


def rule(tag="T", *, local=None, cache=None, online=True, now_ms=1000, **flags):
    return decide(
        tag,
        now_ms,
        local_list={} if local is None else {fold(tag): local},
        cache={} if cache is None else {fold(tag): cache},
        configuration=keys(**flags),
        online=online,
    )


def test_online_the_backend_is_asked_unless_local_pre_authorize():
    assert rule(local=GOOD) == Ask()
    assert rule(local=GOOD, LocalPreAuthorize=True) == Known(GOOD, "local_list")
    assert rule(cache=GOOD, LocalPreAuthorize=True) == Known(GOOD, "cache")


def test_online_a_tag_that_was_bad_is_asked_about_again():
    assert rule(local=BAD, LocalPreAuthorize=True) == Ask()
    assert rule(cache=OLD, LocalPreAuthorize=True) == Ask()


def test_the_local_list_comes_before_the_cache():
    assert rule(local=BAD, cache=GOOD, online=False) == Known(BAD, "local_list")
    assert rule(local=GOOD, cache=BAD, online=False) == Known(GOOD, "local_list")


def test_offline_rules():
    assert rule(local=GOOD, online=False) == Known(GOOD, "local_list")
    assert rule(cache=OLD, online=False).info.status == "Expired"
    assert rule(local=GOOD, online=False, LocalAuthorizeOffline=False).info.status == "Invalid"
    assert rule(online=False).info.status == "Invalid"
    assert rule(online=False, AllowOfflineTxForUnknownId=True).info.status == "Accepted"
    assert rule(local=BAD, online=False, AllowOfflineTxForUnknownId=True).info.status == "Blocked"


def test_switched_off_lists_do_not_count():
    assert rule(local=GOOD, online=False, LocalAuthListEnabled=False).info.status == "Invalid"
    assert rule(cache=GOOD, online=False, AuthorizationCacheEnabled=False).info.status == "Invalid"


@given(
    st.text(max_size=20),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, GOOD, BAD, OLD]),
    st.sampled_from([None, GOOD, BAD, OLD]),
)
def test_nobody_whose_time_is_over_or_who_is_blocked_is_accepted(tag, online, pre, local, cache):
    decision = rule(tag, local=local, cache=cache, online=online, LocalPreAuthorize=pre)
    if isinstance(decision, Known) and decision.info.status == "Accepted":
        assert (local if local is not None else cache) is GOOD


def test_the_same_tag_or_the_same_parent_may_stop():
    assert may_stop("abc", None, "ABC", None)
    assert may_stop("abc", "G", "xyz", "g")
    assert not may_stop("abc", None, "xyz", None)
    assert not may_stop("abc", "G", "xyz", "H")


async def test_a_card_is_authorized_by_the_backend():
    async with Stage() as stage:
        stage.steve.tags |= {"GOOD": ("Accepted", "FLEET"), "BLOCKED": ("Blocked", None)}
        await stage.charger()
        good = await stage.ask_access("GOOD")
        assert good.verdict is Verdict.ACCEPTED and good.parent_id_token.value == "FLEET"
        assert (await stage.ask_access("BLOCKED")).verdict is Verdict.REFUSED
        unknown = await stage.ask_access("WHO")
        assert unknown.verdict is Verdict.UNKNOWN and "does not know" in unknown.reason
        assert [each["idTag"] for each in stage.steve.got("Authorize")] == ["GOOD", "BLOCKED", "WHO"]


async def test_offline_the_cache_decides():
    async with Stage() as stage:
        stage.steve.tags["GOOD"] = ("Accepted", None)
        await stage.charger()
        await stage.ask_access("GOOD")
        stage.steve.up = False
        await stage.steve.cut()
        assert (await stage.ask_access("good")).verdict is Verdict.ACCEPTED
        other = await stage.ask_access("OTHER")
        assert other.verdict is Verdict.UNKNOWN and "cannot be reached" in other.reason


async def test_a_backend_that_does_not_answer_counts_as_offline_after_a_while():
    async with Stage() as stage:
        stage.steve.tags["GOOD"] = ("Accepted", None)
        await stage.charger()
        await stage.ask_access("GOOD")
        stage.steve.silent.add("Authorize")
        assert await stage.ask_access("GOOD") is None
        id = f"ask-{len(stage.sent) - 1}"
        await stage.pass_time(5)
        replies = [stage.access_reply(f"ask-{n}") for n in range(len(stage.sent) + 1)]
        assert [reply.verdict for reply in replies if reply is not None] == [Verdict.ACCEPTED] * 2, id


async def test_the_cache_survives_a_restart_and_can_be_cleared(tmp_path):
    from ocpp.v16 import call

    from tests.ocpp_bridge.steve import Steve

    url, clock = f"sqlite:///{tmp_path / 'b.sqlite3'}", StageClock()
    steve = Steve(clock)
    steve.tags["GOOD"] = ("Accepted", None)
    async with Stage(url, clock, {"steve": steve}) as stage:
        await stage.charger()
        await stage.ask_access("GOOD")
    steve.up = False
    async with Stage(url, clock, {"steve": steve}) as again:
        await again.charger()
        assert (await again.ask_access("GOOD")).verdict is Verdict.ACCEPTED
        steve.up = True
        await again.pass_time(60)
        assert (await steve.call(call.ClearCache())).status == "Accepted"
        assert (await steve.call(call.ChangeConfiguration("AuthorizationCacheEnabled", "false"))).status == "Accepted"
        assert (await steve.call(call.ClearCache())).status == "Rejected"
        steve.up = False
        await steve.cut()
        assert (await again.ask_access("GOOD")).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("stop", "op"), [("true", "stop"), ("false", "pause")])
async def test_a_start_that_is_not_accepted_is_stopped_or_only_suspended(stop, op):
    async with Stage(configuration={"StopTransactionOnInvalidId": stop}) as stage:
        charger = await stage.charger()
        await charger.start("STRANGER")
        await stage.pass_time(2)
        (command,) = charger.executed(op)
        assert "Invalid" in command.reason
        assert getattr(command, "de_authorized", True) is True
        await charger.state()
        await stage.pass_time(2)
        assert len(charger.executed("stop")) + len(charger.executed("pause")) == 1


async def test_a_withdrawn_authorisation_is_carried_out_when_the_charger_is_back():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["stop"] = lambda _command: None
        await charger.start("STRANGER")
        await stage.pass_time(15)
        del charger.answers["stop"]
        await charger.state()
        await stage.pass_time(2)
        assert len(charger.executed("stop")) >= 2
        count = len(charger.executed("stop"))
        await charger.state()
        await stage.pass_time(2)
        assert len(charger.executed("stop")) == count


async def test_max_energy_on_invalid_id_lets_so_much_through():
    async with Stage(configuration={"MaxEnergyOnInvalidId": "500"}) as stage:
        charger = await stage.charger()
        await charger.start("STRANGER")
        await stage.pass_time(2)
        charger.energy_wh += 499
        await charger.state()
        assert charger.executed("stop") == []
        charger.energy_wh += 1
        await charger.state()
        await stage.pass_time(1)
        assert len(charger.executed("stop")) == 1


async def test_a_card_of_the_same_parent_stops_a_remote_transaction():
    from bus_schema.words import IdTokenType

    async with Stage() as stage:
        stage.steve.tags |= {"APP": ("Accepted", "FLEET"), "MATE": ("Accepted", "FLEET"), "OTHER": ("Accepted", "ELSE")}
        charger = await stage.charger()
        await charger.start("APP", IdTokenType.BACKEND)
        await stage.pass_time(2)
        await charger.card("OTHER")
        await charger.card("APPLE")
        await stage.pass_time(1)
        assert charger.executed("stop") == []
        await charger.card("MATE")
        await stage.pass_time(1)
        assert len(charger.executed("stop")) == 1
        await charger.card("app")
        await stage.pass_time(1)
        assert len(charger.executed("stop")) == 2
