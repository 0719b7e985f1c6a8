"""Configuration keys (OCPP 1.6, 5.3, 5.8 and chapter 9): all there, checked, kept; how they behave stands beside what
they change."""

import pytest
from ocpp.v16 import call

from agents.ocpp_bridge.settings import OcppBridgeSettings
from agents.ocpp_bridge.v16 import certificate_store, local_list, smart_charging, statuses
from agents.ocpp_bridge.v16.keys import KEYS, find_key
from bus_schema.words import ReplyCode, ReplyStage
from tests.ocpp_bridge.stage import Stage, StageClock
from tests.ocpp_bridge.steve import Steve

CORE = [
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
    "LocalAuthListEnabled",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "AllowOfflineTxForUnknownId",
    "AuthorizationCacheEnabled",
    "MaxEnergyOnInvalidId",
    "MinimumStatusDuration",
    "WebSocketPingInterval",
    "StopTransactionOnEVSideDisconnect",
    "ReserveConnectorZeroSupported",
    "AuthorizationKey",
    "SecurityProfile",
    "CpoName",
    "CertificateStoreMaxLength",
    "CertificateSignedMaxChainSize",
    "AdditionalRootCertificateCheck",
]

READ_ONLY = [
    "GetConfigurationMaxKeys",
    "NumberOfConnectors",
    "SupportedFeatureProfiles",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
]


async def change(stage: Stage, key: str, value: str) -> str:
    return (await stage.steve.call(call.ChangeConfiguration(key, value))).status


async def value(stage: Stage, key: str):
    answer = await stage.steve.call(call.GetConfiguration([key]))
    return answer.configuration_key[0].value


def test_every_key_of_the_protocol_is_there():
    assert set(CORE) <= set(KEYS)
    assert len(KEYS) <= int(KEYS["GetConfigurationMaxKeys"].default)
    for name in READ_ONLY:
        assert KEYS[name].read_only


async def test_all_keys_are_listed_but_the_secret():
    async with Stage() as stage:
        await stage.charger()
        answer = await stage.steve.call(call.GetConfiguration())
        assert {each.key for each in answer.configuration_key} == set(KEYS) - {"AuthorizationKey"}
        assert answer.unknown_key is None


async def test_unknown_keys_are_named():
    async with Stage() as stage:
        await stage.charger()
        answer = await stage.steve.call(call.GetConfiguration(["Nonsense", "heartbeatinterval"]))
        assert answer.unknown_key == ["Nonsense"]
        assert [each.key for each in answer.configuration_key] == ["HeartbeatInterval"]


@pytest.mark.parametrize("key", READ_ONLY)
async def test_read_only_keys_are_rejected(key):
    async with Stage() as stage:
        await stage.charger()
        assert await change(stage, key, "1") == "Rejected"


async def test_unknown_keys_are_not_supported():
    async with Stage() as stage:
        await stage.charger()
        assert await change(stage, "Nonsense", "1") == "NotSupported"


VALUES = [
    ("AllowOfflineTxForUnknownId", "true", "yes"),
    ("AuthorizationCacheEnabled", "FALSE", "0"),
    ("AuthorizeRemoteTxRequests", "true", ""),
    ("ClockAlignedDataInterval", "900", "-1"),
    ("ConnectionTimeOut", "30", "0"),
    ("ConnectorPhaseRotation", "1.RST", "1.ABC"),
    ("HeartbeatInterval", "60", "1.5"),
    ("LocalAuthorizeOffline", "false", "no"),
    ("LocalPreAuthorize", "true", "1"),
    ("LocalAuthListEnabled", "false", "off"),
    ("MaxEnergyOnInvalidId", "1000", "lots"),
    ("MeterValuesAlignedData", "Energy.Active.Import.Register", "Energy.Active.Import.Register,SoC"),
    ("MeterValuesSampledData", "Voltage.L1,Current.Import", "Voltage,Frequency"),
    ("MeterValueSampleInterval", "15", "1e3"),
    ("MinimumStatusDuration", "5", "99999999999"),
    ("ResetRetries", "1", "x"),
    ("StopTransactionOnInvalidId", "false", "maybe"),
    ("StopTransactionOnEVSideDisconnect", "true", "false"),
    ("StopTxnAlignedData", "", "RPM"),
    ("StopTxnSampledData", "Voltage", "Volts"),
    ("TransactionMessageAttempts", "5", "0"),
    ("TransactionMessageRetryInterval", "10", "ten"),
    ("UnlockConnectorOnEVSideDisconnect", "true", "false"),
    ("WebSocketPingInterval", "0", "-5"),
    ("CpoName", "Example Charging", ""),
    ("AuthorizationKey", "00112233445566778899aabbccddeeff", "short"),
    ("SecurityProfile", "1", "4"),
]
"""Key, a value that is taken, and one that is not."""


