/* The ESP32 port on a chip that is made of nothing (fake.c), with the virtual circuit at its pins. Prints one word a
 * scenario; exit code 1 at the first that fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp_circuit.h"
#include "cp_pins.h"
#include "cp_port.h"
#include "cp_safety.h"
#include "cp_startup.h"
#include "cp_twai.h"
#include "fake.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            printf("%s, line %d: %s\n", __FILE__, __LINE__, #condition);             \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

static cp_circuit circuit;
static cp_ms now_ms;
static int startups;

void boardctrl_startup(void) {
    startups++;
}

static const cp_board board = {
    .rated_ma = 32000, .has_mirror = true, .has_residual_test = true, .has_temperature = true};

static int32_t pilot_pin_mv(int32_t pilot_mv) {
    return 1500 + pilot_mv * 1000 / 9231;
}

static int32_t proximity_pin_mv(int32_t ohm) {
    return (int32_t)((int64_t)3300 * ohm / (ohm + 1000));
}

/* One millisecond: the circuit answers to the pins, the chip samples them, the task looks now and then. */
static void pass_one(void) {
    const int16_t duty = fake_duty_permille(CP_PIN_PILOT_PWM);
    const cp_outputs outputs = {
        .contactor = fake_pin(CP_PIN_CONTACTOR),
        .duty_permille = duty,
        .offered_ma = duty > 0 && duty < 1000 ? 6000 : 0,
        .residual_test = fake_pin(CP_PIN_RESIDUAL_TEST),
    };
    cp_measured measured;
    now_ms++;
    cp_circuit_tick(&circuit, now_ms, &outputs, &measured);
    fake_pilot_pin_mv(pilot_pin_mv(measured.high_mv), pilot_pin_mv(measured.low_mv));
    fake_proximity_pin_mv(proximity_pin_mv(measured.proximity_ohm));
    fake_set_pin(CP_PIN_MIRROR, !measured.mirror_closed);
    fake_set_pin(CP_PIN_RESIDUAL_TRIP, measured.residual_trip);
    fake_period();
    if (now_ms % CP_SUPERVISE_MS == 0) {
        cp_safety_supervise(cp_safety_instance());
    }
}

static void pass(cp_ms ms, bool alive) {
    for (cp_ms i = 0; i < ms; i++) {
        if (alive && i % 100 == 0) {
            cp_requests *requests = &cp_port_exchange()->requests;
            atomic_fetch_add(&requests->heartbeat_count, 1);
            atomic_store(&requests->temperature_mc, 25000);
            atomic_fetch_add(&requests->temperature_count, 1);
        }
        pass_one();
    }
}

/* How long until the coil's pin is low. */
static cp_ms until_off(cp_ms within_ms, bool alive) {
    for (cp_ms ms = 1; ms <= within_ms; ms++) {
        pass(1, alive);
        if (!fake_pin(CP_PIN_CONTACTOR)) {
            return ms;
        }
    }
    return -1;
}

static void power_on(void) {
    fake_reset();
    memset(cp_safety_instance(), 0, sizeof(cp_safety));
    cp_circuit_init(&circuit);
    now_ms = 0;
    CHECK(cp_safety_init(cp_safety_instance()) == ESP_OK);
}

static void charge(int32_t offer_ma) {
    power_on();
    pass(50, false);
    CHECK(cp_port_exchange() == NULL);
    CHECK(cp_port_begin(&board));
    pass(3000, true);
    circuit.car_ohm = 2740;
    circuit.cable_ohm = 220;
    circuit.s2 = CP_S2_AS_A_CAR_DOES;
    atomic_store(&cp_port_exchange()->requests.offer_ma, offer_ma);
    atomic_store(&cp_port_exchange()->requests.permit, true);
    pass(12000, true);
    CHECK(fake_pin(CP_PIN_CONTACTOR) && circuit.closed);
    CHECK(fake_duty_permille(CP_PIN_PILOT_PWM) == offer_ma / 60);
}

static void starts_before_the_interpreter(void) {
    fake_reset();
    cp_startup();
    CHECK(startups == 1);
    CHECK(fake_task_core("cp_safety") == 0 && fake_task_priority("cp_safety") >= 23);
}

