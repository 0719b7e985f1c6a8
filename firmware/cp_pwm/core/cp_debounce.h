/* From levels to states: how long a level must stand before it is believed. */
#ifndef CP_DEBOUNCE_H
#define CP_DEBOUNCE_H

#include "cp_types.h"

#define CP_TO_C_MS 500

typedef struct {
    cp_ms settled_ms;     /* from when on the plateau is the car's, not the charger's own doing */
    cp_ms level_since_ms; /* since when the plateau has meant level without a break */
    cp_state state;       /* debounced */
    cp_state level;       /* what the plateau means right now */
    bool without_b;       /* the car went from A to C without showing B */
    bool hidden;          /* the plateau is the charger's own doing: the state is the last that was seen */
} cp_pilot;

void cp_pilot_init(cp_pilot *pilot);

/* Take in the plateau; made: the charger has shown -12 V or taken the pilot away up to now. */
void cp_pilot_tick(cp_pilot *pilot, cp_ms now_ms, int32_t high_mv, bool made);

#endif
