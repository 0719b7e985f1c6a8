#include "cp_core.h"

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

void cp_core_init(cp_core *core, const cp_board *board, cp_ms now_ms) {
    core->board = *board;
    cp_pilot_init(&core->pilot);
    cp_duty_init(&core->duty);
    cp_diode_init(&core->diode);
    cp_ventilation_init(&core->ventilation);
    cp_residual_init(&core->residual, board->has_residual_test);
    cp_proximity_init(&core->proximity, board->tethered ? board->rated_ma : 0);
    cp_heartbeat_init(&core->heartbeat);
    cp_mirror_init(&core->mirror, board->has_mirror);
    cp_derating_init(&core->derating, board->has_temperature, board->rated_ma);
    cp_emergency_stop_init(&core->emergency_stop, board->has_emergency_stop);
    cp_ground_init(&core->ground, board->has_ground_monitor);
    cp_interlock_init(&core->interlock, now_ms);
    cp_state_f_init(&core->state_f);
    cp_disconnect_init(&core->disconnect);
    core->clear_count = 0;
    core->hides = false;
}

/* Clear latched faults; one whose cause still stands is found again. */
static void clear_faults(cp_core *core, const cp_inputs *inputs) {
    cp_diode_clear(&core->diode);
    cp_ventilation_clear(&core->ventilation);
    cp_residual_clear(&core->residual, inputs->residual_trip);
    cp_mirror_clear(&core->mirror);
    cp_emergency_stop_clear(&core->emergency_stop);
    cp_ground_clear(&core->ground);
}

/* Hand every concern what is measured. */
static void observe(cp_core *core, cp_ms now_ms, const cp_inputs *inputs) {
    const bool coil = core->interlock.coil;
    const bool pwm = core->duty.offered_ma > 0;
    cp_pilot_tick(&core->pilot, now_ms, inputs->high_mv, core->hides);
    const cp_state state = core->pilot.state;
    cp_diode_tick(&core->diode, now_ms, inputs->low_mv, &core->pilot, pwm);
    cp_ventilation_tick(&core->ventilation, state);
    const bool may_test = cp_residual_may_test(&core->residual, state, coil);
    cp_residual_tick(&core->residual, now_ms, inputs->residual_trip, may_test, coil || inputs->mirror_closed);
    cp_proximity_tick(&core->proximity, now_ms, inputs->proximity_ohm, coil);
    cp_heartbeat_tick(&core->heartbeat, now_ms, inputs->heartbeat_ms, coil);
    cp_mirror_tick(&core->mirror, now_ms, coil, core->interlock.switched_ms, inputs->mirror_closed);
    cp_derating_tick(&core->derating, now_ms, inputs->temperature_mc, inputs->temperature_ms);
    cp_emergency_stop_tick(&core->emergency_stop, inputs->emergency_stop, state);
    cp_ground_tick(&core->ground, now_ms, inputs->ground_lost);
}

static uint32_t bit(bool stands, uint32_t fault) {
    return stands ? fault : 0;
}

static uint32_t find_faults(const cp_core *core) {
    const cp_state state = core->pilot.state;
    return bit(state == CP_E || state == CP_F, CP_FAULT_PILOT_SHORT) |
           bit(core->diode.fault, CP_FAULT_DIODE_MISSING) |
           bit(core->ventilation.required, CP_FAULT_VENTILATION_REQUIRED) |
           bit(core->proximity.rating_ma == CP_SHORT_MA, CP_FAULT_CABLE_SHORT) |
           bit(core->residual.tripped, CP_FAULT_RESIDUAL_CURRENT) |
           bit(core->residual.test_failed, CP_FAULT_RESIDUAL_CURRENT_SELF_TEST) |
           bit(core->mirror.welded, CP_FAULT_CONTACTOR_WELDED) |
           bit(core->mirror.stuck_open, CP_FAULT_CONTACTOR_STUCK_OPEN) |
           bit(core->heartbeat.lost, CP_FAULT_HEARTBEAT_LOST) |
           bit(cp_derating_is_too_hot(&core->derating), CP_FAULT_OVER_TEMPERATURE) |
           bit(core->emergency_stop.pressed, CP_FAULT_EMERGENCY_STOP) |
           bit(core->ground.lost, CP_FAULT_GROUND_LOST);
}

