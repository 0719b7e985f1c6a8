#include "fake.h"
#include "fake_inside.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "driver/gpio.h"
#include "driver/mcpwm_prelude.h"
#include "esp_adc/adc_cali_scheme.h"
#include "esp_adc/adc_oneshot.h"
#include "esp_log.h"
#include "esp_private/adc_private.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/task.h"
#include "soc/gpio_reg.h"
#include "soc/soc.h"

#define PINS 40
#define FULL_SCALE_MV 3100

struct mcpwm_timer_t {
    bool running;
};
struct mcpwm_fault_t {
    int pin;
};
struct mcpwm_oper_t {
    mcpwm_fault_handle_t fault;
    mcpwm_brake_event_cb_t on_brake;
    void *context;
    bool braked;
};
struct mcpwm_cmpr_t {
    uint32_t value;
    uint32_t next_value; /* taken over when the timer is at zero */
    mcpwm_compare_event_cb_t on_reach;
    void *context;
};
struct mcpwm_gen_t {
    mcpwm_oper_handle_t oper;
    mcpwm_cmpr_handle_t duty;
    int pin;
    int forced;
    bool brake_is_low;
};

static struct {
    int64_t now_us;
    int calls;
    int fail_call;
    int restarts;
    bool stalled;
    bool adc_broken;
    bool early_lost;
    bool late;
    int32_t high_mv;
    int32_t low_mv;
    int32_t proximity_mv;
    bool input[PINS];
    bool output[PINS];
    bool pulled_up[PINS];
    struct mcpwm_timer_t timer;
    struct mcpwm_fault_t fault;
    struct mcpwm_oper_t oper[3];
    struct mcpwm_cmpr_t cmpr[6];
    struct mcpwm_gen_t gen[6];
    int opers;
    int cmprs;
    int gens;
    const char *task[4];
    int task_core[4];
    int task_priority[4];
    int tasks;
} chip;

void fake_reset(void) {
    memset(&chip, 0, sizeof chip);
    fake_can_reset();
}

void fake_fail_call(int number) {
    chip.fail_call = number;
}

int fake_calls(void) {
    return chip.calls;
}

esp_err_t fake_call(void) {
    return ++chip.calls == chip.fail_call ? ESP_FAIL : ESP_OK;
}

void fake_stall(void) {
    chip.stalled = true;
}

void fake_lose_early_samples(void) {
    chip.early_lost = true;
}

void fake_break_adc(bool broken) {
    chip.adc_broken = broken;
}

void fake_pilot_pin_mv(int32_t high_mv, int32_t low_mv) {
    chip.high_mv = high_mv;
    chip.low_mv = low_mv;
}

void fake_proximity_pin_mv(int32_t mv) {
    chip.proximity_mv = mv;
}

static void reach(struct mcpwm_cmpr_t *cmpr) {
    const mcpwm_compare_event_data_t data = {.compare_ticks = cmpr->value, .direction = MCPWM_TIMER_DIRECTION_UP};
    cmpr->on_reach(cmpr, &data, cmpr->context);
}

void fake_period(void) {
    chip.now_us += 1000;
    if (!chip.timer.running || chip.stalled) {
        return;
    }
    for (int i = 0; i < chip.cmprs; i++) {
        chip.cmpr[i].value = chip.cmpr[i].next_value;
    }
    /* Those in the first half of the period, then those in the second. */
    for (int half = chip.early_lost ? 1 : 0; half < 2; half++) {
        chip.late = half == 1;
        for (int i = 0; i < chip.cmprs; i++) {
            if (chip.cmpr[i].on_reach != NULL && (chip.cmpr[i].value > 500) == chip.late) {
                reach(&chip.cmpr[i]);
            }
        }
    }
}

uint32_t fake_sample_us(int number) {
    for (int i = 0; i < chip.cmprs; i++) {
        if (chip.cmpr[i].on_reach != NULL && number-- == 0) {
            return chip.cmpr[i].value;
        }
    }
    return 0;
}

