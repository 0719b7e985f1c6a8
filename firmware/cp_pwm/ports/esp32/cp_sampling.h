/* ADC1 and when it is read: the pilot's positive plateau 50 us into the period, its negative one late in it.
 *
 * All conversions are started from one interrupt, so none can disturb another; machine.ADC finds the unit taken. */
#ifndef CP_SAMPLING_H
#define CP_SAMPLING_H

#include "cp_pilot_pwm.h"
#include "cp_scale.h"
#include "esp_adc/adc_cali.h"
#include "esp_adc/adc_oneshot.h"

#define CP_EARLY_US 50       /* SmartEVSE */
#define CP_PROXIMITY_EVERY 8 /* periods */

typedef struct {
    adc_oneshot_unit_handle_t unit;
    adc_channel_t pilot;
    adc_channel_t proximity;
    mcpwm_cmpr_handle_t early;
    mcpwm_cmpr_handle_t late;
    cp_scale scale;
    uint32_t late_us;
    uint32_t period;
    int32_t high_raw;
    int32_t low_raw;
    int32_t proximity_raw;
    void (*on_period)(void *context);
    void *context;
} cp_sampling;

/* Take ADC1, read its calibration, and arrange for on_period to be called in the interrupt after the late sample of
 * every period. The early comparator is the pilot operator's spare one, the late one belongs to late_oper. */
esp_err_t cp_sampling_init(
    cp_sampling *sampling, mcpwm_oper_handle_t early_oper, mcpwm_oper_handle_t late_oper, int pilot_gpio,
    int proximity_gpio, void (*on_period)(void *context), void *context);

/* Look at the negative plateau when it is there. Safe in an interrupt. */
void cp_sampling_follow_duty(cp_sampling *sampling, int16_t duty_permille);

#endif
