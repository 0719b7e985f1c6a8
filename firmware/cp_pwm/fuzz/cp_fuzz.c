/* A coverage-guided fuzzer of the core: bytes become a life of the charger, the oracle judges every millisecond of it.
 *
 * Two bytes describe the board; then every three bytes are a change of the inputs and the time until the next. Stretches
 * in which nothing happens are passed at once; with CP_FUZZ_COMPARE in the environment, a life is also lived
 * millisecond by millisecond, and must be the same: that is for a corpus that is there. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "cp_core.h"
#include "cp_oracle.h"
#include "cp_quiet.h"

#define START_MS 1000
#define LONGEST_MS (3 * 86400000)
#define COMPARED_MS 9000
#define MOST_TICKS 4000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    cp_instant now;
    cp_oracle oracle;
    cp_ms end_ms;
    uint32_t ticks;
    uint64_t digest; /* of every output and when it came */
    bool every_ms;
} life;

static const int32_t levels_mv[] = {
    12000, 9000, 6000, 3000, 0, -12000, 10500, 7500, 4500, 1500, -6000, 30000, 7100, 7101, 7300, 7301,
    4900, 4899, 4700, 4699, 7900, 7899, 10100, 10101, 10900, 10899, 1900, 4100, 4101, 1100, -1100, -30000,
};
static const int32_t proximities_ohm[] = {220, 100, 680, 1500, CP_NO_PLUG_OHM, 0, 74,
                                          75, 150, 330, 1000, 2200, 2201, -1};
static const int32_t offers_ma[] = {16000, 6000,  5999,  0,     -1,    32000, 51000,    51001,
                                    51500, 52749, 52750, 80000, 80001, 13000, INT32_MAX};
static const int32_t waits_ms[] = {
    1, 1, 2, 5, 10, 24, 25, 26, 49, 50, 51, 99, 100, 101, 249, 250, 251, 499, 500, 501, 1000, 1249, 1250, 1500, 2000,
    2001, 4000, 5000, 6000, 1, 1, 2, 5, 10, 24, 25, 26, 49, 50, 51, 99, 100, 101, 249, 250, 251, 499, 500, 501, 1000,
    12000, 30000, 62000, 3600000, 86400000,
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
    cp_inputs *inputs = &life->now.inputs;
    const uint32_t clear_count = inputs->clear_count;
    *inputs = (cp_inputs){
        .heartbeat_ms = life->now.now_ms,
        .temperature_ms = life->now.now_ms,
        .high_mv = 6000,
        .low_mv = -12000,
        .proximity_ohm = 220,
        .offer_ma = 16000,
        .temperature_mc = 25000,
        .clear_count = clear_count,
        .permit = true,
        .available = true,
    };
    life->now.follows = (cp_follows){true, true, true, true};
}

static void set_flags(life *life, uint8_t value) {
    cp_inputs *inputs = &life->now.inputs;
    inputs->permit = (value & 1) != 0;
    inputs->available = (value & 2) != 0;
    inputs->disconnect = (value & 4) != 0;
    inputs->emergency_stop = (value & 24) == 24;
    inputs->ground_lost = (value & 96) == 96;
}

static void change(life *life, uint8_t what, uint8_t value) {
    cp_inputs *inputs = &life->now.inputs;
    switch (what % 13) {
    case 0: be_good(life); break;
    case 1: inputs->high_mv = PICK(levels_mv, value); break;
    case 2: inputs->high_mv = PICK(levels_mv, value) + (value / 32 - 4) * 50; break;
    case 3: inputs->low_mv = -12000 + value * 40; break;
    case 4: inputs->proximity_ohm = PICK(proximities_ohm, value); break;
    case 5: inputs->offer_ma = value < 128 ? PICK(offers_ma, value) : (value - 128) * 800; break;
    case 6: inputs->temperature_mc = PICK(temperatures_mc, value); break;
    case 7: set_flags(life, value); break;
    case 8: life->now.follows = (cp_follows){(value & 1) != 0, (value & 2) != 0, (value & 4) != 0, (value & 8) != 0}; break;
    case 9: inputs->mirror_closed = (value & 1) != 0; break;
    case 10: inputs->residual_trip = (value & 1) != 0; break;
    case 11: inputs->clear_count++; break;
    default: inputs->high_mv = value * 100; break;
    }
}

