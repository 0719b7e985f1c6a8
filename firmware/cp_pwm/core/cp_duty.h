/* From amperes to the duty of the pilot, and when it may change. */
#ifndef CP_DUTY_H
#define CP_DUTY_H

#include "cp_types.h"

typedef struct {
    cp_ms changed_ms;   /* when offered_ma last changed */
    int32_t offered_ma; /* 0 for no PWM */
} cp_duty;

void cp_duty_init(cp_duty *duty);

/* Take in the smallest of all limits, 0 where there must be no PWM. */
void cp_duty_tick(cp_duty *duty, cp_ms now_ms, int32_t wanted_ma);

/* Return the duty that offers current_ma (6 to 80 A), rounded down so that it never offers more. */
int16_t cp_duty_permille(int32_t current_ma);

/* Return what a duty can offer for a request: 0 (no PWM) or 6 to 80 A, never more than asked. */
int32_t cp_duty_clamp_ma(int32_t current_ma);

#endif
