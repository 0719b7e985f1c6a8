#include "cp_wires.h"

#include "cp_pins.h"
#include "driver/gpio.h"
#include "esp_attr.h"
#include "esp_check.h"
#include "soc/gpio_reg.h"
#include "soc/soc.h"

#define FIRST_INPUT_ONLY 34 /* from here on a pin has neither output nor pulls */

static const char *const TAG = "cp_wires";

/* The pull is towards what a broken wire is to mean. */
static esp_err_t init_input(int pin, bool up) {
    if (pin == CP_NO_PIN) {
        return ESP_OK;
    }
    const gpio_config_t config = {
        .pin_bit_mask = UINT64_C(1) << pin,
        .mode = GPIO_MODE_INPUT,
        .pull_up_en = up && pin < FIRST_INPUT_ONLY ? GPIO_PULLUP_ENABLE : GPIO_PULLUP_DISABLE,
        .pull_down_en = !up && pin < FIRST_INPUT_ONLY ? GPIO_PULLDOWN_ENABLE : GPIO_PULLDOWN_DISABLE,
        .intr_type = GPIO_INTR_DISABLE,
    };
    return gpio_config(&config);
}

static esp_err_t init_output(int pin) {
    if (pin == CP_NO_PIN) {
        return ESP_OK;
    }
    const gpio_config_t config = {
        .pin_bit_mask = UINT64_C(1) << pin,
        .mode = GPIO_MODE_OUTPUT,
        .pull_up_en = GPIO_PULLUP_DISABLE,
        .pull_down_en = GPIO_PULLDOWN_ENABLE,
        .intr_type = GPIO_INTR_DISABLE,
    };
    ESP_RETURN_ON_ERROR(gpio_set_level((gpio_num_t)pin, 0), TAG, "GPIO%d", pin);
    return gpio_config(&config);
}

esp_err_t cp_wires_init(void) {
    ESP_RETURN_ON_ERROR(init_input(CP_PIN_RESIDUAL_TRIP, true), TAG, "residual-current input");
    ESP_RETURN_ON_ERROR(init_input(CP_PIN_MIRROR, false), TAG, "mirror contact");
    ESP_RETURN_ON_ERROR(init_input(CP_PIN_EMERGENCY_STOP, true), TAG, "emergency stop");
    ESP_RETURN_ON_ERROR(init_input(CP_PIN_GROUND_LOST, true), TAG, "ground monitor");
    ESP_RETURN_ON_ERROR(init_output(CP_PIN_RESIDUAL_TEST), TAG, "residual-current test");
    return init_output(CP_PIN_DISCONNECT);
}

esp_err_t cp_wires_pull_up(int pin) {
    return pin < FIRST_INPUT_ONLY ? gpio_set_pull_mode((gpio_num_t)pin, GPIO_PULLUP_ONLY) : ESP_OK;
}

/* A pin that is not wired is low. */
static bool IRAM_ATTR is_high(int pin) {
    if (pin == CP_NO_PIN) {
        return false;
    }
    const uint32_t levels = pin < 32 ? REG_READ(GPIO_IN_REG) : REG_READ(GPIO_IN1_REG);
    return (levels >> (pin % 32) & 1) != 0;
}

static void IRAM_ATTR set(int pin, bool on) {
    if (pin == CP_NO_PIN) {
        return;
    }
    const uint32_t bit = UINT32_C(1) << (pin % 32);
    if (pin < 32) {
        REG_WRITE(on ? GPIO_OUT_W1TS_REG : GPIO_OUT_W1TC_REG, bit);
    } else {
        REG_WRITE(on ? GPIO_OUT1_W1TS_REG : GPIO_OUT1_W1TC_REG, bit);
    }
}

bool IRAM_ATTR cp_wires_residual_trip(void) {
    return is_high(CP_PIN_RESIDUAL_TRIP);
}

bool IRAM_ATTR cp_wires_mirror_closed(void) {
    return !is_high(CP_PIN_MIRROR);
}

bool IRAM_ATTR cp_wires_emergency_stop(void) {
    return is_high(CP_PIN_EMERGENCY_STOP);
}

bool IRAM_ATTR cp_wires_ground_lost(void) {
    return is_high(CP_PIN_GROUND_LOST);
}

void IRAM_ATTR cp_wires_set_residual_test(bool on) {
    set(CP_PIN_RESIDUAL_TEST, on);
}

void IRAM_ATTR cp_wires_set_disconnect(bool on) {
    set(CP_PIN_DISCONNECT, on);
}
