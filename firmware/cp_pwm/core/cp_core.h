/* All concerns together: the control pilot and interlock of one charger. */
#ifndef CP_CORE_H
#define CP_CORE_H

#include "cp_debounce.h"
#include "cp_derating.h"
#include "cp_diode.h"
#include "cp_disconnect.h"
#include "cp_duty.h"
#include "cp_emergency_stop.h"
#include "cp_ground.h"
#include "cp_heartbeat.h"
#include "cp_interlock.h"
#include "cp_mirror.h"
#include "cp_proximity.h"
#include "cp_residual.h"
#include "cp_state_f.h"
#include "cp_types.h"
#include "cp_ventilation.h"

typedef struct {
    cp_board board;
    cp_pilot pilot;
    cp_duty duty;
    cp_diode diode;
    cp_ventilation ventilation;
    cp_residual residual;
    cp_proximity proximity;
    cp_heartbeat heartbeat;
    cp_mirror mirror;
    cp_derating derating;
    cp_emergency_stop emergency_stop;
    cp_ground ground;
    cp_interlock interlock;
    cp_state_f state_f;
    cp_disconnect disconnect;
    uint32_t clear_count;
    bool hides; /* the charger shows -12 V, or has taken the pilot away */
} cp_core;

/* Begin as after power-on: contactor open, steady high level, nothing known. */
void cp_core_init(cp_core *core, const cp_board *board, cp_ms now_ms);

/* Bring everything to now_ms, which never goes back. To be called every millisecond. */
void cp_core_tick(cp_core *core, cp_ms now_ms, const cp_inputs *inputs, cp_outputs *outputs);

#endif
