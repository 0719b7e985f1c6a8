#include "cp_diode.h"

#define GOOD_MV (-10000)
#define GOOD_MS 100
#define BAD_MS 50

void cp_diode_init(cp_diode *diode) {
    *diode = (cp_diode){.good_since_ms = CP_NEVER};
    cp_doubt_init(&diode->bad, BAD_MS);
}

void cp_diode_tick(cp_diode *diode, cp_ms now_ms, int32_t low_mv, const cp_pilot *pilot, bool pwm) {
    const cp_state level = pilot->level;
    const cp_state state = pilot->state;
    const bool looking = pwm && (level == CP_B || level == CP_C);
    const bool bad = looking && low_mv > GOOD_MV;
    if (state == CP_A) {
        diode->fault = false;
    }
    if (pilot->hidden || (state != CP_B && state != CP_C && state != CP_UNKNOWN)) {
        diode->passed = false;
    }
    if (cp_doubt_tick(&diode->bad, now_ms, bad)) {
        diode->fault = true;
        diode->passed = false;
    }
    if (!looking || bad) {
        diode->good_since_ms = CP_NEVER;
    } else if (diode->good_since_ms == CP_NEVER) {
        diode->good_since_ms = now_ms;
    }
    if (now_ms - diode->good_since_ms >= GOOD_MS) {
        diode->passed = true;
    }
}

void cp_diode_clear(cp_diode *diode) {
    diode->fault = false;
}
