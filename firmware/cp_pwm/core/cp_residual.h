/* Residual current: open at once, stay open, and prove now and then that the device still trips. */
#ifndef CP_RESIDUAL_H
#define CP_RESIDUAL_H

#include "cp_types.h"

typedef enum { CP_RESIDUAL_IDLE, CP_RESIDUAL_TESTING, CP_RESIDUAL_RELEASING } cp_residual_step;

typedef struct {
    cp_ms step_since_ms;
    cp_ms due_ms;
    cp_residual_step step;
    bool has_test;
    bool passed;      /* the device has tripped under test since boot */
    bool tripped;     /* latched until cleared with the input quiet */
    bool test_failed; /* latched until power is cycled */
} cp_residual;

void cp_residual_init(cp_residual *residual, bool has_test);

/* Whether the device may be tested: with the contactor open, and in A or for the first time. */
bool cp_residual_may_test(const cp_residual *residual, cp_state state, bool coil);

/* Whether the contactor may close: no test is going on, and the one at boot was passed. */
bool cp_residual_is_ready(const cp_residual *residual);

/* Take in the trip input; idle is whether the device may be tested. */
void cp_residual_tick(cp_residual *residual, cp_ms now_ms, bool trip, bool idle);

/* Ask for a test: the contactor has just opened. */
void cp_residual_session_over(cp_residual *residual, cp_ms now_ms);

void cp_residual_clear(cp_residual *residual);

#endif
