#include "cp_sampling.h"

#include "esp_adc/adc_cali_scheme.h"
#include "esp_attr.h"
#include "esp_check.h"
#include "esp_private/adc_private.h" /* adc_oneshot_read_isr */

#define ATTENUATION ADC_ATTEN_DB_12
#define DEFAULT_REFERENCE_MV 1100 /* for chips without one in their eFuses */

static const char *const TAG = "cp_sampling";

static int32_t IRAM_ATTR convert(cp_sampling *sampling, adc_channel_t channel) {
    int raw = CP_NO_RAW;
    if (adc_oneshot_read_isr(sampling->unit, channel, &raw) != ESP_OK || raw < 0 || raw > 4095) {
        return CP_NO_RAW;
    }
    return raw;
}

static bool IRAM_ATTR on_early(mcpwm_cmpr_handle_t comparator, const mcpwm_compare_event_data_t *data, void *context) {
    (void)comparator;
    (void)data;
    cp_sampling *sampling = context;
    sampling->high_raw = convert(sampling, sampling->pilot);
    return false;
}

static bool IRAM_ATTR on_late(mcpwm_cmpr_handle_t comparator, const mcpwm_compare_event_data_t *data, void *context) {
    (void)comparator;
    (void)data;
    cp_sampling *sampling = context;
    sampling->low_raw = convert(sampling, sampling->pilot);
    if (sampling->period++ % CP_PROXIMITY_EVERY == 0) {
        sampling->proximity_raw = convert(sampling, sampling->proximity);
    }
    sampling->on_period(sampling->context);
    /* What has not been converted by the next time was not measured. */
    sampling->high_raw = CP_NO_RAW;
    return false;
}

static esp_err_t init_channel(cp_sampling *sampling, int gpio, adc_channel_t *channel) {
    const adc_oneshot_chan_cfg_t config = {.atten = ATTENUATION, .bitwidth = ADC_BITWIDTH_12};
    adc_unit_t unit;
    ESP_RETURN_ON_ERROR(adc_oneshot_io_to_channel(gpio, &unit, channel), TAG, "GPIO%d", gpio);
    ESP_RETURN_ON_FALSE(unit == ADC_UNIT_1, ESP_ERR_INVALID_ARG, TAG, "GPIO%d is not on ADC1", gpio);
    return adc_oneshot_config_channel(sampling->unit, *channel, &config);
}

/* The calibration as a table, because its own function may lie in flash. */
static esp_err_t init_scale(cp_scale *scale) {
    const adc_cali_line_fitting_config_t config = {
        .unit_id = ADC_UNIT_1,
        .atten = ATTENUATION,
        .bitwidth = ADC_BITWIDTH_12,
        .default_vref = DEFAULT_REFERENCE_MV,
    };
    adc_cali_handle_t calibration;
    ESP_RETURN_ON_ERROR(adc_cali_create_scheme_line_fitting(&config, &calibration), TAG, "calibration");
    for (int point = 0; point < CP_SCALE_POINTS; point++) {
        int pin_mv = 0;
        const int raw = point * CP_SCALE_STEP < 4096 ? point * CP_SCALE_STEP : 4095;
        ESP_RETURN_ON_ERROR(adc_cali_raw_to_voltage(calibration, raw, &pin_mv), TAG, "raw %d", raw);
        scale->mv[point] = pin_mv;
    }
    return adc_cali_delete_scheme_line_fitting(calibration);
}

static esp_err_t init_adc(cp_sampling *sampling, int pilot_gpio, int proximity_gpio) {
    const adc_oneshot_unit_init_cfg_t unit = {.unit_id = ADC_UNIT_1, .ulp_mode = ADC_ULP_MODE_DISABLE};
    ESP_RETURN_ON_ERROR(adc_oneshot_new_unit(&unit, &sampling->unit), TAG, "ADC1");
    ESP_RETURN_ON_ERROR(init_channel(sampling, pilot_gpio, &sampling->pilot), TAG, "pilot");
    ESP_RETURN_ON_ERROR(init_channel(sampling, proximity_gpio, &sampling->proximity), TAG, "proximity");
    return init_scale(&sampling->scale);
}

static esp_err_t init_comparator(
    cp_sampling *sampling, mcpwm_oper_handle_t oper, uint32_t at_us, mcpwm_compare_event_cb_t on_reach,
    mcpwm_cmpr_handle_t *comparator) {
    const mcpwm_comparator_config_t config = {
        .intr_priority = CP_MCPWM_PRIORITY,
        .flags = {.update_cmp_on_tez = true},
    };
    const mcpwm_comparator_event_callbacks_t callbacks = {.on_reach = on_reach};
    ESP_RETURN_ON_ERROR(mcpwm_new_comparator(oper, &config, comparator), TAG, "comparator");
    ESP_RETURN_ON_ERROR(mcpwm_comparator_set_compare_value(*comparator, at_us), TAG, "%u us", (unsigned)at_us);
    return mcpwm_comparator_register_event_callbacks(*comparator, &callbacks, sampling);
}

esp_err_t cp_sampling_init(
    cp_sampling *sampling, mcpwm_oper_handle_t early_oper, mcpwm_oper_handle_t late_oper, int pilot_gpio,
    int proximity_gpio, void (*on_period)(void *context), void *context) {
    sampling->high_raw = sampling->low_raw = sampling->proximity_raw = CP_NO_RAW;
    sampling->period = 0;
    sampling->late_us = cp_scale_late_sample_us(0);
    sampling->on_period = on_period;
    sampling->context = context;
    ESP_RETURN_ON_ERROR(init_adc(sampling, pilot_gpio, proximity_gpio), TAG, "ADC");
    ESP_RETURN_ON_ERROR(
        init_comparator(sampling, early_oper, CP_EARLY_US, on_early, &sampling->early), TAG, "early sample");
    return init_comparator(sampling, late_oper, sampling->late_us, on_late, &sampling->late);
}

void IRAM_ATTR cp_sampling_follow_duty(cp_sampling *sampling, int16_t duty_permille) {
    const uint32_t late_us = cp_scale_late_sample_us(duty_permille);
    if (late_us != sampling->late_us) {
        sampling->late_us = late_us;
        mcpwm_comparator_set_compare_value(sampling->late, late_us);
    }
}
