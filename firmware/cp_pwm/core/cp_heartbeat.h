/* Whether the app is alive: closing needs it, and silence with the contactor closed opens it. */
#ifndef CP_HEARTBEAT_H
#define CP_HEARTBEAT_H

#include "cp_types.h"

typedef struct {
    cp_ms back_ms; /* when the app came back after it was lost, CP_NEVER if it has not */
    bool alive;    /* there was a sign of life within the last two seconds */
    bool lost;     /* the app fell silent with the contactor closed */
} cp_heartbeat;

void cp_heartbeat_init(cp_heartbeat *heartbeat);

/* Take in the instant of the last sign of life; coil is whether the contactor has been on up to now. */
void cp_heartbeat_tick(cp_heartbeat *heartbeat, cp_ms now_ms, cp_ms heartbeat_ms, bool coil);

#endif
