#include "cp_state_f.h"

#define LOW_MS 4000
#define LOOK_MS 1000

void cp_state_f_init(cp_state_f *state_f) {
    *state_f = (cp_state_f){.low = false};
}

static void show(cp_state_f *state_f, cp_ms now_ms, bool low) {
    state_f->low = low;
    state_f->since_ms = now_ms;
}

void cp_state_f_tick(cp_state_f *state_f, cp_ms now_ms, bool wanted) {
    if (wanted && !state_f->shown) {
        show(state_f, now_ms, true);
    } else if (!wanted) {
        state_f->low = false;
    } else if (now_ms - state_f->since_ms >= (state_f->low ? LOW_MS : LOOK_MS)) {
        show(state_f, now_ms, !state_f->low);
    }
    state_f->shown = wanted;
}