async def test_good_values_are_taken_and_bad_ones_rejected_and_they_survive_a_restart(tmp_path):
    url, clock = f"sqlite:///{tmp_path / 'b.sqlite3'}", StageClock()
    steve = Steve(clock)
    async with Stage(url, clock, {"steve": steve}) as stage:
        await stage.charger()
        for key, good, bad in VALUES:
            assert await change(stage, key, bad) == "Rejected", key
            assert await change(stage, key, good) == "Accepted", key
            await stage.pass_time(2)
    steve.interval = 0  # Else it would set HeartbeatInterval anew.
    async with Stage(url, clock, {"steve": steve}) as again:
        await again.charger()
        await again.pass_time(3)
        for key, good, _ in VALUES:
            shown = await value(again, key)
            if find_key(key).write_only:
                assert shown is None and again.point().configuration[key] == good
            else:
                assert shown == good, key


async def test_connection_timeout_reaches_the_charger():
    async with Stage() as stage:
        charger = await stage.charger()
        assert await change(stage, "ConnectionTimeOut", "120") == "Accepted"
        await stage.pass_time(1)
        assert charger.executed("configure")[0].settings == {"connection_timeout_s": 120}


@pytest.mark.parametrize(
    ("key", "text", "settings"),
    [
        ("ConnectionTimeOut", "30", {"connection_timeout_s": 30}),
        ("LocalAuthorizeOffline", "false", {"local_authorize_offline": False}),
        ("AllowOfflineTxForUnknownId", "true", {"allow_offline_tx_for_unknown_id": True}),
    ],
)
async def test_what_the_charger_decides_while_the_bus_is_dead_reaches_it_even_if_it_is_away(
    tmp_path, key, text, settings
):
    url, clock = f"sqlite:///{tmp_path / 'b.sqlite3'}", StageClock()
    steve = Steve(clock)
    async with Stage(url, clock, {"steve": steve}) as stage:
        charger = await stage.charger()
        await charger.online(False)
        assert await change(stage, key, text) == "Accepted"
        await stage.pass_time(40)
        assert charger.executed("configure") == []
    async with Stage(url, clock, {"steve": steve}) as again:
        charger = await again.charger()
        await again.pass_time(2)
        assert [command.settings for command in charger.executed("configure")] == [settings]
        await again.pass_time(100)
        assert len(charger.executed("configure")) == 1


async def test_a_charger_that_does_not_answer_is_told_again_and_one_that_refuses_is_not():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["configure"] = lambda _command: None
        await change(stage, "ConnectionTimeOut", "30")
        await stage.pass_time(20)
        asked = len(charger.executed("configure"))
        charger.answers["configure"] = (ReplyStage.REJECTED, ReplyCode.HARDWARE, "flash full")
        await stage.pass_time(60)
        assert len(charger.executed("configure")) == asked + 1
        await change(stage, "ConnectionTimeOut", "40")
        await stage.pass_time(2)
        assert charger.executed("configure")[-1].settings == {"connection_timeout_s": 40}


async def test_the_feature_profiles_are_those_whose_actions_are_answered():
    async with Stage() as stage:
        await stage.charger()
        assert set((await value(stage, "SupportedFeatureProfiles")).split(",")) == {
            "Core",
            "FirmwareManagement",
            "LocalAuthListManagement",
            "RemoteTrigger",
            "Reservation",
            "SmartCharging",
        }


async def test_as_many_keys_as_are_promised_are_shown_at_once():
    async with Stage() as stage:
        await stage.charger()
        most = int(await value(stage, "GetConfigurationMaxKeys"))
        names = [f"Nonsense{number}" for number in range(most - len(KEYS))]
        answer = await stage.steve.call(call.GetConfiguration([*KEYS, *names]))
        assert len(answer.configuration_key) == len(KEYS) and answer.unknown_key == names


