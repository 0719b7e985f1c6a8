#include "cp_cycle.h"

/* Signs of life and temperatures are counted by the application and dated here, so that no 64-bit instant crosses
 * between cores: with the last turn, since which they were given, so that nothing counts for longer than it may. */
static void take_requests(cp_cycle *cycle) {
    const cp_requests *requests = &cycle->exchange.requests;
    cp_inputs *inputs = &cycle->inputs;
    const uint32_t interpreter = atomic_load(&requests->interpreter_count);
    const uint32_t heartbeat = atomic_load(&requests->heartbeat_count);
    const uint32_t temperature = atomic_load(&requests->temperature_count);
    if (heartbeat != cycle->heartbeat_count) {
        cycle->heartbeat_count = heartbeat;
        inputs->heartbeat_ms = cycle->last_ms;
    }
    if (interpreter != cycle->interpreter_count) {
        cycle->interpreter_count = interpreter;
        inputs->heartbeat_ms = CP_LONG_AGO;
    }
    if (temperature != cycle->temperature_count) {
        cycle->temperature_count = temperature;
        inputs->temperature_mc = atomic_load(&requests->temperature_mc);
        inputs->temperature_ms = cycle->last_ms;
    }
    inputs->offer_ma = atomic_load(&requests->offer_ma);
    inputs->permit = atomic_load(&requests->permit);
    inputs->available = atomic_load(&requests->available);
    inputs->disconnect = atomic_load(&requests->disconnect);
    inputs->clear_count = atomic_load(&requests->clear_count);
}

static void take_measured(cp_cycle *cycle, const cp_measured *measured) {
    cp_inputs *inputs = &cycle->inputs;
    inputs->high_mv = measured->high_mv;
    inputs->low_mv = measured->low_mv;
    inputs->proximity_ohm = measured->proximity_ohm;
    inputs->residual_trip = measured->residual_trip;
    inputs->mirror_closed = measured->mirror_closed;
    inputs->emergency_stop = measured->emergency_stop;
    inputs->ground_lost = measured->ground_lost;
}

static void tell(cp_cycle *cycle, cp_ms now_ms, cp_event_kind kind, int32_t before, int32_t now) {
    if (now != before) {
        cycle->changes++;
        cp_events_put(&cycle->events, now_ms, kind, now);
    }
}

static void tell_changes(cp_cycle *cycle, cp_ms now_ms, const cp_outputs *before) {
    const cp_outputs *now = &cycle->outputs;
    tell(cycle, now_ms, CP_EVENT_STATE, before->state, now->state);
    tell(cycle, now_ms, CP_EVENT_FAULTS, (int32_t)before->faults, (int32_t)now->faults);
    tell(cycle, now_ms, CP_EVENT_OFFERED, before->offered_ma, now->offered_ma);
    tell(cycle, now_ms, CP_EVENT_COIL, before->contactor, now->contactor);
    tell(cycle, now_ms, CP_EVENT_MIRROR, cycle->mirror_closed, cycle->inputs.mirror_closed);
    cycle->mirror_closed = cycle->inputs.mirror_closed;
    /* The duty alone is no change: a pulsed state F would be one every few seconds. */
    if (now->cable_ma != before->cable_ma || now->derated_ma != before->derated_ma || now->locked != before->locked) {
        cycle->changes++;
    }
}

static void report(cp_cycle *cycle, cp_ms now_ms) {
    const cp_outputs *outputs = &cycle->outputs;
    /* The mirror contact follows the coil by some 20 ms; what is about to close is not open. */
    const bool closed = outputs->contactor || (cycle->has_mirror && cycle->inputs.mirror_closed);
    const int32_t words[CP_REPORT_WORDS] = {
        [CP_REPORT_CHANGES] = (int32_t)(cycle->changes & CP_REPORT_MASK),
        [CP_REPORT_STATE] = outputs->state,
        [CP_REPORT_COIL] = outputs->contactor,
        [CP_REPORT_CLOSED] = closed,
        [CP_REPORT_CABLE_MA] = outputs->cable_ma,
        [CP_REPORT_OFFERED_MA] = outputs->offered_ma,
        [CP_REPORT_DERATED_MA] = outputs->derated_ma,
        [CP_REPORT_DUTY] = outputs->duty_permille,
        [CP_REPORT_HIGH_MV] = cycle->inputs.high_mv,
        [CP_REPORT_LOW_MV] = cycle->inputs.low_mv,
        [CP_REPORT_FAULTS] = (int32_t)outputs->faults,
        [CP_REPORT_LOCKED] = (int32_t)outputs->locked,
        [CP_REPORT_UPTIME_MS] = (int32_t)(now_ms & CP_REPORT_MASK),
    };
    cp_exchange_publish(&cycle->exchange, words);
}

void cp_cycle_init(cp_cycle *cycle, const cp_board *board, cp_ms now_ms) {
    *cycle = (cp_cycle){.has_mirror = board->has_mirror, .last_ms = now_ms};
    cp_core_init(&cycle->core, board, now_ms);
    cp_exchange_init(&cycle->exchange);
    cp_events_init(&cycle->events);
    cycle->inputs = (cp_inputs){
        .heartbeat_ms = CP_LONG_AGO,
        .temperature_ms = CP_LONG_AGO,
        .temperature_mc = CP_TEMPERATURE_UNKNOWN,
    };
    cycle->outputs = (cp_outputs){.state = CP_UNKNOWN, .duty_permille = CP_STEADY_HIGH};
    /* Before the first turn nothing is known; a report of zeros would say that no car is there. */
    report(cycle, now_ms);
}

const cp_outputs *cp_cycle_tick(cp_cycle *cycle, cp_ms now_ms, const cp_measured *measured) {
    const cp_outputs before = cycle->outputs;
    take_requests(cycle);
    take_measured(cycle, measured);
    cp_core_tick(&cycle->core, now_ms, &cycle->inputs, &cycle->outputs);
    tell_changes(cycle, now_ms, &before);
    report(cycle, now_ms);
    cycle->last_ms = now_ms;
    return &cycle->outputs;
}
