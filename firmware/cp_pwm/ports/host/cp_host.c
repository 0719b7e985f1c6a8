#include "cp_host.h"

static cp_host machine;

cp_host *cp_host_machine(void) {
    return &machine;
}

void cp_host_turn_circuit(cp_host *host) {
    host->now_ms++;
    cp_circuit_tick(&host->circuit, host->now_ms, &host->cycle.outputs, &host->measured);
    cp_register_count(&host->energy, cp_circuit_power_mw(&host->circuit));
}

void cp_host_advance(cp_host *host, cp_ms ms) {
    for (cp_ms i = 0; i < ms; i++) {
        cp_host_turn_circuit(host);
        if (host->begun) {
            cp_cycle_tick(&host->cycle, host->now_ms, &host->measured);
        }
    }
}

void cp_host_power_cycle(cp_host *host) {
    cp_circuit_power_off(&host->circuit);
    cp_cycle_init(&host->cycle, &host->board, host->now_ms);
}
