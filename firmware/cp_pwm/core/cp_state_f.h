/* State F for a charger that is not available, in pulses, so that a car that is unplugged meanwhile is seen. */
#ifndef CP_STATE_F_H
#define CP_STATE_F_H

#include "cp_types.h"

typedef struct {
    cp_ms since_ms;
    bool low; /* -12 V is being shown */
    bool shown;
} cp_state_f;

void cp_state_f_init(cp_state_f *state_f);

/* Take in whether F is to be shown; the first pulse begins at once. */
void cp_state_f_tick(cp_state_f *state_f, cp_ms now_ms, bool wanted);

#endif
