/* The safety loop of ESP32: one turn every millisecond, in the interrupt behind the late sample.
 *
 * A flash write stops every task of both cores for up to hundreds of milliseconds; an interrupt that lies in IRAM runs
 * on. So the turn is in the interrupt (code in IRAM by cp_pwm.lf, data in DRAM), and the task on core 0 starts
 * everything, watches the interrupt, and does what may wait. */
#ifndef CP_SAFETY_H
#define CP_SAFETY_H

#include <stdatomic.h>

#include "cp_contactor.h"
#include "cp_cycle.h"
#include "cp_pilot_pwm.h"
#include "cp_sampling.h"

typedef struct {
    cp_pilot_pwm pwm;
    cp_contactor contactor;
    cp_sampling sampling;
    cp_board board;
    cp_cycle cycle;
    _Atomic uint32_t turns;
    uint32_t turns_seen; /* by the last supervision */
    int missed;          /* supervisions without a turn, in a row */
    _Atomic bool begun; /* the board is known: before, the contactor is open and the pilot steady high */
} cp_safety;

/* The only one of this chip. */
cp_safety *cp_safety_instance(void);

/* Start the task, and with it everything. Returns at once. */
void cp_safety_start(void);

/* Say what the board is, the first time. */
void cp_safety_begin(const cp_board *board);

/* What the task does once, on core 0, so that the interrupt is that core's. */
esp_err_t cp_safety_init(cp_safety *safety);

/* What the task does every CP_SUPERVISE_MS. Opens the contactor and restarts the chip when the turns have stopped. */
void cp_safety_supervise(cp_safety *safety);

#define CP_SUPERVISE_MS 10

#endif
