/* When the contactor closes, and everything that opens it. */
#ifndef CP_INTERLOCK_H
#define CP_INTERLOCK_H

#include "cp_debounce.h"
#include "cp_doubt.h"
#include "cp_types.h"

/* What the other concerns say in this tick. */
typedef struct {
    cp_ms offer_changed_ms; /* since when there has been no PWM, if there is none */
    int32_t offered_ma;     /* 0 for no PWM */
    int32_t cable_ma;       /* 0 for no cable */
    uint32_t faults;     /* those that open at once; all of them end the offer */
    bool permit; /* the app lets the contactor close and is alive */
    bool diode_passed;
    bool diode_bad; /* it is missing now */
    bool mirror_closed;
    bool ready; /* the residual-current device has passed its test at boot, is quiet and not tested; earth is there */
} cp_conditions;

typedef struct {
    cp_doubt left_c;
    cp_ms switched_ms; /* when the coil last changed; boot counts */
    cp_ms not_before_ms;
    bool coil;
    bool refused;
} cp_interlock;

void cp_interlock_init(cp_interlock *interlock, cp_ms now_ms);

void cp_interlock_tick(cp_interlock *interlock, cp_ms now_ms, const cp_pilot *pilot, const cp_conditions *conditions);

#endif
