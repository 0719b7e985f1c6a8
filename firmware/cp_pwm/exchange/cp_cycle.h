/* One turn of the safety loop: what is measured and asked for goes into the core, what it makes is told.
 *
 * The same on every port; a port only measures, drives its outputs, and calls cp_cycle_tick every millisecond. */
#ifndef CP_CYCLE_H
#define CP_CYCLE_H

#include "cp_core.h"
#include "cp_events.h"
#include "cp_exchange.h"

/* What the port has measured in this millisecond. */
typedef struct {
    int32_t high_mv;
    int32_t low_mv;
    int32_t proximity_ohm;
    bool residual_trip;
    bool mirror_closed;
    bool emergency_stop;
    bool ground_lost;
} cp_measured;

typedef struct {
    cp_core core;
    cp_exchange exchange;
    cp_events events;
    cp_outputs outputs;
    cp_inputs inputs;
    cp_ms last_ms; /* when the last turn was */
    uint32_t heartbeat_count;
    uint32_t interpreter_count;
    uint32_t temperature_count;
    uint32_t changes;
    bool mirror_closed;
    bool has_mirror;
} cp_cycle;

/* Begin as after power-on. */
void cp_cycle_init(cp_cycle *cycle, const cp_board *board, cp_ms now_ms);

/* Bring the core to now_ms, which never goes back; return what the outputs are to be. */
const cp_outputs *cp_cycle_tick(cp_cycle *cycle, cp_ms now_ms, const cp_measured *measured);

#endif
