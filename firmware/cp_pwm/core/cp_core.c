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
    cp_interlock_init(&core->interlock, now_ms);
    core->clear_count = 0;
}

/* Clear latched faults; one whose cause still stands is found again in the same tick. */
static void clear_faults(cp_core *core) {
    cp_diode_clear(&core->diode);
    cp_ventilation_clear(&core->ventilation);
    cp_residual_clear(&core->residual);
    cp_mirror_clear(&core->mirror);
}

static void observe(cp_core *core, cp_ms now_ms, const cp_inputs *inputs) {
    const bool coil = core->interlock.coil;
    const bool pwm = core->duty.offered_ma > 0;
    if (inputs->clear_count != core->clear_count) {
        core->clear_count = inputs->clear_count;
        clear_faults(core);
    }
    cp_pilot_tick(&core->pilot, now_ms, inputs->high_mv);
    const cp_state state = core->pilot.state;
    cp_diode_tick(&core->diode, now_ms, inputs->low_mv, core->pilot.level, state, pwm);
    cp_ventilation_tick(&core->ventilation, state);
    const bool may_test = cp_residual_may_test(&core->residual, state, coil);
    cp_residual_tick(&core->residual, now_ms, inputs->residual_trip, may_test);
    cp_proximity_tick(&core->proximity, now_ms, inputs->proximity_ohm, coil);
    cp_heartbeat_tick(&core->heartbeat, now_ms, inputs->heartbeat_ms, coil);
    cp_mirror_tick(&core->mirror, now_ms, coil, core->interlock.switched_ms, inputs->mirror_closed);
}

static uint32_t find_faults(const cp_core *core) {
    return (core->pilot.state == CP_E ? CP_FAULT_PILOT_SHORT : 0) |
           (core->diode.fault ? CP_FAULT_DIODE_MISSING : 0) |
           (core->ventilation.required ? CP_FAULT_VENTILATION_REQUIRED : 0) |
           (core->proximity.rating_ma == CP_SHORT_MA ? CP_FAULT_CABLE_SHORT : 0) |
           (core->residual.tripped ? CP_FAULT_RESIDUAL_CURRENT : 0) |
           (core->residual.test_failed ? CP_FAULT_RESIDUAL_CURRENT_SELF_TEST : 0) |
           (core->mirror.welded ? CP_FAULT_CONTACTOR_WELDED : 0) |
           (core->mirror.stuck_open ? CP_FAULT_CONTACTOR_STUCK_OPEN : 0) |
           (core->heartbeat.lost ? CP_FAULT_HEARTBEAT_LOST : 0);
}

/* The smallest of all limits, 0 where there must be no PWM. */
static int32_t wanted_ma(const cp_core *core, uint32_t faults, const cp_inputs *inputs) {
    const bool has_car = core->pilot.state == CP_B || core->pilot.state == CP_C;
    if (!has_car || faults != 0 || !inputs->permit || !inputs->available) {
        return 0;
    }
    const int32_t cable_ma = cp_proximity_usable_ma(&core->proximity);
    const int32_t limit_ma = smaller(smaller(inputs->offer_ma, core->board.rated_ma), cable_ma);
    if (core->pilot.without_b && core->board.simplified_cap_ma > 0) {
        return smaller(limit_ma, core->board.simplified_cap_ma);
    }
    return limit_ma;
}

/* State F is shown only with coil and contacts open. */
static int16_t duty_to_make(const cp_core *core, const cp_inputs *inputs) {
    if (core->duty.offered_ma > 0) {
        return cp_duty_permille(core->duty.offered_ma);
    }
    const bool hold_high = inputs->available || core->interlock.coil || inputs->mirror_closed;
    return hold_high ? CP_STEADY_HIGH : CP_STEADY_LOW;
}

void cp_core_tick(cp_core *core, cp_ms now_ms, const cp_inputs *inputs, cp_outputs *outputs) {
    const bool coil = core->interlock.coil;
    observe(core, now_ms, inputs);
    const uint32_t faults = find_faults(core);
    cp_duty_tick(&core->duty, now_ms, wanted_ma(core, faults, inputs));
    const cp_conditions conditions = {
        .offer_changed_ms = core->duty.changed_ms,
        .offered_ma = core->duty.offered_ma,
        .cable_ma = cp_proximity_usable_ma(&core->proximity),
        .faults = faults,
        .permit = inputs->permit && inputs->available && core->heartbeat.alive,
        .diode_passed = core->diode.passed,
        .mirror_closed = inputs->mirror_closed,
        .residual_ready = cp_residual_is_ready(&core->residual),
    };
    cp_interlock_tick(&core->interlock, now_ms, &core->pilot, &conditions);
    if (coil && !core->interlock.coil) {
        cp_residual_session_over(&core->residual, now_ms);
    }
    *outputs = (cp_outputs){
        .offered_ma = core->duty.offered_ma,
        .cable_ma = conditions.cable_ma,
        .faults = faults,
        .duty_permille = duty_to_make(core, inputs),
        .state = (uint8_t)core->pilot.state,
        .contactor = core->interlock.coil,
        .residual_test = core->residual.step == CP_RESIDUAL_TESTING,
    };
}
