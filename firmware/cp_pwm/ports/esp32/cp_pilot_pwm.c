#include "cp_pilot_pwm.h"

#include "cp_types.h"
#include "esp_attr.h"
#include "esp_check.h"

static const char *const TAG = "cp_pilot_pwm";

static esp_err_t init_duty(cp_pilot_pwm *pwm) {
    const mcpwm_comparator_config_t comparator = {
        .intr_priority = CP_MCPWM_PRIORITY,
        .flags = {.update_cmp_on_tez = true},
    };
    ESP_RETURN_ON_ERROR(mcpwm_new_comparator(pwm->oper, &comparator, &pwm->duty), TAG, "comparator");
    return mcpwm_comparator_set_compare_value(pwm->duty, CP_PERIOD_US / 2);
}

static esp_err_t init_generator(cp_pilot_pwm *pwm, int gpio) {
    const mcpwm_generator_config_t generator = {.gen_gpio_num = gpio};
    ESP_RETURN_ON_ERROR(mcpwm_new_generator(pwm->oper, &generator, &pwm->generator), TAG, "generator");
    ESP_RETURN_ON_ERROR(mcpwm_generator_set_force_level(pwm->generator, 1, true), TAG, "steady high");
    ESP_RETURN_ON_ERROR(
        mcpwm_generator_set_action_on_timer_event(
            pwm->generator,
            MCPWM_GEN_TIMER_EVENT_ACTION(MCPWM_TIMER_DIRECTION_UP, MCPWM_TIMER_EVENT_EMPTY, MCPWM_GEN_ACTION_HIGH)),
        TAG, "rising edge");
    return mcpwm_generator_set_action_on_compare_event(
        pwm->generator, MCPWM_GEN_COMPARE_EVENT_ACTION(MCPWM_TIMER_DIRECTION_UP, pwm->duty, MCPWM_GEN_ACTION_LOW));
}

esp_err_t cp_pilot_pwm_init(cp_pilot_pwm *pwm, int gpio) {
    const mcpwm_timer_config_t timer = {
        .group_id = CP_MCPWM_GROUP,
        .clk_src = MCPWM_TIMER_CLK_SRC_DEFAULT,
        .resolution_hz = 1000000,
        .count_mode = MCPWM_TIMER_COUNT_MODE_UP,
        .period_ticks = CP_PERIOD_US,
        .intr_priority = CP_MCPWM_PRIORITY,
    };
    const mcpwm_operator_config_t oper = {.group_id = CP_MCPWM_GROUP, .intr_priority = CP_MCPWM_PRIORITY};
    pwm->duty_permille = CP_STEADY_HIGH;
    ESP_RETURN_ON_ERROR(mcpwm_new_timer(&timer, &pwm->timer), TAG, "timer");
    ESP_RETURN_ON_ERROR(mcpwm_new_operator(&oper, &pwm->oper), TAG, "operator");
    ESP_RETURN_ON_ERROR(mcpwm_operator_connect_timer(pwm->oper, pwm->timer), TAG, "timer of the operator");
    ESP_RETURN_ON_ERROR(init_duty(pwm), TAG, "duty");
    return init_generator(pwm, gpio);
}

esp_err_t cp_pilot_pwm_start(cp_pilot_pwm *pwm) {
    ESP_RETURN_ON_ERROR(mcpwm_timer_enable(pwm->timer), TAG, "enable");
    return mcpwm_timer_start_stop(pwm->timer, MCPWM_TIMER_START_NO_STOP);
}

void IRAM_ATTR cp_pilot_pwm_set(cp_pilot_pwm *pwm, int16_t duty_permille) {
    if (duty_permille == pwm->duty_permille) {
        return;
    }
    if (duty_permille == CP_STEADY_HIGH || duty_permille == CP_STEADY_LOW) {
        mcpwm_generator_set_force_level(pwm->generator, duty_permille == CP_STEADY_HIGH, true);
    } else {
        mcpwm_comparator_set_compare_value(pwm->duty, (uint32_t)duty_permille);
        if (pwm->duty_permille == CP_STEADY_HIGH || pwm->duty_permille == CP_STEADY_LOW) {
            mcpwm_generator_set_force_level(pwm->generator, -1, true);
        }
    }
    pwm->duty_permille = duty_permille;
}
