#include "cp_derating.h"

#define HALF_MC 65000
#define QUARTER_MC 68000
#define STOP_MC 71000
#define RESTORE_MC 62000
#define COLDEST_MC (-40000)
#define HOTTEST_MC 125000
#define UNKNOWN_AFTER_MS 30000

enum { COOL, HALF, QUARTER, STOP };

static uint8_t larger(uint8_t a, uint8_t b) {
    return a > b ? a : b;
}

static uint8_t step_at(int32_t temperature_mc, uint8_t before) {
    if (temperature_mc <= RESTORE_MC) {
        return COOL;
    }
    if (temperature_mc >= STOP_MC) {
        return STOP;
    }
    if (temperature_mc >= QUARTER_MC) {
        return larger(before, QUARTER);
    }
    return temperature_mc >= HALF_MC ? larger(before, HALF) : before;
}

void cp_derating_init(cp_derating *derating, bool fitted, int32_t rated_ma) {
    *derating = (cp_derating){.known_ms = CP_LONG_AGO, .rated_ma = rated_ma, .fitted = fitted, .unknown = true};
}

void cp_derating_tick(cp_derating *derating, cp_ms now_ms, int32_t temperature_mc, cp_ms temperature_ms) {
    if (temperature_mc >= COLDEST_MC && temperature_mc <= HOTTEST_MC) {
        derating->step = step_at(temperature_mc, derating->step);
        derating->known_ms = temperature_ms;
    }
    derating->unknown = now_ms - derating->known_ms > UNKNOWN_AFTER_MS;
}

bool cp_derating_is_too_hot(const cp_derating *derating) {
    return derating->fitted && derating->step == STOP;
}

int32_t cp_derating_ma(const cp_derating *derating) {
    if (!derating->fitted) {
        return derating->rated_ma;
    }
    const uint8_t step = derating->unknown ? larger(derating->step, QUARTER) : derating->step;
    return step == STOP ? 0 : derating->rated_ma >> step;
}