@pytest.mark.parametrize(
    ("key", "shown", "limit"),
    [
        ("ChargeProfileMaxStackLevel", "100", smart_charging.LIMITS.max_stack_level),
        ("ChargingScheduleMaxPeriods", "100", smart_charging.LIMITS.max_periods),
        ("MaxChargingProfilesInstalled", "30", smart_charging.LIMITS.max_installed),
        ("CertificateStoreMaxLength", "20", certificate_store.MAX_CERTIFICATES),
        ("CertificateSignedMaxChainSize", "10000", certificate_store.MAX_CHAIN_BYTES),
        ("LocalAuthListMaxLength", "10000", local_list.MAX_LOCAL_LIST),
        ("SendLocalListMaxLength", "2000", local_list.MAX_SEND_LOCAL_LIST),
        ("NumberOfConnectors", "1", statuses.CONNECTOR),
        ("AdditionalRootCertificateCheck", "false", False),
        ("ReserveConnectorZeroSupported", "false", False),
        ("ChargingScheduleAllowedChargingRateUnit", "Current,Power", None),
    ],
)
async def test_a_limit_that_is_shown_is_the_one_that_is_kept(key, shown, limit):
    async with Stage() as stage:
        await stage.charger()
        assert await value(stage, key) == shown
        assert limit is None or shown == str(limit).lower()


async def test_a_new_heartbeat_interval_counts_at_once():
    async with Stage() as stage:
        await stage.charger()
        assert await value(stage, "HeartbeatInterval") == "14400"
        assert await change(stage, "HeartbeatInterval", "10") == "Accepted"
        await stage.pass_time(35)
        assert len(stage.steve.got("Heartbeat")) == 3


async def test_a_new_ping_interval_is_used_by_a_new_connection():
    async with Stage() as stage:
        await stage.charger()
        assert stage.steve.targets[0].ping_interval_s == 20
        assert await change(stage, "WebSocketPingInterval", "45") == "Accepted"
        await stage.pass_time(5)
        assert stage.steve.targets[-1].ping_interval_s == 45
        assert stage.steve.actions().count("BootNotification") == 1


async def test_the_phase_rotation_is_the_charger_s_own_until_it_is_set():
    async with Stage() as stage:
        await stage.charger()
        assert await value(stage, "ConnectorPhaseRotation") == "1.RST"
        assert await change(stage, "ConnectorPhaseRotation", "0.RST,1.STR") == "Accepted"
        assert await value(stage, "ConnectorPhaseRotation") == "0.RST,1.STR"


async def test_a_password_arrives_as_hex_and_is_used_from_the_next_connection_on():
    async with Stage() as stage:
        await stage.charger()
        secret = "correct horse battery"
        assert await change(stage, "AuthorizationKey", secret.encode().hex()) == "Accepted"
        await stage.pass_time(3)
        assert stage.steve.targets[-1].password is None
        assert await change(stage, "SecurityProfile", "1") == "Accepted"
        await stage.pass_time(3)
        assert stage.steve.targets[-1].password == secret.encode() and stage.steve.targets[-1].user == "c1"
        assert secret.encode().hex() not in str(await stage.steve.call(call.GetConfiguration(["AuthorizationKey"])))


async def test_a_security_profile_only_rises_and_needs_its_credentials():
    async with Stage() as stage:
        await stage.charger()
        for wanted in "0123":
            assert await change(stage, "SecurityProfile", wanted) == "Rejected"
        await change(stage, "AuthorizationKey", "00112233445566778899aabbccddeeff")
        await stage.pass_time(3)
        assert await change(stage, "SecurityProfile", "2") == "Rejected"
        assert await change(stage, "SecurityProfile", "1") == "Accepted"
        await stage.pass_time(3)
        for wanted in "012":
            assert await change(stage, "SecurityProfile", wanted) == "Rejected"


def test_the_site_s_own_defaults_are_checked():
    with pytest.raises(ValueError, match="ResetRetries: a whole number"):
        OcppBridgeSettings.model_validate({"configuration": {"ResetRetries": "many"}})
    with pytest.raises(ValueError, match="is no configuration key"):
        OcppBridgeSettings.model_validate({"configuration": {"NumberOfConnectors": "2"}})
