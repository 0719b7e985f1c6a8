/* How much of the current the temperature in the enclosure allows. */
#ifndef CP_DERATING_H
#define CP_DERATING_H

#include "cp_types.h"

typedef struct {
    cp_ms known_ms;
    int32_t rated_ma;
    uint8_t step;
    bool fitted;
    bool unknown; /* there is a sensor and nothing is known from it */
} cp_derating;

void cp_derating_init(cp_derating *derating, bool fitted, int32_t rated_ma);

/* Take in the temperature that was handed in at temperature_ms. */
void cp_derating_tick(cp_derating *derating, cp_ms now_ms, int32_t temperature_mc, cp_ms temperature_ms);

bool cp_derating_is_too_hot(const cp_derating *derating);

/* Most that the temperature allows. */
int32_t cp_derating_ma(const cp_derating *derating);

#endif
