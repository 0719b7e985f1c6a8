#include "cp_interlock.h"

#define LEFT_C_MS 50
#define PWM_OFF_MS 6000
#define AGAIN_AFTER_C_MS 5000
#define AGAIN_AFTER_REFUSED_MS 30000

void cp_interlock_init(cp_interlock *interlock, cp_ms now_ms) {
    *interlock = (cp_interlock){.switched_ms = now_ms, .not_before_ms = CP_LONG_AGO};
    cp_doubt_init(&interlock->left_c, LEFT_C_MS);
}

static bool must_open(cp_ms now_ms, cp_state state, const cp_conditions *conditions) {
    if (state != CP_C || conditions->faults != 0 || conditions->cable_ma <= 0) {
        return true;
    }
    return conditions->offered_ma == 0 && now_ms >= conditions->offer_changed_ms + PWM_OFF_MS;
}

static bool may_close(
    const cp_interlock *interlock, cp_ms now_ms, const cp_pilot *pilot, const cp_conditions *conditions) {
    const bool car_asks =
        pilot->state == CP_C && pilot->level == CP_C && now_ms - pilot->level_since_ms >= CP_TO_C_MS;
    const bool allowed = conditions->permit && conditions->offered_ma > 0;
    const bool checked = conditions->diode_passed && conditions->cable_ma > 0 && conditions->faults == 0;
    const bool at_rest = !conditions->mirror_closed && conditions->ready;
    return car_asks && allowed && checked && at_rest && now_ms >= interlock->not_before_ms;
}

static void switch_coil(cp_interlock *interlock, cp_ms now_ms, bool coil) {
    interlock->coil = coil;
    interlock->switched_ms = now_ms;
}

void cp_interlock_tick(cp_interlock *interlock, cp_ms now_ms, const cp_pilot *pilot, const cp_conditions *conditions) {
    const bool is_c = pilot->level == CP_C && !conditions->diode_bad;
    const bool left_c = cp_doubt_tick(&interlock->left_c, now_ms, interlock->coil && !is_c);
    const bool refused = pilot->state == CP_D || pilot->state == CP_E || pilot->state == CP_F;
    if (interlock->refused && !refused) {
        interlock->not_before_ms = now_ms + AGAIN_AFTER_REFUSED_MS;
    }
    interlock->refused = refused;
    if (interlock->coil) {
        if (left_c || must_open(now_ms, pilot->state, conditions)) {
            switch_coil(interlock, now_ms, false);
            interlock->not_before_ms = now_ms + AGAIN_AFTER_C_MS;
        }
    } else if (may_close(interlock, now_ms, pilot, conditions)) {
        switch_coil(interlock, now_ms, true);
    }
}
