/* Whether the contactor does what its coil says, by its mirror contact. */
#ifndef CP_MIRROR_H
#define CP_MIRROR_H

#include "cp_types.h"

typedef struct {
    cp_ms wrong_since_ms; /* CP_NEVER while coil and contact agree */
    bool fitted;
    bool welded;     /* locked until power is cycled */
    bool stuck_open; /* latched until cleared */
} cp_mirror;

void cp_mirror_init(cp_mirror *mirror, bool fitted);

/* Take in the contact; coil is what the coil has been since switched_ms. */
void cp_mirror_tick(cp_mirror *mirror, cp_ms now_ms, bool coil, cp_ms switched_ms, bool mirror_closed);

void cp_mirror_clear(cp_mirror *mirror);

#endif
