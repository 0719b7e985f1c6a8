#include "cp_oracle.h"

#include <stddef.h>

#define FAR_MS 1000000000
#define MUST(condition)                                                                                                \
    if (!(condition)) {                                                                                                \
        return #condition;                                                                                             \
    }

void cp_oracle_init(cp_oracle *oracle, const cp_board *board) {
    *oracle = (cp_oracle){
        .board = *board,
        .shown_ms = FAR_MS,
        .offer_changed_ms = -FAR_MS,
        .closed_ms = -FAR_MS,
        .opened_ms = -FAR_MS,
        .refused_ms = -FAR_MS,
        .known_ms = -FAR_MS,
    };
}

static bool is_within(int32_t value, int32_t nominal, int32_t distance) {
    return (int64_t)value >= nominal - distance && (int64_t)value <= nominal + distance;
}

static int32_t counted(int32_t ms, int32_t elapsed_ms, bool goes_on) {
    return goes_on ? ms + elapsed_ms : 0;
}

static int32_t at_least_0(int32_t ms) {
    return ms > 0 ? ms : 0;
}

static bool is_plausible(int32_t temperature_mc) {
    return temperature_mc >= -40000 && temperature_mc <= 125000;
}

static bool is_refused(uint8_t state) {
    return state == CP_D || state == CP_E || state == CP_F;
}

static bool ground_is_lost(const cp_oracle *oracle, const cp_inputs *inputs) {
    return inputs->ground_lost && oracle->board.has_ground_monitor;
}

static bool is_hidden(const cp_oracle *oracle) {
    return oracle->shown_ms < 25;
}

/* Table A.8 of IEC 61851-1, as a car reads it. */
static int32_t car_reads_ma(int32_t permille) {
    return permille <= 850 ? permille * 60 : (permille - 640) * 250;
}

static void count(
    cp_oracle *oracle, cp_ms now_ms, int32_t elapsed_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    const cp_outputs *before = &oracle->before;
    const bool pwm = oracle->begun && before->offered_ma > 0;
    const bool hid = oracle->begun && (before->duty_permille == 0 || before->disconnected);
    const bool c = is_within(inputs->high_mv, 6000, 1300);
    const bool bad = inputs->low_mv > -10000;
    oracle->shown_ms = hid ? 0 : oracle->shown_ms < FAR_MS ? oracle->shown_ms + elapsed_ms : FAR_MS;
    const bool right = c && !(bad && pwm);
    oracle->not_c_ms = counted(oracle->not_c_ms, elapsed_ms, !c);
    oracle->wrong_ms = counted(oracle->wrong_ms, elapsed_ms, !right);
    oracle->flicker_ms = !outputs->contactor ? 0 : at_least_0(oracle->flicker_ms + (right ? -elapsed_ms : elapsed_ms));
    oracle->c_ms = counted(oracle->c_ms, elapsed_ms, c && !is_hidden(oracle));
    oracle->good_diode_ms = counted(oracle->good_diode_ms, elapsed_ms, !bad && pwm);
    oracle->ground_lost_ms = counted(oracle->ground_lost_ms, elapsed_ms, ground_is_lost(oracle, inputs));
    const bool switched = outputs->contactor != before->contactor;
    const bool contradicted = oracle->board.has_mirror && inputs->mirror_closed != before->contactor;
    oracle->contradicted_ms = counted(oracle->contradicted_ms, elapsed_ms, contradicted && !switched);
    oracle->no_pwm_ms = counted(oracle->no_pwm_ms, elapsed_ms, outputs->contactor && outputs->offered_ma == 0);
    oracle->low_ms = counted(oracle->low_ms, elapsed_ms, outputs->duty_permille == 0 && !inputs->disconnect);
    oracle->away_ms = counted(oracle->away_ms, elapsed_ms, outputs->disconnected);
    oracle->device_seen = oracle->device_seen || (oracle->begun && before->residual_test && inputs->residual_trip);
    if (outputs->state == CP_A || is_refused(outputs->state) || is_hidden(oracle)) {
        oracle->diode_seen = false;
    } else if (oracle->good_diode_ms >= 100) {
        oracle->diode_seen = true;
    }
    if (is_plausible(inputs->temperature_mc)) {
        oracle->known_ms = inputs->temperature_ms;
    }
    if (oracle->begun && is_refused(before->state) && !is_refused(outputs->state)) {
        oracle->refused_ms = now_ms;
    }
}

