#include "cp_residual.h"

#define TEST_EVERY_MS (INT64_C(24) * 3600000)
#define TEST_TRIP_MS 500
#define TEST_RELEASE_MS 1000

void cp_residual_init(cp_residual *residual, bool has_test) {
    *residual = (cp_residual){.step = CP_RESIDUAL_IDLE, .has_test = has_test};
}

bool cp_residual_may_test(const cp_residual *residual, cp_state state, bool coil) {
    return !coil && (state == CP_A || !residual->passed);
}

bool cp_residual_is_ready(const cp_residual *residual) {
    return residual->step == CP_RESIDUAL_IDLE && (residual->passed || !residual->has_test);
}

static void enter(cp_residual *residual, cp_residual_step step, cp_ms now_ms) {
    residual->step = step;
    residual->step_since_ms = now_ms;
}

static void tick_idle(cp_residual *residual, cp_ms now_ms, bool trip, bool idle) {
    const bool may_test = residual->has_test && idle && !residual->tripped && !residual->test_failed;
    if (trip) {
        residual->tripped = true;
    } else if (may_test && now_ms >= residual->due_ms) {
        enter(residual, CP_RESIDUAL_TESTING, now_ms);
    }
}

static void tick_testing(cp_residual *residual, cp_ms now_ms, bool trip, bool idle) {
    if (trip) {
        residual->passed = true;
        residual->due_ms = now_ms + TEST_EVERY_MS;
        enter(residual, CP_RESIDUAL_RELEASING, now_ms);
    } else if (!idle) {
        enter(residual, CP_RESIDUAL_RELEASING, now_ms);
    } else if (now_ms - residual->step_since_ms >= TEST_TRIP_MS) {
        residual->test_failed = true;
        enter(residual, CP_RESIDUAL_IDLE, now_ms);
    }
}

static void tick_releasing(cp_residual *residual, cp_ms now_ms, bool trip) {
    if (!trip) {
        enter(residual, CP_RESIDUAL_IDLE, now_ms);
    } else if (now_ms - residual->step_since_ms >= TEST_RELEASE_MS) {
        residual->test_failed = true;
        enter(residual, CP_RESIDUAL_IDLE, now_ms);
    }
}

void cp_residual_tick(cp_residual *residual, cp_ms now_ms, bool trip, bool idle) {
    if (residual->step == CP_RESIDUAL_TESTING) {
        tick_testing(residual, now_ms, trip, idle);
    } else if (residual->step == CP_RESIDUAL_RELEASING) {
        tick_releasing(residual, now_ms, trip);
    } else {
        tick_idle(residual, now_ms, trip, idle);
    }
}

void cp_residual_session_over(cp_residual *residual, cp_ms now_ms) {
    if (now_ms < residual->due_ms) {
        residual->due_ms = now_ms;
    }
}

void cp_residual_clear(cp_residual *residual) {
    residual->tripped = false;
}