static void judge(life *life, int32_t elapsed_ms) {
    const cp_instant *now = &life->now;
    const char *wrong = cp_oracle_judge(&life->oracle, now->now_ms, elapsed_ms, &now->inputs, &now->outputs);
    if (wrong != NULL) {
        fprintf(stderr, "at %lld ms: not so: %s\n", (long long)now->now_ms, wrong);
        abort();
    }
}

static void digest(life *life, int64_t value) {
    life->digest = (life->digest ^ (uint64_t)value) * UINT64_C(1099511628211);
}

static void note(life *life) {
    const cp_outputs *outputs = &life->now.outputs;
    const uint32_t flags = outputs->contactor + 2U * outputs->residual_test + 4U * outputs->disconnected;
    digest(life, life->now.now_ms);
    digest(life, outputs->offered_ma);
    digest(life, outputs->cable_ma);
    digest(life, outputs->derated_ma);
    digest(life, outputs->faults);
    digest(life, outputs->locked);
    digest(life, outputs->duty_permille);
    digest(life, outputs->state);
    digest(life, flags);
}

static void tick(life *life) {
    cp_instant *now = &life->now;
    const cp_outputs before = now->outputs;
    now->now_ms++;
    cp_follow(&now->follows, now->now_ms, &now->outputs, &now->inputs);
    cp_core_tick(&now->core, now->now_ms, &now->inputs, &now->outputs);
    life->ticks++;
    judge(life, 1);
    if (!cp_same_outputs(&before, &now->outputs)) {
        note(life);
    }
}

static void live(life *life, int32_t ms) {
    const cp_ms last_ms = life->end_ms - life->now.now_ms;
    int32_t rest_ms = ms < last_ms ? ms : (int32_t)last_ms;
    while (rest_ms > 0 && (life->every_ms || life->ticks < MOST_TICKS)) {
        tick(life);
        rest_ms--;
        const int32_t passed_ms = life->every_ms ? 0 : cp_quiet_pass(&life->now, rest_ms, &life->ticks);
        if (passed_ms > 0) {
            judge(life, passed_ms);
            rest_ms -= passed_ms;
        }
    }
}

/* Live as the bytes say, from START_MS to end_ms at the latest. */
static life live_all(const uint8_t *data, size_t size, cp_ms end_ms, bool every_ms) {
    const cp_board board = board_of(data[0], data[1]);
    life life = {.end_ms = end_ms, .digest = UINT64_C(14695981039346656037), .every_ms = every_ms};
    life.now.inputs = (cp_inputs){
        .heartbeat_ms = CP_LONG_AGO,
        .temperature_ms = CP_LONG_AGO,
        .high_mv = 12000,
        .low_mv = 12000,
        .proximity_ohm = CP_NO_PLUG_OHM,
        .available = true,
    };
    life.now.now_ms = START_MS;
    life.now.follows.trip = true;
    cp_core_init(&life.now.core, &board, START_MS);
    cp_oracle_init(&life.oracle, &board);
    for (size_t i = 2; i + 2 < size; i += 3) {
        change(&life, data[i], data[i + 1]);
        live(&life, PICK(waits_ms, data[i + 2]));
    }
    return life;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    if (getenv("CP_FUZZ_COMPARE") == NULL) {
        live_all(data, size, START_MS + LONGEST_MS, false);
        return 0;
    }
    const life passing = live_all(data, size, START_MS + COMPARED_MS, false);
    const life ticking = live_all(data, size, START_MS + COMPARED_MS, true);
    if (passing.ticks < MOST_TICKS && passing.digest != ticking.digest) {
        fprintf(stderr, "not the same when lived millisecond by millisecond\n");
        abort();
    }
    return 0;
}
