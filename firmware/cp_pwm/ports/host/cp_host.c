#include "cp_host.h"

#include <signal.h>
#include <time.h>

static cp_host machine = {.lock = PTHREAD_MUTEX_INITIALIZER};

cp_host *cp_host_machine(void) {
    return &machine;
}

void cp_host_lock(cp_host *host) {
    pthread_mutex_lock(&host->lock);
}

void cp_host_unlock(cp_host *host) {
    pthread_mutex_unlock(&host->lock);
}

void cp_host_advance(cp_host *host, cp_ms ms) {
    for (cp_ms i = 0; i < ms; i++) {
        host->now_ms++;
        cp_circuit_tick(&host->circuit, host->now_ms, &host->cycle.outputs, &host->measured);
        if (host->begun) {
            cp_cycle_tick(&host->cycle, host->now_ms, &host->measured);
        }
        cp_register_count(&host->energy, cp_circuit_power_mw(&host->circuit));
    }
}

static int64_t real_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *run(void *argument) {
    cp_host *host = argument;
    const struct timespec tick = {.tv_nsec = 1000000};
    const int64_t begin_ns = real_ns();
    cp_ms passed_ms = 0;
    for (;;) {
        nanosleep(&tick, NULL);
        cp_host_lock(host);
        if (!host->running) {
            cp_host_unlock(host);
            return NULL;
        }
        const cp_ms due_ms = (real_ns() - begin_ns) / 1000000 * host->speed;
        cp_host_advance(host, due_ms - passed_ms);
        passed_ms = due_ms;
        cp_host_unlock(host);
    }
}

bool cp_host_run(cp_host *host, int32_t speed) {
    cp_host_pause(host);
    host->speed = speed;
    host->running = true;
    /* Signals are the interpreter's. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    host->running = pthread_create(&host->thread, NULL, run, host) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return host->running;
}

void cp_host_pause(cp_host *host) {
    cp_host_lock(host);
    const bool running = host->running;
    host->running = false;
    cp_host_unlock(host);
    if (running) {
        pthread_join(host->thread, NULL);
    }
}

void cp_host_power_cycle(cp_host *host) {
    cp_circuit_power_off(&host->circuit);
    cp_cycle_init(&host->cycle, &host->board, host->now_ms);
}
