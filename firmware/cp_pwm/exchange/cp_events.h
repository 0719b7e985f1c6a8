/* What has happened, in order, for an application that polls: a ring with one writer and one reader.
 *
 * A full ring keeps what is in it, oldest first, and counts what it could not take. */
#ifndef CP_EVENTS_H
#define CP_EVENTS_H

#include <stdatomic.h>

#include "cp_types.h"

#define CP_EVENTS_SIZE 64 /* a power of two */

typedef enum {
    CP_EVENT_STATE,     /* value: cp_state */
    CP_EVENT_COIL,      /* value: 0 or 1 */
    CP_EVENT_MIRROR,    /* value: 0 or 1 */
    CP_EVENT_OFFERED,   /* value: mA */
    CP_EVENT_FAULTS,    /* value: CP_FAULT_* that stand from now on */
} cp_event_kind;

typedef struct {
    int32_t uptime_ms; /* modulo 2^30 */
    int32_t kind;
    int32_t value;
} cp_event;

typedef struct {
    cp_event ring[CP_EVENTS_SIZE];
    _Atomic uint32_t written;
    _Atomic uint32_t read;
    _Atomic uint32_t overruns;
} cp_events;

void cp_events_init(cp_events *events);

/* For the safety loop. */
void cp_events_put(cp_events *events, cp_ms now_ms, cp_event_kind kind, int32_t value);

/* For the application: take the oldest; false if there is none. */
bool cp_events_take(cp_events *events, cp_event *event);

/* How many found no room since boot. */
uint32_t cp_events_overruns(const cp_events *events);

#endif