static void before_the_board_is_known(void) {
    power_on();
    pass(100, false);
    CHECK(!fake_pin(CP_PIN_CONTACTOR) && fake_duty_permille(CP_PIN_PILOT_PWM) == 1000);
    CHECK(fake_pulled_up(CP_PIN_RESIDUAL_TRIP) == (CP_PIN_RESIDUAL_TRIP < 34));
    CHECK(!fake_pulled_up(CP_PIN_MIRROR));
}

static void closes_and_opens_for_a_car(void) {
    charge(16000);
    circuit.s2 = CP_S2_OPEN;
    const cp_ms off_ms = until_off(1000, true);
    CHECK(off_ms > 0 && off_ms <= 100);
    atomic_store(&cp_port_exchange()->requests.available, false);
    pass(3000, true);
    bool low = false;
    for (int i = 0; i < 10000; i++) {
        pass(1, true);
        low = low || fake_duty_permille(CP_PIN_PILOT_PWM) == 0;
    }
    CHECK(low);
}

static void measures_what_is_there(void) {
    int32_t words[CP_REPORT_WORDS];
    charge(16000);
    cp_exchange_read(cp_port_exchange(), words);
    CHECK(abs(words[CP_REPORT_HIGH_MV] - 6000) < 60 && abs(words[CP_REPORT_LOW_MV] + 12000) < 60);
    CHECK(words[CP_REPORT_CABLE_MA] == 32000 && words[CP_REPORT_CLOSED] == 1);
    CHECK(fake_sample_us(0) == 50 && fake_sample_us(1) == 950);
}

static void hardware_drops_the_contactor_without_us(void) {
    charge(16000);
    fake_stall();
    fake_set_pin(CP_PIN_RESIDUAL_TRIP, true);
    CHECK(!fake_pin(CP_PIN_CONTACTOR));
    fake_set_pin(CP_PIN_RESIDUAL_TRIP, false);
    CHECK(!fake_pin(CP_PIN_CONTACTOR));
}

static void a_trip_is_found_said_and_kept(void) {
    int32_t words[CP_REPORT_WORDS];
    charge(16000);
    circuit.leak = 1;
    CHECK(until_off(10, true) == 1);
    circuit.leak = 0;
    pass(60000, true);
    cp_exchange_read(cp_port_exchange(), words);
    CHECK((words[CP_REPORT_FAULTS] & (int32_t)CP_FAULT_RESIDUAL_CURRENT) != 0);
    CHECK(!fake_pin(CP_PIN_CONTACTOR) && atomic_load(&cp_safety_instance()->contactor.braked));
    atomic_fetch_add(&cp_port_exchange()->requests.clear_count, 1);
    pass(60000, true);
    CHECK(fake_pin(CP_PIN_CONTACTOR) && !atomic_load(&cp_safety_instance()->contactor.braked));
}

static void silence_of_the_application_opens(void) {
    charge(16000);
    const cp_ms off_ms = until_off(5000, false);
    CHECK(off_ms > 1800 && off_ms <= 2001);
}

static void a_restart_of_the_interpreter_opens(void) {
    charge(16000);
    CHECK(cp_port_begin(&board));
    const cp_ms off_ms = until_off(10, false);
    CHECK(off_ms > 0 && off_ms <= 2);
    cp_board other = board;
    other.rated_ma = 16000;
    CHECK(!cp_port_begin(&other));
}

static void an_interrupt_that_stops_opens_and_restarts(void) {
    charge(16000);
    fake_stall();
    const cp_ms off_ms = until_off(1000, true);
    CHECK(off_ms > 0 && off_ms <= 4 * CP_SUPERVISE_MS);
    CHECK(fake_restarts() >= 1);
}

static void an_early_sample_that_does_not_come_opens(void) {
    charge(16000);
    fake_lose_early_samples();
    const cp_ms off_ms = until_off(1000, true);
    CHECK(off_ms > 0 && off_ms <= 100);
}

static void conversions_that_fail_open(void) {
    charge(16000);
    fake_break_adc(true);
    const cp_ms off_ms = until_off(1000, true);
    CHECK(off_ms > 0 && off_ms <= 100);
}

static void whatever_cannot_be_started_leaves_it_open(void) {
    power_on();
    const int calls = fake_calls();
    CHECK(calls > 100); /* the calibration's table alone has 65 */
    for (int number = 1; number <= calls; number++) {
        fake_reset();
        memset(cp_safety_instance(), 0, sizeof(cp_safety));
        fake_fail_call(number);
        CHECK(cp_safety_init(cp_safety_instance()) == ESP_FAIL);
        for (int i = 0; i < 20; i++) {
            fake_period();
        }
        CHECK(!fake_pin(CP_PIN_CONTACTOR));
    }
}

