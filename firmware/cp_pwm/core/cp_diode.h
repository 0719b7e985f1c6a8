/* Whether the car's pilot has its diode. */
#ifndef CP_DIODE_H
#define CP_DIODE_H

#include "cp_debounce.h"
#include "cp_doubt.h"
#include "cp_types.h"

typedef struct {
    cp_doubt bad;
    cp_ms good_since_ms; /* CP_NEVER while it is not good */
    bool passed;         /* it has been seen since the car came */
    bool fault;          /* it is missing: latched until the car has gone or somebody clears it */
} cp_diode;

void cp_diode_init(cp_diode *diode);

/* Take in the negative plateau; pwm is whether there has been PWM up to now. */
void cp_diode_tick(cp_diode *diode, cp_ms now_ms, int32_t low_mv, const cp_pilot *pilot, bool pwm);

void cp_diode_clear(cp_diode *diode);

#endif
