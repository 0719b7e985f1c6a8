#pragma once
#include "esp_err.h"
#include "hal/adc_types.h"
typedef struct adc_oneshot_unit_ctx_t *adc_oneshot_unit_handle_t;
esp_err_t adc_oneshot_read_isr(adc_oneshot_unit_handle_t handle, adc_channel_t chan, int *out_raw);