/* With the contactor closed. */
static const char *judge_closed(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    MUST(outputs->state == CP_C)
    MUST((outputs->faults & ~CP_FAULT_OVER_TEMPERATURE) == 0)
    MUST(outputs->cable_ma > 0)
    MUST(!inputs->residual_trip)
    MUST(!(inputs->emergency_stop && oracle->board.has_emergency_stop))
    MUST(!outputs->residual_test)
    MUST(!outputs->disconnected)
    MUST(outputs->duty_permille != 0)
    MUST(now_ms - inputs->heartbeat_ms < 2000)
    MUST(oracle->not_c_ms <= 50)
    MUST(oracle->wrong_ms <= 51)
    MUST(oracle->flicker_ms <= 51)
    MUST(oracle->ground_lost_ms <= 51)
    MUST(oracle->no_pwm_ms <= 6000)
    return NULL;
}

/* In the tick that closes it. */
static const char *judge_closing(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    MUST(inputs->permit && inputs->available)
    MUST(outputs->offered_ma > 0)
    MUST(!inputs->mirror_closed)
    MUST(oracle->c_ms > 500)
    MUST(oracle->diode_seen)
    MUST(oracle->device_seen || !oracle->board.has_residual_test)
    MUST(!ground_is_lost(oracle, inputs))
    MUST(now_ms - oracle->opened_ms >= 5000)
    MUST(now_ms - oracle->refused_ms >= 30000)
    return NULL;
}

static const char *judge_offer(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    const int32_t offered_ma = outputs->offered_ma;
    if (offered_ma == 0) {
        MUST(outputs->duty_permille == 0 || outputs->duty_permille == 1000)
    } else {
        const int32_t read_ma = car_reads_ma(outputs->duty_permille);
        MUST(offered_ma >= 6000 && offered_ma <= 80000)
        MUST(outputs->duty_permille >= 100 && outputs->duty_permille <= 960)
        MUST(read_ma <= offered_ma && read_ma > offered_ma - 250)
        MUST(offered_ma <= inputs->offer_ma && offered_ma <= oracle->board.rated_ma)
        MUST(offered_ma <= outputs->cable_ma && offered_ma <= outputs->derated_ma)
        MUST(outputs->state == CP_B || outputs->state == CP_C)
        MUST(inputs->permit && inputs->available)
        MUST(outputs->faults == 0)
    }
    MUST(offered_ma <= oracle->before.offered_ma || now_ms - oracle->offer_changed_ms >= 5000)
    return NULL;
}

static const char *judge_temperature(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    const int32_t rated_ma = oracle->board.rated_ma;
    if (!oracle->board.has_temperature) {
        MUST(outputs->derated_ma == rated_ma)
        return NULL;
    }
    const int32_t temperature_mc = inputs->temperature_mc;
    const bool known = now_ms - oracle->known_ms <= 30000;
    MUST(known || outputs->derated_ma <= rated_ma / 4)
    if (is_plausible(temperature_mc)) {
        MUST(temperature_mc < 71000 || outputs->derated_ma == 0)
        MUST(temperature_mc < 68000 || outputs->derated_ma <= rated_ma / 4)
        MUST(temperature_mc < 65000 || outputs->derated_ma <= rated_ma / 2)
        MUST(temperature_mc > 62000 || !known || outputs->derated_ma == rated_ma)
    }
    MUST((outputs->faults & CP_FAULT_OVER_TEMPERATURE) == 0 || outputs->derated_ma == 0)
    return NULL;
}

