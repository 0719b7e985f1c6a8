/* cp_port.h on a host: the machine with its virtual circuit, and a CAN bus whose other end are tests. */
#include <stddef.h>

#include "cp_host.h"
#include "cp_port.h"

bool cp_port_begin(const cp_board *board) {
    cp_host *host = cp_host_machine();
    bool accepted = true;
    cp_host_lock();
    if (!host->begun) {
        host->board = *board;
        host->begun = true;
        cp_circuit_init(&host->circuit);
        cp_register_init(&host->energy);
        cp_cycle_init(&host->cycle, board, host->now_ms);
    } else {
        accepted = cp_port_same_board(&host->board, board);
        cp_exchange_restart(&host->cycle.exchange);
    }
    cp_host_unlock();
    return accepted;
}

cp_exchange *cp_port_exchange(void) {
    cp_host *host = cp_host_machine();
    return host->begun ? &host->cycle.exchange : NULL;
}

cp_events *cp_port_events(void) {
    cp_host *host = cp_host_machine();
    return host->begun ? &host->cycle.events : NULL;
}

bool cp_port_can_start(int32_t bitrate, int32_t tx_gpio, int32_t rx_gpio) {
    cp_host *host = cp_host_machine();
    if (bitrate <= 0 || tx_gpio < 0 || rx_gpio < 0) {
        return false;
    }
    cp_host_lock();
    cp_can_init(&host->can_received);
    cp_can_init(&host->can_sent);
    host->can_started = true;
    cp_host_unlock();
    return true;
}

bool cp_port_can_send(const cp_can_frame *frame) {
    cp_host *host = cp_host_machine();
    cp_host_lock();
    const bool started = host->can_started;
    if (started) {
        cp_can_put(&host->can_sent, frame->id, frame->data, frame->length);
    }
    cp_host_unlock();
    return started;
}

bool cp_port_can_take(cp_can_frame *frame) {
    cp_host *host = cp_host_machine();
    cp_host_lock();
    const bool taken = host->can_started && cp_can_take(&host->can_received, frame);
    cp_host_unlock();
    return taken;
}

uint32_t cp_port_can_overruns(void) {
    cp_host *host = cp_host_machine();
    cp_host_lock();
    const uint32_t overruns = host->can_received.overruns;
    cp_host_unlock();
    return overruns;
}
