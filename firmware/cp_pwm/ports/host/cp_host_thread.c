/* What of cp_host.h an operating system is needed for. */
#include "cp_host.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;

void cp_host_lock(void) {
    pthread_mutex_lock(&mutex);
}

void cp_host_unlock(void) {
    pthread_mutex_unlock(&mutex);
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
        cp_host_lock();
        if (!host->running) {
            cp_host_unlock();
            return NULL;
        }
        const cp_ms due_ms = (real_ns() - begin_ns) / 1000000 * host->speed;
        cp_host_advance(host, due_ms - passed_ms);
        passed_ms = due_ms;
        cp_host_unlock();
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
    host->running = pthread_create(&thread, NULL, run, host) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return host->running;
}

void cp_host_pause(cp_host *host) {
    cp_host_lock();
    const bool running = host->running;
    host->running = false;
    cp_host_unlock();
    if (running) {
        pthread_join(thread, NULL);
    }
}

void cp_host_power_loss(void) {
    raise(SIGKILL);
}
