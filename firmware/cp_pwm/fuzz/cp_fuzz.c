/* A coverage-guided fuzzer of the core: bytes become a life of the charger, the oracle judges every millisecond of it.
 *
 * Two bytes describe the board and whether it is a long life; then every three bytes are a change of the inputs and the time until the next. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "cp_core.h"
#include "cp_oracle.h"

#define START_MS 1000
#define LONGEST_MS 75000
#define SHORT_MS 9000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What follows by itself, as it does on a working charger, unless a change says otherwise. */
typedef struct {
    bool mirror;
    bool trip;
    bool heartbeat;
    bool temperature;
} follows;

typedef struct {
    cp_core core;
    cp_oracle oracle;
    cp_inputs inputs;
    cp_outputs outputs;
    follows follows;
    cp_ms now_ms;
    cp_ms end_ms;
} life;

static const int32_t levels_mv[] = {
    12000, 9000, 6000, 3000, 0, -12000, 10500, 7500, 4500, 1500, -6000, 30000, 7100, 7101, 7300, 7301,
    4900, 4899, 4700, 4699, 7900, 7899, 10100, 10101, 10900, 10899, 1900, 4100, 4101, 1100, -1100, -30000,
};
static const int32_t proximities_ohm[] = {220, 100, 680, 1500, CP_NO_PLUG_OHM, 0, 74,
                                          75, 150, 330, 1000, 2200, 2201, -1};
static const int32_t waits_ms[] = {
    1, 1, 2, 5, 10, 24, 25, 26, 49, 50, 51, 99, 100, 101, 249, 250, 251, 499, 500, 501, 1000, 1249, 1250, 1500, 2000,
    2001, 4000, 5000, 6000, 1, 1, 2, 5, 10, 24, 25, 26, 49, 50, 51, 99, 100, 101, 249, 250, 251, 499, 500, 501, 1000,
    12000, 30000, 62000,
};
static const int32_t temperatures_mc[] = {25000, 62000, 62001, 64999, 65000, 67999, 68000, 70999, 71000, 125000, 125001,
                                          -40000, -40001, CP_TEMPERATURE_UNKNOWN, INT32_MAX};

#define PICK(table, index) ((table)[(index) % (sizeof(table) / sizeof((table)[0]))])

static cp_board board_of(uint8_t a, uint8_t b) {
    static const int32_t rated_ma[] = {32000, 16000, 80000, 6000, 63000, 5000};
    return (cp_board){
        .rated_ma = PICK(rated_ma, b),
        .simplified_cap_ma = (a & 1) != 0 ? 10000 : 0,
        .tethered = (a & 2) != 0,
        .has_mirror = (a & 4) == 0,
        .has_residual_test = (a & 8) == 0,
        .has_temperature = (a & 16) == 0,
        .has_disconnect = (a & 32) == 0,
        .has_emergency_stop = (a & 64) == 0,
        .has_ground_monitor = (a & 128) == 0,
    };
}

/* A car that asks for energy, and nothing wrong. */
static void be_good(life *life) {
    cp_inputs *inputs = &life->inputs;
    const uint32_t clear_count = inputs->clear_count;
    *inputs = (cp_inputs){
        .heartbeat_ms = life->now_ms,
        .temperature_ms = life->now_ms,
        .high_mv = 6000,
        .low_mv = -12000,
        .proximity_ohm = 220,
        .offer_ma = 16000,
        .temperature_mc = 25000,
        .clear_count = clear_count,
        .permit = true,
        .available = true,
    };
    life->follows = (follows){true, true, true, true};
}

static void set_flags(life *life, uint8_t value) {
    cp_inputs *inputs = &life->inputs;
    inputs->permit = (value & 1) != 0;
    inputs->available = (value & 2) != 0;
    inputs->disconnect = (value & 4) != 0;
    inputs->emergency_stop = (value & 24) == 24;
    inputs->ground_lost = (value & 96) == 96;
}

static void change(life *life, uint8_t what, uint8_t value) {
    cp_inputs *inputs = &life->inputs;
    switch (what % 13) {
    case 0: be_good(life); break;
    case 1: inputs->high_mv = PICK(levels_mv, value); break;
    case 2: inputs->high_mv = PICK(levels_mv, value) + (value / 32 - 4) * 50; break;
    case 3: inputs->low_mv = -12000 + value * 40; break;
    case 4: inputs->proximity_ohm = PICK(proximities_ohm, value); break;
    case 5: inputs->offer_ma = value * 400; break;
    case 6: inputs->temperature_mc = PICK(temperatures_mc, value); break;
    case 7: set_flags(life, value); break;
    case 8: life->follows = (follows){(value & 1) != 0, (value & 2) != 0, (value & 4) != 0, (value & 8) != 0}; break;
    case 9: inputs->mirror_closed = (value & 1) != 0; break;
    case 10: inputs->residual_trip = (value & 1) != 0; break;
    case 11: inputs->clear_count++; break;
    default: inputs->high_mv = value * 100; break;
    }
}

static void let_follow(life *life) {
    cp_inputs *inputs = &life->inputs;
    if (life->follows.mirror) {
        inputs->mirror_closed = life->outputs.contactor;
    }
    if (life->follows.trip) {
        inputs->residual_trip = life->outputs.residual_test;
    }
    if (life->follows.heartbeat) {
        inputs->heartbeat_ms = life->now_ms;
    }
    if (life->follows.temperature) {
        inputs->temperature_ms = life->now_ms;
    }
}

static void live(life *life, int32_t ms) {
    for (int32_t i = 0; i < ms && life->now_ms < life->end_ms; i++) {
        let_follow(life);
        cp_core_tick(&life->core, life->now_ms, &life->inputs, &life->outputs);
        const char *wrong = cp_oracle_judge(&life->oracle, life->now_ms, &life->inputs, &life->outputs);
        if (wrong != NULL) {
            fprintf(stderr, "at %lld ms: not so: %s\n", (long long)life->now_ms, wrong);
            abort();
        }
        life->now_ms++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const cp_board board = board_of(data[0], data[1]);
    life life = {.inputs = {.heartbeat_ms = CP_LONG_AGO, .temperature_ms = CP_LONG_AGO, .available = true}};
    life.inputs.high_mv = 12000;
    life.inputs.low_mv = 12000;
    life.inputs.proximity_ohm = CP_NO_PLUG_OHM;
    life.now_ms = START_MS;
    life.end_ms = START_MS + (data[1] >= 240 ? LONGEST_MS : SHORT_MS);
    life.follows.trip = true;
    cp_core_init(&life.core, &board, life.now_ms);
    cp_oracle_init(&life.oracle, &board);
    for (size_t i = 2; i + 2 < size; i += 3) {
        change(&life, data[i], data[i + 1]);
        live(&life, PICK(waits_ms, data[i + 2]));
    }
    return 0;
}
