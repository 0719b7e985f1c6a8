#include "cp_duty.h"

#define MINIMUM_MA 6000
#define MAXIMUM_MA 80000
#define TRAP_LOW_MA 51000
#define TRAP_HIGH_MA 52750
#define RAISE_EVERY_MS 5000

int16_t cp_duty_permille(int32_t current_ma) {
    if (current_ma <= TRAP_LOW_MA) {
        return (int16_t)(current_ma / 60);
    }
    return (int16_t)(current_ma / 250 + 640);
}

int32_t cp_duty_clamp_ma(int32_t current_ma) {
    if (current_ma < MINIMUM_MA) {
        return 0;
    }
    if (current_ma > TRAP_LOW_MA && current_ma < TRAP_HIGH_MA) {
        return TRAP_LOW_MA;
    }
    return current_ma < MAXIMUM_MA ? current_ma : MAXIMUM_MA;
}

void cp_duty_init(cp_duty *duty) {
    *duty = (cp_duty){.changed_ms = CP_LONG_AGO};
}

void cp_duty_tick(cp_duty *duty, cp_ms now_ms, int32_t wanted_ma) {
    const int32_t clamped_ma = cp_duty_clamp_ma(wanted_ma);
    const bool may_rise = now_ms - duty->changed_ms >= RAISE_EVERY_MS;
    if (clamped_ma < duty->offered_ma || (clamped_ma > duty->offered_ma && may_rise)) {
        duty->offered_ma = clamped_ma;
        duty->changed_ms = now_ms;
    }
}
