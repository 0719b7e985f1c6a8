#include "cp_twai.h"

#include "driver/twai.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#define CORE 0
#define TASK_PRIORITY (tskIDLE_PRIORITY + 3)
#define STACK_BYTES 3072
#define QUEUE 16

static cp_can_ring ring;
static portMUX_TYPE lock = portMUX_INITIALIZER_UNLOCKED;
static StackType_t stack[STACK_BYTES / sizeof(StackType_t)];
static StaticTask_t task;
static TaskHandle_t running;
static bool started;

static bool timing_of(int32_t bitrate, twai_timing_config_t *timing) {
    switch (bitrate) {
        case 125000:
            *timing = (twai_timing_config_t)TWAI_TIMING_CONFIG_125KBITS();
            return true;
        case 250000:
            *timing = (twai_timing_config_t)TWAI_TIMING_CONFIG_250KBITS();
            return true;
        case 500000:
            *timing = (twai_timing_config_t)TWAI_TIMING_CONFIG_500KBITS();
            return true;
        case 1000000:
            *timing = (twai_timing_config_t)TWAI_TIMING_CONFIG_1MBITS();
            return true;
        default:
            return false;
    }
}

static void receive(void) {
    twai_message_t message;
    if (twai_receive(&message, pdMS_TO_TICKS(CP_TWAI_WAIT_MS)) != ESP_OK || message.rtr) {
        return;
    }
    portENTER_CRITICAL(&lock);
    cp_can_put(&ring, message.identifier, message.data, message.data_length_code);
    portEXIT_CRITICAL(&lock);
}

void cp_twai_turn(void) {
    twai_status_info_t status;
    if (twai_get_status_info(&status) != ESP_OK) {
        vTaskDelay(pdMS_TO_TICKS(CP_TWAI_WAIT_MS));
    } else if (status.state == TWAI_STATE_BUS_OFF) {
        twai_initiate_recovery();
        vTaskDelay(pdMS_TO_TICKS(CP_TWAI_WAIT_MS));
    } else if (status.state == TWAI_STATE_STOPPED) {
        twai_start();
        vTaskDelay(pdMS_TO_TICKS(CP_TWAI_WAIT_MS));
    } else {
        receive();
    }
}

static void run(void *context) {
    (void)context;
    for (;;) {
        cp_twai_turn();
    }
}

static void stop(void) {
    if (running != NULL) {
        vTaskDelete(running);
        running = NULL;
    }
    if (started) {
        twai_stop();
        twai_driver_uninstall();
        started = false;
    }
}

bool cp_twai_start(int32_t bitrate, int32_t tx_gpio, int32_t rx_gpio) {
    twai_general_config_t general =
        TWAI_GENERAL_CONFIG_DEFAULT((gpio_num_t)tx_gpio, (gpio_num_t)rx_gpio, TWAI_MODE_NORMAL);
    const twai_filter_config_t filter = TWAI_FILTER_CONFIG_ACCEPT_ALL();
    twai_timing_config_t timing;
    stop();
    if (tx_gpio < 0 || rx_gpio < 0 || !timing_of(bitrate, &timing)) {
        return false;
    }
    general.rx_queue_len = QUEUE;
    cp_can_init(&ring);
    if (twai_driver_install(&general, &timing, &filter) != ESP_OK) {
        return false;
    }
    started = true;
    if (twai_start() != ESP_OK) {
        stop();
        return false;
    }
    running = xTaskCreateStaticPinnedToCore(run, "cp_twai", STACK_BYTES, NULL, TASK_PRIORITY, stack, &task, CORE);
    return true;
}

bool cp_twai_send(const cp_can_frame *frame) {
    twai_message_t message = {
        .extd = frame->id > CP_CAN_MAX_STANDARD_ID,
        .identifier = frame->id,
        .data_length_code = frame->length,
    };
    for (int i = 0; i < frame->length; i++) {
        message.data[i] = frame->data[i];
    }
    return started && twai_transmit(&message, 0) == ESP_OK;
}

bool cp_twai_take(cp_can_frame *frame) {
    portENTER_CRITICAL(&lock);
    const bool taken = cp_can_take(&ring, frame);
    portEXIT_CRITICAL(&lock);
    return taken;
}

uint32_t cp_twai_overruns(void) {
    twai_status_info_t status = {.rx_missed_count = 0};
    if (started && twai_get_status_info(&status) != ESP_OK) {
        status = (twai_status_info_t){.rx_missed_count = 0};
    }
    portENTER_CRITICAL(&lock);
    const uint32_t overruns = ring.overruns;
    portEXIT_CRITICAL(&lock);
    return overruns + status.rx_missed_count + status.rx_overrun_count;
}