void fake_set_pin(int pin, bool level) {
    chip.input[pin] = level;
    for (int i = 0; i < chip.opers; i++) {
        struct mcpwm_oper_t *oper = &chip.oper[i];
        if (level && oper->fault != NULL && oper->fault->pin == pin && !oper->braked) {
            oper->braked = true;
            if (oper->on_brake != NULL) {
                const mcpwm_brake_event_data_t data;
                oper->on_brake(oper, &data, oper->context);
            }
        }
    }
}

static struct mcpwm_gen_t *generator_of(int pin) {
    for (int i = 0; i < chip.gens; i++) {
        if (chip.gen[i].pin == pin) {
            return &chip.gen[i];
        }
    }
    return NULL;
}

bool fake_pin(int pin) {
    const struct mcpwm_gen_t *gen = generator_of(pin);
    if (gen == NULL) {
        return chip.output[pin];
    }
    return !(gen->oper->braked && gen->brake_is_low) && gen->forced == 1;
}

int16_t fake_duty_permille(int pin) {
    const struct mcpwm_gen_t *gen = generator_of(pin);
    if (gen == NULL || gen->forced == 0) {
        return 0;
    }
    return (int16_t)(gen->forced == 1 ? 1000 : gen->duty->value);
}

int fake_restarts(void) {
    return chip.restarts;
}

