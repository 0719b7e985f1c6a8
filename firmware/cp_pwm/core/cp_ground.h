/* The monitor of the protective earth, where a board has one. */
#ifndef CP_GROUND_H
#define CP_GROUND_H

#include "cp_doubt.h"
#include "cp_types.h"

typedef struct {
    cp_doubt doubt;
    bool fitted;
    bool lost; /* latched until cleared */
} cp_ground;

void cp_ground_init(cp_ground *ground, bool fitted);

void cp_ground_tick(cp_ground *ground, cp_ms now_ms, bool lost);

/* Whether the contactor may close: the monitor finds earth now. */
bool cp_ground_is_ready(const cp_ground *ground);

void cp_ground_clear(cp_ground *ground);

#endif
