#include "cp_levels.h"

#define ENTER_MV 1100
#define STAY_MV 1300

static const int32_t nominal_mv[] = {
    [CP_A] = 12000, [CP_B] = 9000, [CP_C] = 6000, [CP_D] = 3000, [CP_E] = 0, [CP_F] = -12000,
};

static bool is_near(int32_t high_mv, cp_state state, int32_t distance_mv) {
    return high_mv >= nominal_mv[state] - distance_mv && high_mv <= nominal_mv[state] + distance_mv;
}

cp_state cp_classify(int32_t high_mv, cp_state before) {
    if (before != CP_UNKNOWN && is_near(high_mv, before, STAY_MV)) {
        return before;
    }
    for (cp_state state = CP_A; state < CP_UNKNOWN; state++) {
        if (is_near(high_mv, state, ENTER_MV)) {
            return state;
        }
    }
    return CP_UNKNOWN;
}
