#include "cp_safety.h"

#include "cp_pins.h"
#include "cp_wires.h"
#include "esp_attr.h"
#include "esp_check.h"
#include "esp_log.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#define CORE 0                                 /* MicroPython has core 1 */
#define TASK_PRIORITY (configMAX_PRIORITIES - 2) /* above Ethernet, TCP/IP and timers */
#define STACK_BYTES 4096
#define MISSED_LIMIT 3 /* supervisions without a turn between them */

static const char *const TAG = "cp_safety";

static cp_safety instance; /* like every static in internal DRAM */
static StackType_t stack[STACK_BYTES / sizeof(StackType_t)];
static StaticTask_t task;

cp_safety *cp_safety_instance(void) {
    return &instance;
}

static void IRAM_ATTR turn(void *context) {
    cp_safety *safety = context;
    const cp_sampling *sampling = &safety->sampling;
    atomic_fetch_add(&safety->turns, 1);
    if (!atomic_load(&safety->begun)) {
        return;
    }
    const cp_measured measured = {
        .high_mv = cp_scale_pilot_mv(&sampling->scale, sampling->high_raw),
        .low_mv = cp_scale_pilot_mv(&sampling->scale, sampling->low_raw),
        .proximity_ohm = cp_scale_proximity_ohm(&sampling->scale, sampling->proximity_raw),
        .residual_trip = cp_wires_residual_trip(),
        .mirror_closed = cp_wires_mirror_closed(),
        .emergency_stop = cp_wires_emergency_stop(),
        .ground_lost = cp_wires_ground_lost(),
    };
    const cp_outputs *outputs = cp_cycle_tick(&safety->cycle, esp_timer_get_time() / 1000, &measured);
    cp_contactor_set(&safety->contactor, outputs->contactor);
    cp_pilot_pwm_set(&safety->pwm, outputs->duty_permille);
    cp_sampling_follow_duty(&safety->sampling, outputs->duty_permille);
    cp_wires_set_residual_test(outputs->residual_test);
    cp_wires_set_disconnect(outputs->disconnected);
}

esp_err_t cp_safety_init(cp_safety *safety) {
    atomic_init(&safety->turns, 0);
    safety->turns_seen = 0;
    safety->missed = 0;
    ESP_RETURN_ON_ERROR(cp_wires_init(), TAG, "wires");
    ESP_RETURN_ON_ERROR(cp_pilot_pwm_init(&safety->pwm, CP_PIN_PILOT_PWM), TAG, "pilot");
    ESP_RETURN_ON_ERROR(
        cp_contactor_init(&safety->contactor, safety->pwm.timer, CP_PIN_CONTACTOR, CP_PIN_RESIDUAL_TRIP), TAG,
        "contactor");
    ESP_RETURN_ON_ERROR(
        cp_sampling_init(
            &safety->sampling, safety->pwm.oper, safety->contactor.oper, CP_PIN_PILOT_SENSE, CP_PIN_PROXIMITY_SENSE,
            turn, safety),
        TAG, "sampling");
    return cp_pilot_pwm_start(&safety->pwm);
}

static bool residual_current_stands(const cp_safety *safety) {
    int32_t words[CP_REPORT_WORDS];
    if (!atomic_load(&safety->begun)) {
        return false;
    }
    cp_exchange_read(&safety->cycle.exchange, words);
    return ((uint32_t)words[CP_REPORT_FAULTS] & CP_FAULT_RESIDUAL_CURRENT) != 0;
}

void cp_safety_supervise(cp_safety *safety) {
    const uint32_t turns = atomic_load(&safety->turns);
    safety->missed = turns == safety->turns_seen ? safety->missed + 1 : 0;
    safety->turns_seen = turns;
    if (safety->missed >= MISSED_LIMIT) {
        cp_contactor_set(&safety->contactor, false);
        ESP_LOGE(TAG, "no turn for %d ms", safety->missed * CP_SUPERVISE_MS);
        esp_restart();
    }
    if (!cp_wires_residual_trip() && !residual_current_stands(safety)) {
        cp_contactor_release(&safety->contactor);
    }
}

static void run(void *context) {
    cp_safety *safety = context;
    const esp_err_t error = cp_safety_init(safety);
    if (error != ESP_OK) {
        /* The contactor stays open: its output is low, or held low by its pull-down. */
        ESP_LOGE(TAG, "cannot start: %s", esp_err_to_name(error));
        vTaskDelete(NULL);
    }
    for (;;) {
        vTaskDelay(pdMS_TO_TICKS(CP_SUPERVISE_MS));
        cp_safety_supervise(safety);
    }
}

void cp_safety_start(void) {
    atomic_init(&instance.begun, false);
    xTaskCreateStaticPinnedToCore(run, "cp_safety", STACK_BYTES, &instance, TASK_PRIORITY, stack, &task, CORE);
}

void cp_safety_begin(const cp_board *board) {
    instance.board = *board;
    cp_cycle_init(&instance.cycle, board, esp_timer_get_time() / 1000);
    atomic_store(&instance.begun, true);
}
