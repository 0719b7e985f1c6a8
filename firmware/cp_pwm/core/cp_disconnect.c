#include "cp_disconnect.h"

#define MOST_MS 60000

void cp_disconnect_init(cp_disconnect *disconnect) {
    *disconnect = (cp_disconnect){.since_ms = CP_NEVER};
}

void cp_disconnect_tick(cp_disconnect *disconnect, cp_ms now_ms, bool asked, bool harmless) {
    if (asked && !disconnect->asked) {
        disconnect->since_ms = now_ms;
    }
    disconnect->asked = asked;
    disconnect->active = asked && harmless && now_ms - disconnect->since_ms < MOST_MS;
}
