/* The contactor's coil: an MCPWM output, so that hardware drops it when the residual-current input trips.
 *
 * The brake needs no instruction of ours and holds until it is released. */
#ifndef CP_CONTACTOR_H
#define CP_CONTACTOR_H

#include <stdatomic.h>

#include "driver/mcpwm_prelude.h"
#include "esp_err.h"

typedef struct {
    mcpwm_oper_handle_t oper;
    mcpwm_gen_handle_t generator;
    mcpwm_fault_handle_t trip;
    _Atomic bool braked;
    bool on;
} cp_contactor;

/* Make the output, low, with a brake on the trip input, on an operator of its own in the pilot's group. */
esp_err_t cp_contactor_init(cp_contactor *contactor, mcpwm_timer_handle_t timer, int gpio, int trip_gpio);

/* Switch the coil. Safe in an interrupt. A brake wins over it. */
void cp_contactor_set(cp_contactor *contactor, bool on);

/* Release the brake once the input is quiet again. For a task; does nothing while nothing has braked. */
void cp_contactor_release(cp_contactor *contactor);

#endif
