#include "cp_quiet.h"

#include <string.h>

void cp_follow(const cp_follows *follows, cp_ms now_ms, const cp_outputs *outputs, cp_inputs *inputs) {
    if (follows->mirror) {
        inputs->mirror_closed = outputs->contactor;
    }
    if (follows->trip) {
        inputs->residual_trip = outputs->residual_test;
    }
    if (follows->heartbeat) {
        inputs->heartbeat_ms = now_ms;
    }
    if (follows->temperature) {
        inputs->temperature_ms = now_ms;
    }
}

bool cp_same_outputs(const cp_outputs *a, const cp_outputs *b) {
    return a->offered_ma == b->offered_ma && a->cable_ma == b->cable_ma && a->derated_ma == b->derated_ma &&
           a->faults == b->faults && a->locked == b->locked && a->duty_permille == b->duty_permille &&
           a->state == b->state && a->contactor == b->contactor && a->residual_test == b->residual_test &&
           a->disconnected == b->disconnected;
}

static void run_doubt(cp_doubt *doubt, int32_t ms) {
    if (doubt->wrong) {
        doubt->value_ms += ms;
    } else {
        doubt->value_ms = doubt->value_ms > ms ? doubt->value_ms - ms : 0;
    }
    doubt->since_ms += ms;
}

/* What time alone does to the core. */
static void run_clocks(cp_core *core, int32_t ms, cp_ms known_before_ms, cp_ms known_ms) {
    run_doubt(&core->diode.bad, ms);
    run_doubt(&core->residual.doubt, ms);
    run_doubt(&core->ground.doubt, ms);
    run_doubt(&core->interlock.left_c, ms);
    if (core->pilot.hidden) {
        core->pilot.level_since_ms += ms;
    }
    if (core->hides) {
        core->pilot.settled_ms += ms;
    }
    if (core->derating.known_ms == known_before_ms) {
        core->derating.known_ms = known_ms;
    }
}

static cp_inputs inputs_after(const cp_instant *instant, int32_t ms) {
    cp_inputs inputs = instant->inputs;
    cp_follow(&instant->follows, instant->now_ms + ms, &instant->outputs, &inputs);
    return inputs;
}

static bool is_quiet(const cp_instant *instant, int32_t ms) {
    const cp_inputs inputs = inputs_after(instant, ms);
    cp_core expected;
    cp_core core;
    cp_outputs outputs;
    memcpy(&expected, &instant->core, sizeof expected);
    memcpy(&core, &instant->core, sizeof core);
    run_clocks(&expected, ms, instant->inputs.temperature_ms, inputs.temperature_ms);
    cp_core_tick(&core, instant->now_ms + ms, &inputs, &outputs);
    return memcmp(&core, &expected, sizeof core) == 0 && cp_same_outputs(&outputs, &instant->outputs);
}

/* The longest quiet stretch up to most_ms. */
static int32_t quiet_ms(const cp_instant *instant, int32_t most_ms, uint32_t *ticks) {
    int32_t quiet = 0;
    int32_t not_quiet = most_ms + 1;
    for (int32_t ms = most_ms; ms > quiet; ms = quiet + (not_quiet - quiet) / 2) {
        ++*ticks;
        if (is_quiet(instant, ms)) {
            quiet = ms;
        } else {
            not_quiet = ms;
        }
    }
    return quiet;
}

int32_t cp_quiet_pass(cp_instant *instant, int32_t most_ms, uint32_t *ticks) {
    const cp_inputs next = inputs_after(instant, 1);
    if (next.mirror_closed != instant->inputs.mirror_closed || next.residual_trip != instant->inputs.residual_trip) {
        return 0;
    }
    const int32_t ms = quiet_ms(instant, most_ms, ticks);
    if (ms > 0) {
        instant->inputs = inputs_after(instant, ms);
        instant->now_ms += ms;
        cp_core_tick(&instant->core, instant->now_ms, &instant->inputs, &instant->outputs);
        ++*ticks;
    }
    return ms;
}
