#include "cp_contactor.h"

#include "cp_pilot_pwm.h"
#include "cp_wires.h"
#include "esp_attr.h"
#include "esp_check.h"

static const char *const TAG = "cp_contactor";

static bool IRAM_ATTR on_brake(mcpwm_oper_handle_t oper, const mcpwm_brake_event_data_t *data, void *context) {
    (void)oper;
    (void)data;
    cp_contactor *contactor = context;
    atomic_store(&contactor->braked, true);
    return false;
}

static esp_err_t init_output(cp_contactor *contactor, int gpio) {
    const mcpwm_generator_config_t generator = {.gen_gpio_num = gpio, .flags = {.pull_down = true}};
    ESP_RETURN_ON_ERROR(mcpwm_new_generator(contactor->oper, &generator, &contactor->generator), TAG, "generator");
    return mcpwm_generator_set_force_level(contactor->generator, 0, true);
}

static esp_err_t init_brake(cp_contactor *contactor, int trip_gpio) {
    const mcpwm_gpio_fault_config_t trip = {
        .group_id = CP_MCPWM_GROUP,
        .intr_priority = CP_MCPWM_PRIORITY,
        .gpio_num = trip_gpio,
        .flags = {.active_level = 1},
    };
    ESP_RETURN_ON_ERROR(mcpwm_new_gpio_fault(&trip, &contactor->trip), TAG, "trip input");
    /* The driver has taken the pull-up away that makes a broken wire a trip. */
    ESP_RETURN_ON_ERROR(cp_wires_pull_up(trip_gpio), TAG, "pull-up");
    const mcpwm_brake_config_t brake = {.fault = contactor->trip, .brake_mode = MCPWM_OPER_BRAKE_MODE_OST};
    ESP_RETURN_ON_ERROR(mcpwm_operator_set_brake_on_fault(contactor->oper, &brake), TAG, "brake");
    ESP_RETURN_ON_ERROR(
        mcpwm_generator_set_action_on_brake_event(
            contactor->generator,
            MCPWM_GEN_BRAKE_EVENT_ACTION(MCPWM_TIMER_DIRECTION_UP, MCPWM_OPER_BRAKE_MODE_OST, MCPWM_GEN_ACTION_LOW)),
        TAG, "brake action");
    const mcpwm_operator_event_callbacks_t callbacks = {.on_brake_ost = on_brake};
    return mcpwm_operator_register_event_callbacks(contactor->oper, &callbacks, contactor);
}

esp_err_t cp_contactor_init(cp_contactor *contactor, mcpwm_timer_handle_t timer, int gpio, int trip_gpio) {
    const mcpwm_operator_config_t oper = {.group_id = CP_MCPWM_GROUP, .intr_priority = CP_MCPWM_PRIORITY};
    contactor->on = false;
    /* What tripped before anybody listened is found by trying to release. */
    atomic_init(&contactor->braked, true);
    ESP_RETURN_ON_ERROR(mcpwm_new_operator(&oper, &contactor->oper), TAG, "operator");
    ESP_RETURN_ON_ERROR(mcpwm_operator_connect_timer(contactor->oper, timer), TAG, "timer of the operator");
    ESP_RETURN_ON_ERROR(init_output(contactor, gpio), TAG, "output");
    return init_brake(contactor, trip_gpio);
}

void IRAM_ATTR cp_contactor_set(cp_contactor *contactor, bool on) {
    if (on != contactor->on) {
        contactor->on = on;
        mcpwm_generator_set_force_level(contactor->generator, on, true);
    }
}

void cp_contactor_release(cp_contactor *contactor) {
    if (!atomic_exchange(&contactor->braked, false)) {
        return;
    }
    if (mcpwm_operator_recover_from_fault(contactor->oper, contactor->trip) != ESP_OK) {
        atomic_store(&contactor->braked, true);
    }
}
