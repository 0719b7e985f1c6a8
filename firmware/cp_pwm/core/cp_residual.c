#include "cp_residual.h"

#define TEST_EVERY_MS (INT64_C(24) * 3600000)
#define TEST_TRIP_MS 500
#define TEST_RELEASE_MS 1000
#define TRIP_MS 50
#define LOCK_MS 2000

void cp_residual_init(cp_residual *residual, bool has_test) {
    *residual = (cp_residual){.closed_ms = CP_LONG_AGO, .step = CP_RESIDUAL_IDLE, .has_test = has_test};
    cp_doubt_init(&residual->doubt, TRIP_MS);
}

bool cp_residual_may_test(const cp_residual *residual, cp_state state, bool coil) {
    return !coil && (state == CP_A || !residual->passed);
}

bool cp_residual_is_ready(const cp_residual *residual) {
    return residual->step == CP_RESIDUAL_IDLE && !residual->trip && (residual->passed || !residual->has_test);
}

static void enter(cp_residual *residual, cp_residual_step step, cp_ms now_ms) {
    residual->step = step;
    residual->step_since_ms = now_ms;
}

static void take_trip(cp_residual *residual, cp_ms now_ms, bool closed, bool certain) {
    if (closed || certain) {
        residual->tripped = true;
    }
    if (closed && now_ms - residual->closed_ms <= LOCK_MS) {
        residual->locked = true;
    }
}

static bool is_due(const cp_residual *residual, cp_ms now_ms) {
    return residual->has_test && !residual->tripped && !residual->test_failed && now_ms >= residual->due_ms;
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

void cp_residual_tick(cp_residual *residual, cp_ms now_ms, bool trip, bool idle, bool closed) {
    const bool certain = cp_doubt_tick(&residual->doubt, now_ms, trip && residual->step == CP_RESIDUAL_IDLE);
    residual->trip = trip;
    if (residual->step == CP_RESIDUAL_TESTING) {
        tick_testing(residual, now_ms, trip, idle);
    } else if (residual->step == CP_RESIDUAL_RELEASING) {
        tick_releasing(residual, now_ms, trip);
    } else if (trip) {
        take_trip(residual, now_ms, closed, certain);
    } else if (idle && is_due(residual, now_ms)) {
        enter(residual, CP_RESIDUAL_TESTING, now_ms);
    }
}

void cp_residual_switched(cp_residual *residual, cp_ms now_ms, bool coil) {
    if (coil) {
        residual->closed_ms = now_ms;
    } else if (now_ms < residual->due_ms) {
        residual->due_ms = now_ms;
    }
}

void cp_residual_clear(cp_residual *residual, bool trip) {
    residual->tripped = residual->tripped && (trip || residual->locked);
}
