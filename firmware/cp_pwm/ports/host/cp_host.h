/* The machine of a port without hardware: core, virtual circuit, register and time.
 *
 * Time is virtual. It stands still unless somebody advances it, or lets it run: then a thread of its own ticks every
 * millisecond of it, whatever the interpreter does, as the safety task on core 0 does on ESP32. Everything here takes
 * the machine's lock; the application's requests and reports do not need it.
 *
 * Locks, threads and the end of the process are cp_host_thread.c's on a host; ports/bare has none of them. */
#ifndef CP_HOST_H
#define CP_HOST_H

#include "cp_can.h"
#include "cp_circuit.h"
#include "cp_register.h"

#define CP_HOST_MAX_SPEED 1000

typedef struct {
    cp_board board;
    cp_cycle cycle;
    cp_circuit circuit;
    cp_register energy;
    cp_measured measured;
    cp_can_ring can_received;
    cp_can_ring can_sent;
    cp_ms now_ms;
    int32_t speed; /* virtual milliseconds per real one */
    bool can_started;
    bool begun;
    bool running;
} cp_host;

/* The only machine there is. */
cp_host *cp_host_machine(void);

void cp_host_lock(void);

void cp_host_unlock(void);

/* Let a millisecond pass for the circuit, not yet for the core. The caller has the lock. */
void cp_host_turn_circuit(cp_host *host);

/* Let so many milliseconds pass. The caller has the lock. */
void cp_host_advance(cp_host *host, cp_ms ms);

/* Let time run by itself, speed times as fast as real time (1 to CP_HOST_MAX_SPEED). False without a thread. */
bool cp_host_run(cp_host *host, int32_t speed);

/* Let time stand still again. */
void cp_host_pause(cp_host *host);

/* Lose power: nothing more is executed. */
void cp_host_power_loss(void);

/* Switch off and on: the core begins anew with the same board; circuit, register and time stay. */
void cp_host_power_cycle(cp_host *host);

#endif
