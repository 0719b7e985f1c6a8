/* What the plug's resistor says about the cable. */
#ifndef CP_PROXIMITY_H
#define CP_PROXIMITY_H

#include "cp_types.h"

/* Stands for a proximity contact shorted to earth: a fault, not the largest cable. */
#define CP_SHORT_MA (-1)

typedef struct {
    cp_ms seen_since_ms;
    int32_t rating_ma; /* what is believed; 0 with no plug */
    int32_t seen_ma;
    bool tethered;
} cp_proximity;

/* tethered_ma is the rating of a fixed cable, 0 for a socket. */
void cp_proximity_init(cp_proximity *proximity, int32_t tethered_ma);

/* Take in the resistance; contactor is whether the coil has been on up to now: then the rating cannot rise. */
void cp_proximity_tick(cp_proximity *proximity, cp_ms now_ms, int32_t ohm, bool contactor);

/* The rating, 0 where there is no usable cable. */
int32_t cp_proximity_usable_ma(const cp_proximity *proximity);

#endif
