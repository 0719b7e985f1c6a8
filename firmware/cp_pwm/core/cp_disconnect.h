/* Takes the pilot away from the car, so that a car that sleeps wakes up. */
#ifndef CP_DISCONNECT_H
#define CP_DISCONNECT_H

#include "cp_types.h"

typedef struct {
    cp_ms since_ms;
    bool asked;
    bool active; /* the pilot is away */
} cp_disconnect;

void cp_disconnect_init(cp_disconnect *disconnect);

/* Take in what the app asks, and whether the pilot may be away now. */
void cp_disconnect_tick(cp_disconnect *disconnect, cp_ms now_ms, bool asked, bool harmless);

#endif