static void scale(void) {
    cp_scale line;
    for (int point = 0; point < CP_SCALE_POINTS; point++) {
        line.mv[point] = 100 + point * 47;
    }
    for (int32_t raw = 0; raw < 4096; raw++) {
        CHECK(abs(cp_scale_pin_mv(&line, raw) - (100 + raw * 47 / 64)) <= 1);
        CHECK(raw == 0 || cp_scale_pilot_mv(&line, raw) >= cp_scale_pilot_mv(&line, raw - 1));
        CHECK(raw == 0 || cp_scale_proximity_ohm(&line, raw) >= cp_scale_proximity_ohm(&line, raw - 1));
    }
    CHECK(cp_scale_pilot_mv(&line, CP_NO_RAW) == CP_NO_READING_MV);
    CHECK(cp_scale_proximity_ohm(&line, CP_NO_RAW) == CP_NO_PLUG_OHM);
    for (int16_t duty = 100; duty <= 960; duty++) {
        const uint32_t late_us = cp_scale_late_sample_us(duty);
        CHECK(late_us >= 950 && late_us <= 985 && late_us >= (uint32_t)duty + 20);
    }
    CHECK(cp_scale_late_sample_us(0) == 950 && cp_scale_late_sample_us(1000) == 950);
}

static void can_bus(void) {
    const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    cp_can_frame frame = {.id = 0x433F01, .length = 8};
    uint32_t id;
    bool extended;
    uint8_t length;
    fake_reset();
    CHECK(!cp_port_can_send(&frame) && !cp_port_can_take(&frame));
    CHECK(!cp_port_can_start(300000, 21, 22) && !cp_port_can_start(250000, -1, 22));
    CHECK(cp_port_can_start(250000, 21, 22) && cp_port_can_start(500000, 21, 22));
    CHECK(fake_task_core("cp_twai") == 0);
    CHECK(cp_port_can_send(&frame) && fake_can_sent(&id, &extended, &length) && id == 0x433F01 && extended);
    frame.id = 0x7FF;
    CHECK(cp_port_can_send(&frame) && fake_can_sent(&id, &extended, &length) && !extended && length == 8);
    fake_can_deliver(0x433F01, false, data, 8);
    fake_can_deliver(0x123, true, data, 0);
    fake_can_deliver(0x123, false, data, 3);
    for (int i = 0; i < 4; i++) {
        cp_twai_turn();
    }
    CHECK(cp_port_can_take(&frame) && frame.id == 0x433F01 && frame.length == 8 && frame.data[7] == 8);
    CHECK(cp_port_can_take(&frame) && frame.id == 0x123 && frame.length == 3 && frame.data[3] == 0);
    CHECK(!cp_port_can_take(&frame) && cp_port_can_overruns() == 0);
    for (uint32_t i = 0; i < 40; i++) {
        fake_can_deliver(i, false, data, 8);
        cp_twai_turn();
    }
    CHECK(cp_port_can_overruns() == 8 && cp_port_can_take(&frame) && frame.id == 8);
    fake_can_bus_off();
    cp_twai_turn();
    cp_twai_turn();
    CHECK(cp_port_can_send(&frame));
    fake_fail_call(fake_calls() + 2);
    CHECK(!cp_port_can_start(250000, 21, 22) && !cp_port_can_send(&frame));
}

#define RUN(scenario)   \
    do {                \
        scenario();     \
        puts(#scenario); \
    } while (0)

int main(void) {
    RUN(starts_before_the_interpreter);
    RUN(before_the_board_is_known);
    RUN(closes_and_opens_for_a_car);
    RUN(measures_what_is_there);
    RUN(hardware_drops_the_contactor_without_us);
    RUN(a_trip_is_found_said_and_kept);
    RUN(silence_of_the_application_opens);
    RUN(a_restart_of_the_interpreter_opens);
    RUN(an_interrupt_that_stops_opens_and_restarts);
    RUN(an_early_sample_that_does_not_come_opens);
    RUN(conversions_that_fail_open);
    RUN(whatever_cannot_be_started_leaves_it_open);
    RUN(scale);
    RUN(can_bus);
    return 0;
}
