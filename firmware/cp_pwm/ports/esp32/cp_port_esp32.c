/* cp_port.h on ESP32. */
#include "cp_port.h"

#include <stddef.h>

#include "cp_safety.h"
#include "cp_twai.h"

bool cp_port_begin(const cp_board *board) {
    cp_safety *safety = cp_safety_instance();
    if (!atomic_load(&safety->begun)) {
        cp_safety_begin(board);
        return true;
    }
    cp_exchange_restart(&safety->cycle.exchange);
    return cp_port_same_board(&safety->board, board);
}

cp_exchange *cp_port_exchange(void) {
    cp_safety *safety = cp_safety_instance();
    return atomic_load(&safety->begun) ? &safety->cycle.exchange : NULL;
}

cp_events *cp_port_events(void) {
    cp_safety *safety = cp_safety_instance();
    return atomic_load(&safety->begun) ? &safety->cycle.events : NULL;
}

bool cp_port_can_start(int32_t bitrate, int32_t tx_gpio, int32_t rx_gpio) {
    return cp_twai_start(bitrate, tx_gpio, rx_gpio);
}

bool cp_port_can_send(const cp_can_frame *frame) {
    return cp_twai_send(frame);
}

bool cp_port_can_take(cp_can_frame *frame) {
    return cp_twai_take(frame);
}

uint32_t cp_port_can_overruns(void) {
    return cp_twai_overruns();
}
