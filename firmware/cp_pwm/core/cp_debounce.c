#include "cp_debounce.h"

#include "cp_levels.h"

#define TO_A_MS 25
#define OTHERWISE_MS 250
#define SETTLE_MS 25

static cp_ms needed_ms(cp_state level) {
    if (level == CP_A) {
        return TO_A_MS;
    }
    return level == CP_C ? CP_TO_C_MS : OTHERWISE_MS;
}

void cp_pilot_init(cp_pilot *pilot) {
    *pilot = (cp_pilot){.settled_ms = CP_LONG_AGO, .state = CP_UNKNOWN, .level = CP_UNKNOWN};
}

static void believe(cp_pilot *pilot, cp_ms now_ms) {
    const cp_state level = pilot->level;
    if (level == pilot->state || now_ms - pilot->level_since_ms < needed_ms(level)) {
        return;
    }
    if (level != CP_C) {
        pilot->without_b = false;
    } else if (pilot->state == CP_A) {
        pilot->without_b = true;
    }
    pilot->state = level;
}

void cp_pilot_tick(cp_pilot *pilot, cp_ms now_ms, int32_t high_mv, bool made) {
    if (made) {
        pilot->settled_ms = now_ms + SETTLE_MS;
    }
    if (now_ms < pilot->settled_ms) {
        pilot->hidden = true;
        pilot->level_since_ms = now_ms;
        return;
    }
    const cp_state level = cp_classify(high_mv, pilot->level);
    if (level != pilot->level || pilot->hidden) {
        pilot->hidden = false;
        pilot->level = level;
        pilot->level_since_ms = now_ms;
    }
    believe(pilot, now_ms);
}
