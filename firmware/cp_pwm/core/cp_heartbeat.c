#include "cp_heartbeat.h"

#define LOST_AFTER_MS 2000
#define HELD_MS 5000

void cp_heartbeat_init(cp_heartbeat *heartbeat) {
    *heartbeat = (cp_heartbeat){.back_ms = CP_NEVER};
}

void cp_heartbeat_tick(cp_heartbeat *heartbeat, cp_ms now_ms, cp_ms heartbeat_ms, bool coil) {
    heartbeat->alive = now_ms - heartbeat_ms < LOST_AFTER_MS;
    if (coil && !heartbeat->alive) {
        heartbeat->lost = true;
        heartbeat->back_ms = CP_NEVER;
    } else if (heartbeat->lost && heartbeat->alive && heartbeat->back_ms == CP_NEVER) {
        heartbeat->back_ms = now_ms;
    }
    if (heartbeat->lost && now_ms - heartbeat->back_ms >= HELD_MS) {
        heartbeat->lost = false;
    }
}
