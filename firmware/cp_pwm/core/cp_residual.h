/* Residual current: open at once, stay open, and prove now and then that the device still trips. */
#ifndef CP_RESIDUAL_H
#define CP_RESIDUAL_H

#include "cp_doubt.h"
#include "cp_types.h"

typedef enum { CP_RESIDUAL_IDLE, CP_RESIDUAL_TESTING, CP_RESIDUAL_RELEASING } cp_residual_step;

typedef struct {
    cp_ms step_since_ms;
    cp_ms due_ms;
    cp_ms closed_ms; /* when the contactor last closed */
    cp_doubt doubt;
    cp_residual_step step;
    bool has_test;
    bool passed;      /* the device has tripped under test since boot */
    bool tripped;     /* latched until cleared with the input quiet */
    bool locked;      /* it tripped right after closing: latched until power is cycled */
    bool trip;        /* the input, now */
    bool test_failed; /* latched until power is cycled */
} cp_residual;

void cp_residual_init(cp_residual *residual, bool has_test);

/* Whether the device may be tested: with the contactor open, and in A or for the first time. */
bool cp_residual_may_test(const cp_residual *residual, cp_state state, bool coil);

/* Whether the contactor may close: it is quiet, no test is going on, and the one at boot was passed. */
bool cp_residual_is_ready(const cp_residual *residual);

/* Take in the trip input; idle is whether the device may be tested, closed whether coil or contacts have been closed. */
void cp_residual_tick(cp_residual *residual, cp_ms now_ms, bool trip, bool idle, bool closed);

/* Take note that the contactor has been switched; opening asks for a test. */
void cp_residual_switched(cp_residual *residual, cp_ms now_ms, bool coil);

/* Forget a trip that is over. */
void cp_residual_clear(cp_residual *residual, bool trip);

#endif