static int task_named(const char *name) {
    for (int i = 0; i < chip.tasks; i++) {
        if (strcmp(chip.task[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

int fake_task_core(const char *name) {
    const int found = task_named(name);
    return found < 0 ? -1 : chip.task_core[found];
}

int fake_task_priority(const char *name) {
    const int found = task_named(name);
    return found < 0 ? -1 : chip.task_priority[found];
}

/* --- ESP-IDF --- */

const char *esp_err_to_name(esp_err_t code) {
    return code == ESP_OK ? "ESP_OK" : "an error";
}

void fake_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}

void esp_restart(void) {
    chip.restarts++;
}

int64_t esp_timer_get_time(void) {
    return chip.now_us;
}

TaskHandle_t xTaskCreateStaticPinnedToCore(
    TaskFunction_t pxTaskCode, const char *const pcName, const uint32_t ulStackDepth, void *const pvParameters,
    UBaseType_t uxPriority, StackType_t *const puxStackBuffer, StaticTask_t *const pxTaskBuffer,
    const BaseType_t xCoreID) {
    (void)pxTaskCode;
    (void)ulStackDepth;
    (void)pvParameters;
    (void)puxStackBuffer;
    chip.task[chip.tasks] = pcName;
    chip.task_core[chip.tasks] = xCoreID;
    chip.task_priority[chip.tasks++] = (int)uxPriority;
    return (TaskHandle_t)pxTaskBuffer;
}

void vTaskDelay(const TickType_t xTicksToDelay) {
    (void)xTicksToDelay;
}

void vTaskDelete(TaskHandle_t xTaskToDelete) {
    (void)xTaskToDelete;
}

void fake_enter_critical(portMUX_TYPE *mux) {
    mux->count++;
}

void fake_exit_critical(portMUX_TYPE *mux) {
    mux->count--;
}

uint32_t fake_read_register(uint32_t address) {
    const int first = address == GPIO_IN_REG ? 0 : 32;
    uint32_t levels = 0;
    for (int pin = first; pin < PINS && pin < first + 32; pin++) {
        levels |= (uint32_t)chip.input[pin] << (pin - first);
    }
    return levels;
}

void fake_write_register(uint32_t address, uint32_t value) {
    const bool level = address == GPIO_OUT_W1TS_REG || address == GPIO_OUT1_W1TS_REG;
    const int first = address == GPIO_OUT_W1TS_REG || address == GPIO_OUT_W1TC_REG ? 0 : 32;
    for (int pin = first; pin < PINS && pin < first + 32; pin++) {
        if (value >> (pin - first) & 1) {
            chip.output[pin] = level;
        }
    }
}

esp_err_t gpio_config(const gpio_config_t *pGPIOConfig) {
    for (int pin = 0; pin < PINS; pin++) {
        if (pGPIOConfig->pin_bit_mask >> pin & 1) {
            chip.pulled_up[pin] = pGPIOConfig->pull_up_en == GPIO_PULLUP_ENABLE;
        }
    }
    return fake_call();
}

esp_err_t gpio_set_pull_mode(gpio_num_t gpio_num, gpio_pull_mode_t pull) {
    chip.pulled_up[gpio_num] = pull == GPIO_PULLUP_ONLY;
    return gpio_num < 34 ? fake_call() : ESP_ERR_INVALID_ARG;
}

bool fake_pulled_up(int pin) {
    return chip.pulled_up[pin];
}

esp_err_t gpio_set_level(gpio_num_t gpio_num, uint32_t level) {
    chip.output[gpio_num] = level != 0;
    return fake_call();
}

esp_err_t adc_oneshot_new_unit(const adc_oneshot_unit_init_cfg_t *init_config, adc_oneshot_unit_handle_t *ret_unit) {
    (void)init_config;
    *ret_unit = NULL;
    return fake_call();
}

esp_err_t adc_oneshot_config_channel(
    adc_oneshot_unit_handle_t handle, adc_channel_t channel, const adc_oneshot_chan_cfg_t *config) {
    (void)handle;
    (void)channel;
    (void)config;
    return fake_call();
}

esp_err_t adc_oneshot_io_to_channel(int io_num, adc_unit_t *unit_id, adc_channel_t *channel) {
    static const int of_channel[] = {36, 37, 38, 39, 32, 33, 34, 35};
    for (int i = 0; i < 8; i++) {
        if (of_channel[i] == io_num) {
            *unit_id = ADC_UNIT_1;
            *channel = (adc_channel_t)i;
            return fake_call();
        }
    }
    return ESP_ERR_NOT_FOUND;
}

esp_err_t adc_oneshot_read_isr(adc_oneshot_unit_handle_t handle, adc_channel_t chan, int *out_raw) {
    (void)handle;
    const bool pilot = chan == ADC_CHANNEL_7;
    const int32_t mv = !pilot ? chip.proximity_mv : chip.late ? chip.low_mv : chip.high_mv;
    *out_raw = mv < 0 ? 0 : mv > FULL_SCALE_MV ? 4095 : mv * 4095 / FULL_SCALE_MV;
    return chip.adc_broken ? ESP_ERR_TIMEOUT : ESP_OK;
}

esp_err_t adc_cali_create_scheme_line_fitting(
    const adc_cali_line_fitting_config_t *config, adc_cali_handle_t *ret_handle) {
    (void)config;
    *ret_handle = NULL;
    return fake_call();
}

esp_err_t adc_cali_delete_scheme_line_fitting(adc_cali_handle_t handle) {
    (void)handle;
    return fake_call();
}

esp_err_t adc_cali_raw_to_voltage(adc_cali_handle_t handle, int raw, int *voltage) {
    (void)handle;
    *voltage = raw * FULL_SCALE_MV / 4095;
    return fake_call();
}

esp_err_t mcpwm_new_timer(const mcpwm_timer_config_t *config, mcpwm_timer_handle_t *ret_timer) {
    *ret_timer = &chip.timer;
    return config->resolution_hz == 1000000 && config->period_ticks == 1000 ? fake_call() : ESP_ERR_INVALID_ARG;
}

esp_err_t mcpwm_timer_enable(mcpwm_timer_handle_t timer) {
    (void)timer;
    return fake_call();
}

esp_err_t mcpwm_timer_start_stop(mcpwm_timer_handle_t timer, mcpwm_timer_start_stop_cmd_t command) {
    const esp_err_t error = fake_call();
    timer->running = error == ESP_OK && command == MCPWM_TIMER_START_NO_STOP;
    return error;
}

esp_err_t mcpwm_new_operator(const mcpwm_operator_config_t *config, mcpwm_oper_handle_t *ret_oper) {
    (void)config;
    *ret_oper = &chip.oper[chip.opers++];
    return fake_call();
}

esp_err_t mcpwm_operator_connect_timer(mcpwm_oper_handle_t oper, mcpwm_timer_handle_t timer) {
    (void)oper;
    (void)timer;
    return fake_call();
}

esp_err_t mcpwm_operator_set_brake_on_fault(mcpwm_oper_handle_t oper, const mcpwm_brake_config_t *config) {
    oper->fault = config->fault;
    return config->brake_mode == MCPWM_OPER_BRAKE_MODE_OST ? fake_call() : ESP_ERR_INVALID_ARG;
}

esp_err_t mcpwm_operator_recover_from_fault(mcpwm_oper_handle_t oper, mcpwm_fault_handle_t fault) {
    if (chip.input[fault->pin]) {
        return ESP_ERR_INVALID_STATE;
    }
    oper->braked = false;
    return ESP_OK;
}

esp_err_t mcpwm_operator_register_event_callbacks(
    mcpwm_oper_handle_t oper, const mcpwm_operator_event_callbacks_t *cbs, void *user_data) {
    oper->on_brake = cbs->on_brake_ost;
    oper->context = user_data;
    return fake_call();
}

esp_err_t mcpwm_new_comparator(
    mcpwm_oper_handle_t oper, const mcpwm_comparator_config_t *config, mcpwm_cmpr_handle_t *ret_cmpr) {
    (void)oper;
    *ret_cmpr = &chip.cmpr[chip.cmprs++];
    return config->flags.update_cmp_on_tez ? fake_call() : ESP_ERR_INVALID_ARG;
}

esp_err_t mcpwm_comparator_set_compare_value(mcpwm_cmpr_handle_t cmpr, uint32_t cmp_ticks) {
    cmpr->next_value = cmp_ticks;
    return cmp_ticks <= 1000 ? fake_call() : ESP_ERR_INVALID_ARG;
}

esp_err_t mcpwm_comparator_register_event_callbacks(
    mcpwm_cmpr_handle_t cmpr, const mcpwm_comparator_event_callbacks_t *cbs, void *user_data) {
    cmpr->on_reach = cbs->on_reach;
    cmpr->context = user_data;
    return fake_call();
}

esp_err_t mcpwm_new_generator(
    mcpwm_oper_handle_t oper, const mcpwm_generator_config_t *config, mcpwm_gen_handle_t *ret_gen) {
    struct mcpwm_gen_t *gen = &chip.gen[chip.gens++];
    *gen = (struct mcpwm_gen_t){.oper = oper, .pin = config->gen_gpio_num, .forced = -1};
    *ret_gen = gen;
    return fake_call();
}

esp_err_t mcpwm_generator_set_force_level(mcpwm_gen_handle_t gen, int level, bool hold_on) {
    const esp_err_t error = hold_on ? fake_call() : ESP_ERR_INVALID_ARG;
    if (error == ESP_OK) {
        gen->forced = level;
    }
    return error;
}

esp_err_t mcpwm_generator_set_action_on_timer_event(mcpwm_gen_handle_t gen, mcpwm_gen_timer_event_action_t ev_act) {
    (void)gen;
    return ev_act.event == MCPWM_TIMER_EVENT_EMPTY && ev_act.action == MCPWM_GEN_ACTION_HIGH ? fake_call()
                                                                                            : ESP_ERR_INVALID_ARG;
}

esp_err_t mcpwm_generator_set_action_on_compare_event(
    mcpwm_gen_handle_t generator, mcpwm_gen_compare_event_action_t ev_act) {
    generator->duty = ev_act.comparator;
    return ev_act.action == MCPWM_GEN_ACTION_LOW ? fake_call() : ESP_ERR_INVALID_ARG;
}

esp_err_t mcpwm_generator_set_action_on_brake_event(mcpwm_gen_handle_t gen, mcpwm_gen_brake_event_action_t ev_act) {
    gen->brake_is_low = ev_act.brake_mode == MCPWM_OPER_BRAKE_MODE_OST && ev_act.action == MCPWM_GEN_ACTION_LOW;
    return fake_call();
}

esp_err_t mcpwm_new_gpio_fault(const mcpwm_gpio_fault_config_t *config, mcpwm_fault_handle_t *ret_fault) {
    chip.fault.pin = config->gpio_num;
    chip.pulled_up[config->gpio_num] = false;
    *ret_fault = &chip.fault;
    return config->flags.active_level == 1 ? fake_call() : ESP_ERR_INVALID_ARG;
}
