/* The pilot's generator: MCPWM timer 0 at 1 MHz with a period of 1000, comparator A is the duty.
 *
 * A soft reset of MicroPython deinitialises every LEDC channel and leaves MCPWM alone. */
#ifndef CP_PILOT_PWM_H
#define CP_PILOT_PWM_H

#include "driver/mcpwm_prelude.h"
#include "esp_err.h"

#define CP_MCPWM_GROUP 0
#define CP_MCPWM_PRIORITY 3 /* of all interrupts of the group: the highest that C code may have */
#define CP_PERIOD_US 1000

typedef struct {
    mcpwm_timer_handle_t timer;
    mcpwm_oper_handle_t oper;
    mcpwm_cmpr_handle_t duty;
    mcpwm_gen_handle_t generator;
    int16_t duty_permille;
} cp_pilot_pwm;

/* Make the timer and the generator, steady high; the timer does not run yet. */
esp_err_t cp_pilot_pwm_init(cp_pilot_pwm *pwm, int gpio);

/* Let the timer run. */
esp_err_t cp_pilot_pwm_start(cp_pilot_pwm *pwm);

/* Take over a duty: 0 steady low, 1000 steady high, else PWM from the next period on. Safe in an interrupt. */
void cp_pilot_pwm_set(cp_pilot_pwm *pwm, int16_t duty_permille);

#endif
