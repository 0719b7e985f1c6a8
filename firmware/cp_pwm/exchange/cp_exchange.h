/* Where the application and the safety loop meet. Neither ever waits for the other.
 *
 * The application asks: every request is one atomic word, taken whole or not at all. The safety loop reports: its words
 * are guarded by a version that is odd while they are being written, and the reader tries again when it has moved.
 * One writer on each side; on ESP32 they run on different cores. */
#ifndef CP_EXCHANGE_H
#define CP_EXCHANGE_H

#include <stdatomic.h>

#include "cp_types.h"

/* Words of the report. Times are ms since boot modulo 2^30, like MicroPython's ticks_ms. */
enum {
    CP_REPORT_CHANGES,    /* another number whenever anything discrete has changed; modulo 2^30 */
    CP_REPORT_STATE,      /* cp_state, debounced */
    CP_REPORT_COIL,       /* 1 while the contactor's coil is on */
    CP_REPORT_CLOSED,     /* 1 while the outlet may be energised: the coil is on, or the mirror contact still closed */
    CP_REPORT_CABLE_MA,   /* rating of the cable; 0 with no plug */
    CP_REPORT_OFFERED_MA, /* what the duty offers; 0 without PWM */
    CP_REPORT_DERATED_MA, /* most that the temperature allows */
    CP_REPORT_DUTY,       /* permille */
    CP_REPORT_HIGH_MV,    /* positive plateau */
    CP_REPORT_LOW_MV,     /* negative plateau */
    CP_REPORT_FAULTS,     /* CP_FAULT_* */
    CP_REPORT_LOCKED,     /* those of them that only a power cycle clears */
    CP_REPORT_UPTIME_MS,
    CP_REPORT_WORDS,
};

#define CP_REPORT_MASK 0x3FFFFFFF

typedef struct {
    _Atomic int32_t offer_ma;
    _Atomic int32_t temperature_mc;      /* CP_TEMPERATURE_UNKNOWN where nothing is known */
    _Atomic uint32_t temperature_count;  /* moves with every temperature handed in */
    _Atomic uint32_t heartbeat_count;    /* moves with every sign of life */
    _Atomic uint32_t interpreter_count;  /* moves when the interpreter begins anew */
    _Atomic uint32_t clear_count;
    _Atomic bool permit;
    _Atomic bool available;
    _Atomic bool disconnect;
} cp_requests;

typedef struct {
    cp_requests requests;
    _Atomic uint32_t version;
    _Atomic int32_t report[CP_REPORT_WORDS];
} cp_exchange;

/* Nothing is asked for; the report is all zero. */
void cp_exchange_init(cp_exchange *exchange);

/* The interpreter begins anew: whatever was asked for before is withdrawn, and nobody is alive. */
void cp_exchange_restart(cp_exchange *exchange);

/* For the safety loop: publish a report. */
void cp_exchange_publish(cp_exchange *exchange, const int32_t words[CP_REPORT_WORDS]);

/* For the application: copy the newest report. */
void cp_exchange_read(const cp_exchange *exchange, int32_t words[CP_REPORT_WORDS]);

#endif