/* The faults that stay until power is cycled. */
static uint32_t find_locked(const cp_core *core) {
    return bit(core->residual.locked, CP_FAULT_RESIDUAL_CURRENT) |
           bit(core->residual.test_failed, CP_FAULT_RESIDUAL_CURRENT_SELF_TEST) |
           bit(core->mirror.welded, CP_FAULT_CONTACTOR_WELDED);
}

/* The smallest of all limits, 0 where there must be no PWM. */
static int32_t wanted_ma(const cp_core *core, uint32_t faults, const cp_inputs *inputs) {
    const bool has_car = core->pilot.state == CP_B || core->pilot.state == CP_C;
    if (!has_car || faults != 0 || !inputs->permit || !inputs->available) {
        return 0;
    }
    const int32_t cable_ma = cp_proximity_usable_ma(&core->proximity);
    const int32_t limit_ma = smaller(smaller(inputs->offer_ma, cp_derating_ma(&core->derating)), cable_ma);
    if (core->pilot.without_b && core->board.simplified_cap_ma > 0) {
        return smaller(limit_ma, core->board.simplified_cap_ma);
    }
    return limit_ma;
}

static void decide(cp_core *core, cp_ms now_ms, uint32_t faults, const cp_inputs *inputs) {
    const bool coil = core->interlock.coil;
    cp_duty_tick(&core->duty, now_ms, wanted_ma(core, faults, inputs));
    const cp_conditions conditions = {
        .offer_changed_ms = core->duty.changed_ms,
        .offered_ma = core->duty.offered_ma,
        .cable_ma = cp_proximity_usable_ma(&core->proximity),
        .faults = faults & ~CP_FAULT_OVER_TEMPERATURE,
        .permit = inputs->permit && inputs->available && core->heartbeat.alive,
        .diode_passed = core->diode.passed,
        .diode_bad = core->diode.bad.wrong,
        .mirror_closed = inputs->mirror_closed,
        .ready = cp_residual_is_ready(&core->residual) && cp_ground_is_ready(&core->ground),
    };
    cp_interlock_tick(&core->interlock, now_ms, &core->pilot, &conditions);
    if (coil != core->interlock.coil) {
        cp_residual_switched(&core->residual, now_ms, !coil);
    }
}

/* Show F, or take the pilot away, with coil and contacts open only; return the duty to make. */
static int16_t show(cp_core *core, cp_ms now_ms, const cp_inputs *inputs) {
    const bool open = !core->interlock.coil && !inputs->mirror_closed;
    const bool harmless = open && !inputs->permit && core->heartbeat.alive;
    cp_state_f_tick(&core->state_f, now_ms, open && !inputs->available);
    cp_disconnect_tick(&core->disconnect, now_ms, inputs->disconnect, harmless);
    if (core->duty.offered_ma > 0) {
        core->hides = false;
        return cp_duty_permille(core->duty.offered_ma);
    }
    const bool away = core->disconnect.active;
    const bool low = core->state_f.low || (away && !core->board.has_disconnect);
    core->hides = low || away;
    return low ? CP_STEADY_LOW : CP_STEADY_HIGH;
}

void cp_core_tick(cp_core *core, cp_ms now_ms, const cp_inputs *inputs, cp_outputs *outputs) {
    if (inputs->clear_count != core->clear_count) {
        core->clear_count = inputs->clear_count;
        clear_faults(core, inputs);
    }
    observe(core, now_ms, inputs);
    const uint32_t faults = find_faults(core);
    decide(core, now_ms, faults, inputs);
    const int16_t duty_permille = show(core, now_ms, inputs);
    *outputs = (cp_outputs){
        .offered_ma = core->duty.offered_ma,
        .cable_ma = cp_proximity_usable_ma(&core->proximity),
        .derated_ma = cp_derating_ma(&core->derating),
        .faults = faults,
        .locked = find_locked(core),
        .duty_permille = duty_permille,
        .state = (uint8_t)core->pilot.state,
        .contactor = core->interlock.coil,
        .residual_test = core->residual.step == CP_RESIDUAL_TESTING,
        .disconnected = core->disconnect.active && core->board.has_disconnect,
    };
}
