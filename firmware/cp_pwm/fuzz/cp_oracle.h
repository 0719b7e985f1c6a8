/* What must hold after every tick, judged from inputs and outputs alone: no rule of the core is used here. */
#ifndef CP_ORACLE_H
#define CP_ORACLE_H

#include "cp_types.h"

typedef struct {
    cp_board board;
    cp_inputs inputs_before;
    cp_outputs before;
    bool begun;
    bool diode_seen;
    bool device_seen;       /* the residual-current device has tripped under test */
    int32_t not_c_ms;       /* on end, certainly not C */
    int32_t wrong_ms;       /* on end, certainly not C or without the diode */
    int32_t flicker_ms;     /* wrong less right, as long as the contactor is closed */
    int32_t c_ms;
    int32_t good_diode_ms;
    int32_t ground_lost_ms;
    int32_t contradicted_ms; /* the mirror contact says otherwise than the coil */
    int32_t no_pwm_ms;      /* closed without an offer */
    int32_t shown_ms;       /* since the charger hides the pilot no more */
    int32_t low_ms;
    int32_t away_ms;
    cp_ms offer_changed_ms;
    cp_ms closed_ms;
    cp_ms opened_ms;
    cp_ms refused_ms;
    cp_ms known_ms; /* when a temperature was last known */
} cp_oracle;

void cp_oracle_init(cp_oracle *oracle, const cp_board *board);

/* Judge a tick, or the end of a stretch of elapsed_ms in which neither inputs nor outputs have changed since the tick
 * before: its bounds only grow tighter with time. Return NULL, or what is wrong. */
const char *cp_oracle_judge(
    cp_oracle *oracle, cp_ms now_ms, int32_t elapsed_ms, const cp_inputs *inputs, const cp_outputs *outputs);

#endif
