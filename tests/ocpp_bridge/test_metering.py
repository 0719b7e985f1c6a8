"""Meter values (OCPP 1.6, 3.16, 4.7, 4.10 and chapter 9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16 import call

from agents.ocpp_bridge.v16.measurands import (
    DAY_S,
    InvalidMeasurands,
    Measured,
    Wanted,
    drop_middle,
    meter_value,
    next_aligned_ms,
    parse_measurands,
)
from bus_schema.charger_messages import Telemetry
from tests.ledger.harness import NOW_MS
from tests.ocpp_bridge.stage import Stage


def telemetry(**fields) -> Telemetry:
    return Telemetry(ts=None, uptime_ms=1, boot_id="0123456789ab", offered_current_a=16.0, **fields)


@given(st.integers(0, 2**41), st.integers(1, DAY_S))
def test_aligned_intervals_count_from_midnight(now_ms, interval_s):
    due = next_aligned_ms(now_ms, interval_s)
    midnight = now_ms - now_ms % (DAY_S * 1000)
    assert now_ms < due <= now_ms + interval_s * 1000
    assert (due - midnight) % (interval_s * 1000) == 0 or due == midnight + DAY_S * 1000


def test_the_last_interval_of_a_day_may_be_shorter():
    before_midnight = NOW_MS + 23 * 3_600_000
    assert next_aligned_ms(before_midnight, 7 * 3600) == NOW_MS + DAY_S * 1000


def test_one_unsupported_measurand_rejects_the_whole_list():
    assert parse_measurands("Voltage, Current.Import.L2") == (Wanted("Voltage"), Wanted("Current.Import", "L2"))
    assert parse_measurands("") == ()
    for text in ("Voltage,SoC", "voltage", "Voltage,,Current.Import", "Voltage.L9", "Energy.Active.Import.Register.L1"):
        with pytest.raises(InvalidMeasurands):
            parse_measurands(text)


def test_only_what_was_measured_is_sent():
    found = Measured(NOW_MS, 1234, telemetry(current_l1_a=6.0, current_l3_a=6.25, temperature_c=-0.0))
    wanted = parse_measurands("Energy.Active.Import.Register,Current.Import,Voltage,Temperature,Power.Active.Import")
    value = meter_value(found, wanted, "Sample.Periodic", "Celcius")
    seen = [(each.measurand, each.phase, each.value, each.unit) for each in value.sampled_value]
    assert seen == [
        ("Energy.Active.Import.Register", None, "1234", "Wh"),
        ("Current.Import", "L1", "6", "A"),
        ("Current.Import", "L3", "6.25", "A"),
        ("Temperature", None, "0", "Celcius"),
    ]
    assert meter_value(Measured(NOW_MS, None), wanted, "Sample.Periodic") is None


@given(st.integers(0, 500), st.integers(2, 300))
def test_the_middle_is_dropped_first(count, most):
    kept = drop_middle(count, most)
    assert len(kept) == len(set(kept)) and len(kept) <= max(most, 2)
    if count:
        assert kept[0] == 0 and kept[-1] == count - 1
    if count <= most:
        assert kept == list(range(count))


async def charging(stage: Stage):
    stage.steve.tags["CARD"] = ("Accepted", None)
    charger = await stage.charger()
    await charger.start()
    return charger


async def drive(stage: Stage, charger, seconds: int, wh: int = 10) -> None:
    for _ in range(seconds // 10):
        charger.energy_wh += wh
        await charger.telemetry()
        await stage.pass_time(10, 10)


async def test_sampled_values_come_at_their_interval_with_raw_registers():
    async with Stage(
        configuration={"MeterValueSampleInterval": "30", "MeterValuesSampledData": "Energy.Active.Import.Register"}
    ) as stage:
        charger = await charging(stage)
        await drive(stage, charger, 100)
        values = stage.steve.got("MeterValues")
        assert len(values) == 3 and all(each["transactionId"] == 1 for each in values)
        registers = [int(each["meterValue"][0]["sampledValue"][0]["value"]) for each in values]
        assert registers == sorted(registers) and registers[0] > 1000
        assert values[0]["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Periodic"


async def test_an_interval_of_zero_sends_no_samples():
    async with Stage(configuration={"MeterValueSampleInterval": "0"}) as stage:
        charger = await charging(stage)
        await drive(stage, charger, 200)
        await charger.sample()
        assert stage.steve.got("MeterValues") == []


async def test_clock_aligned_values_come_at_round_times_and_say_so():
    async with Stage(configuration={"ClockAlignedDataInterval": "60", "MeterValueSampleInterval": "0"}) as stage:
        charger = await charging(stage)
        await drive(stage, charger, 130)
        values = stage.steve.got("MeterValues")
        assert [each["meterValue"][0]["timestamp"] for each in values] == [
            "2026-01-01T00:01:00.000Z",
            "2026-01-01T00:02:00.000Z",
        ]
        assert {v["context"] for each in values for v in each["meterValue"][0]["sampledValue"]} == {"Sample.Clock"}


async def test_clock_aligned_values_come_without_a_transaction_too():
    async with Stage(configuration={"ClockAlignedDataInterval": "60"}) as stage:
        charger = await stage.charger()
        for _ in range(7):
            await charger.state()
            await stage.pass_time(10, 10)
        (value,) = stage.steve.got("MeterValues")
        assert "transactionId" not in value and value["connectorId"] == 1


async def test_nothing_is_sent_that_is_not_measured_now():
    async with Stage(configuration={"MeterValueSampleInterval": "30"}) as stage:
        charger = await charging(stage)
        await charger.telemetry()
        await stage.pass_time(200)
        assert stage.steve.got("MeterValues") == []


async def test_what_the_charger_has_journalled_fills_the_gap():
    async with Stage(configuration={"MeterValueSampleInterval": "60"}) as stage:
        charger = await charging(stage)
        await stage.pass_time(300)
        charger.energy_wh += 33
        sample = await charger.sample()
        await charger.event(sample)
        await stage.pass_time(1)
        (value,) = stage.steve.got("MeterValues")
        assert value["meterValue"][0]["sampledValue"][0]["value"] == "1033"
        await charger.sample()
        await stage.pass_time(1)
        assert len(stage.steve.got("MeterValues")) == 1


async def test_a_stop_has_its_beginning_its_end_and_what_the_keys_collect():
    keys = {"StopTxnSampledData": "Energy.Active.Import.Register", "MeterValueSampleInterval": "30"}
    async with Stage(configuration=keys) as stage:
        charger = await charging(stage)
        await drive(stage, charger, 100)
        await charger.end()
        await stage.pass_time(2)
        data = stage.steve.got("StopTransaction")[0]["transactionData"]
        contexts = [each["sampledValue"][0]["context"] for each in data]
        assert contexts == ["Transaction.Begin", *["Sample.Periodic"] * 3, "Transaction.End"]
        assert data[0]["sampledValue"][0]["value"] == "1000"
        assert data[-1]["sampledValue"][0]["value"] == str(charger.energy_wh)


async def test_a_stop_has_the_aligned_values_that_its_key_collects():
    keys = {"StopTxnAlignedData": "Voltage", "ClockAlignedDataInterval": "60", "MeterValueSampleInterval": "0"}
    async with Stage(configuration=keys) as stage:
        charger = await charging(stage)
        await drive(stage, charger, 130)
        await charger.end()
        await stage.pass_time(2)
        data = stage.steve.got("StopTransaction")[0]["transactionData"]
        told = [(each["sampledValue"][0]["context"], each["sampledValue"][0]["measurand"]) for each in data]
        register = "Energy.Active.Import.Register"
        clock = ("Sample.Clock", "Voltage")
        assert told == [("Transaction.Begin", register), clock, clock, ("Transaction.End", register)]


async def test_a_stop_is_never_too_long(monkeypatch):
    monkeypatch.setattr("agents.ocpp_bridge.v16.transactions.MAX_TRANSACTION_DATA", 20)
    keys = {"StopTxnSampledData": "Voltage", "MeterValueSampleInterval": "1", "MeterValuesSampledData": ""}
    async with Stage(configuration=keys) as stage:
        charger = await charging(stage)
        for _ in range(40):
            await charger.telemetry()
            await stage.pass_time(1)
        await charger.end()
        await stage.pass_time(2)
        data = stage.steve.got("StopTransaction")[0]["transactionData"]
        assert len(data) == 20
        assert data[0]["sampledValue"][0]["context"] == "Transaction.Begin"
        assert data[-1]["sampledValue"][0]["context"] == "Transaction.End"


async def test_connector_0_has_no_transaction_id():
    async with Stage() as stage:
        charger = await charging(stage)
        await charger.telemetry()
        for connector in (0, 1):
            assert (await stage.steve.call(call.TriggerMessage("MeterValues", connector))).status == "Accepted"
            await stage.pass_time(1)
        zero, one = stage.steve.got("MeterValues")
        assert zero["connectorId"] == 0 and "transactionId" not in zero
        assert one["connectorId"] == 1 and one["transactionId"] == 1
        assert zero["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"
