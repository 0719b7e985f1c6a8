#include "cp_ground.h"

#define LOST_MS 50

void cp_ground_init(cp_ground *ground, bool fitted) {
    *ground = (cp_ground){.fitted = fitted};
    cp_doubt_init(&ground->doubt, LOST_MS);
}

void cp_ground_tick(cp_ground *ground, cp_ms now_ms, bool lost) {
    if (cp_doubt_tick(&ground->doubt, now_ms, ground->fitted && lost)) {
        ground->lost = true;
    }
}

bool cp_ground_is_ready(const cp_ground *ground) {
    return !ground->doubt.wrong;
}

void cp_ground_clear(cp_ground *ground) {
    ground->lost = false;
}
