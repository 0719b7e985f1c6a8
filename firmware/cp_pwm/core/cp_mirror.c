#include "cp_mirror.h"

#define IGNORED_MS 1250
#define WRONG_MS 250

void cp_mirror_init(cp_mirror *mirror, bool fitted) {
    *mirror = (cp_mirror){.wrong_since_ms = CP_NEVER, .fitted = fitted};
}

void cp_mirror_tick(cp_mirror *mirror, cp_ms now_ms, bool coil, cp_ms switched_ms, bool mirror_closed) {
    if (!mirror->fitted || coil == mirror_closed) {
        mirror->wrong_since_ms = CP_NEVER;
        return;
    }
    if (mirror->wrong_since_ms == CP_NEVER) {
        mirror->wrong_since_ms = now_ms;
    }
    const cp_ms ignored_until_ms = switched_ms + IGNORED_MS;
    const cp_ms from_ms = mirror->wrong_since_ms > ignored_until_ms ? mirror->wrong_since_ms : ignored_until_ms;
    if (now_ms < from_ms + WRONG_MS) {
        return;
    }
    if (mirror_closed) {
        mirror->welded = true;
    } else {
        mirror->stuck_open = true;
    }
}

void cp_mirror_clear(cp_mirror *mirror) {
    mirror->stuck_open = false;
}