/* State F and the disconnect: harmless, short, and not taken for the car's doing. */
static const char *judge_hiding(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    const bool alive = now_ms - inputs->heartbeat_ms < 2000;
    const bool asked = inputs->disconnect && !inputs->permit && alive;
    MUST(oracle->low_ms <= 4000)
    MUST(oracle->away_ms <= 60000)
    MUST(!is_hidden(oracle) || outputs->state == oracle->before.state)
    if (outputs->duty_permille == 0 || outputs->disconnected) {
        MUST(!outputs->contactor && !inputs->mirror_closed)
    }
    MUST(!outputs->disconnected || (asked && oracle->board.has_disconnect))
    MUST(outputs->duty_permille != 0 || !inputs->available || (asked && !oracle->board.has_disconnect))
    return NULL;
}

static const char *judge_latches(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    const cp_outputs *before = &oracle->before;
    const uint32_t gone = before->faults & ~outputs->faults;
    const bool asked = inputs->clear_count != oracle->inputs_before.clear_count;
    if (oracle->contradicted_ms > 1501) {
        MUST((outputs->faults & (CP_FAULT_CONTACTOR_WELDED | CP_FAULT_CONTACTOR_STUCK_OPEN)) != 0)
        MUST(!inputs->mirror_closed || (outputs->locked & CP_FAULT_CONTACTOR_WELDED) != 0)
    }
    MUST((before->locked & ~outputs->locked) == 0)
    MUST((outputs->locked & ~outputs->faults) == 0)
    MUST(asked || (gone & (CP_FAULT_RESIDUAL_CURRENT | CP_FAULT_CONTACTOR_STUCK_OPEN | CP_FAULT_GROUND_LOST)) == 0)
    if (!asked && outputs->state != CP_A) {
        MUST((gone & (CP_FAULT_DIODE_MISSING | CP_FAULT_VENTILATION_REQUIRED | CP_FAULT_EMERGENCY_STOP)) == 0)
    }
    MUST((gone & CP_FAULT_EMERGENCY_STOP) == 0 || !inputs->emergency_stop)
    MUST((gone & CP_FAULT_RESIDUAL_CURRENT) == 0 || !inputs->residual_trip)
    if (before->contactor && inputs->residual_trip) {
        MUST((outputs->faults & CP_FAULT_RESIDUAL_CURRENT) != 0)
        MUST(now_ms - oracle->closed_ms > 2000 || (outputs->locked & CP_FAULT_RESIDUAL_CURRENT) != 0)
    }
    MUST(!(outputs->residual_test && outputs->contactor))
    MUST(!before->contactor || !outputs->contactor || outputs->cable_ma <= before->cable_ma)
    return NULL;
}

static const char *judge(const cp_oracle *oracle, cp_ms now_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    const char *wrong = NULL;
    if (outputs->contactor) {
        wrong = judge_closed(oracle, now_ms, inputs, outputs);
    }
    if (wrong == NULL && outputs->contactor && !oracle->before.contactor) {
        wrong = judge_closing(oracle, now_ms, inputs, outputs);
    }
    if (wrong == NULL) {
        wrong = judge_offer(oracle, now_ms, inputs, outputs);
    }
    if (wrong == NULL) {
        wrong = judge_temperature(oracle, now_ms, inputs, outputs);
    }
    if (wrong == NULL) {
        wrong = judge_hiding(oracle, now_ms, inputs, outputs);
    }
    if (wrong == NULL && oracle->begun) {
        wrong = judge_latches(oracle, now_ms, inputs, outputs);
    }
    return wrong;
}

const char *cp_oracle_judge(
    cp_oracle *oracle, cp_ms now_ms, int32_t elapsed_ms, const cp_inputs *inputs, const cp_outputs *outputs) {
    count(oracle, now_ms, elapsed_ms, inputs, outputs);
    const char *wrong = judge(oracle, now_ms, inputs, outputs);
    if (outputs->offered_ma != oracle->before.offered_ma) {
        oracle->offer_changed_ms = now_ms;
    }
    if (outputs->contactor && !oracle->before.contactor) {
        oracle->closed_ms = now_ms;
    } else if (!outputs->contactor && oracle->before.contactor) {
        oracle->opened_ms = now_ms;
    }
    oracle->inputs_before = *inputs;
    oracle->before = *outputs;
    oracle->begun = true;
    return wrong;
}
