/* The chip's CAN controller, and the other end of its bus. */
#include <string.h>

#include "driver/twai.h"
#include "fake.h"
#include "fake_inside.h"

static struct {
    bool installed;
    twai_state_t state;
    twai_message_t received[64];
    int received_count;
    twai_message_t sent;
    bool has_sent;
} can;

void fake_can_reset(void) {
    memset(&can, 0, sizeof can);
}

esp_err_t twai_driver_install(
    const twai_general_config_t *g_config, const twai_timing_config_t *t_config, const twai_filter_config_t *f_config) {
    (void)g_config;
    (void)f_config;
    if (can.installed) {
        return ESP_ERR_INVALID_STATE;
    }
    can.installed = t_config->tseg_1 == 15 && fake_call() == ESP_OK;
    can.state = TWAI_STATE_STOPPED;
    return can.installed ? ESP_OK : ESP_FAIL;
}

esp_err_t twai_driver_uninstall(void) {
    can.installed = false;
    return ESP_OK;
}

esp_err_t twai_start(void) {
    const esp_err_t error = fake_call();
    if (error == ESP_OK) {
        can.state = TWAI_STATE_RUNNING;
    }
    return error;
}

esp_err_t twai_stop(void) {
    can.state = TWAI_STATE_STOPPED;
    return ESP_OK;
}

esp_err_t twai_transmit(const twai_message_t *message, TickType_t ticks_to_wait) {
    (void)ticks_to_wait;
    can.sent = *message;
    can.has_sent = true;
    return can.state == TWAI_STATE_RUNNING ? ESP_OK : ESP_ERR_INVALID_STATE;
}

esp_err_t twai_receive(twai_message_t *message, TickType_t ticks_to_wait) {
    (void)ticks_to_wait;
    if (can.received_count == 0) {
        return ESP_ERR_TIMEOUT;
    }
    *message = can.received[0];
    memmove(can.received, can.received + 1, sizeof can.received - sizeof can.received[0]);
    can.received_count--;
    return ESP_OK;
}

esp_err_t twai_get_status_info(twai_status_info_t *status_info) {
    *status_info = (twai_status_info_t){.state = can.state};
    return can.installed ? ESP_OK : ESP_ERR_INVALID_STATE;
}

esp_err_t twai_initiate_recovery(void) {
    can.state = TWAI_STATE_STOPPED;
    return ESP_OK;
}

void fake_can_deliver(uint32_t id, bool remote, const uint8_t *data, uint8_t length) {
    twai_message_t *message = &can.received[can.received_count++];
    *message = (twai_message_t){.extd = id > 0x7FF, .rtr = remote, .identifier = id, .data_length_code = length};
    memcpy(message->data, data, length);
}

bool fake_can_sent(uint32_t *id, bool *extended, uint8_t *length) {
    const bool sent = can.has_sent;
    can.has_sent = false;
    *id = can.sent.identifier;
    *extended = can.sent.extd;
    *length = can.sent.data_length_code;
    return sent;
}

void fake_can_bus_off(void) {
    can.state = TWAI_STATE_BUS_OFF;
}
