/* The emergency-stop button, where a board has one. */
#ifndef CP_EMERGENCY_STOP_H
#define CP_EMERGENCY_STOP_H

#include "cp_types.h"

typedef struct {
    bool fitted;
    bool pressed; /* latched until cleared, or until the car has gone, with the button released */
} cp_emergency_stop;

void cp_emergency_stop_init(cp_emergency_stop *emergency_stop, bool fitted);

void cp_emergency_stop_tick(cp_emergency_stop *emergency_stop, bool stop, cp_state state);

void cp_emergency_stop_clear(cp_emergency_stop *emergency_stop);

#endif
