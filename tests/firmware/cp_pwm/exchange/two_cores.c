/* Exchange and event ring with a thread on each side, as they have a core on each side on ESP32. To be built with a
 * thread sanitizer; exit code 1 for a report or an event that is not of one piece. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cp_events.h"
#include "cp_exchange.h"

#define ROUNDS 200000

static cp_exchange exchange;
static cp_events events;
static _Atomic bool done;

static void *safety_loop(void *unused) {
    for (int32_t round = 1; round <= ROUNDS; round++) {
        int32_t words[CP_REPORT_WORDS];
        for (int i = 0; i < CP_REPORT_WORDS; i++) {
            words[i] = round * (i + 1) % 1000003;
        }
        cp_exchange_publish(&exchange, words);
        cp_events_put(&events, round, CP_EVENT_STATE, round);
    }
    atomic_store(&done, true);
    return unused;
}

static void fail(const char *what, int32_t value) {
    printf("%s: %d\n", what, (int)value);
    exit(1);
}

int main(void) {
    pthread_t thread;
    int32_t last_round = 0;
    int32_t last_event = 0;
    uint32_t taken = 0;
    cp_exchange_init(&exchange);
    cp_events_init(&events);
    if (pthread_create(&thread, NULL, safety_loop, NULL) != 0) {
        fail("no thread", 0);
    }
    for (bool last = false; !last;) {
        int32_t words[CP_REPORT_WORDS];
        cp_event event;
        last = atomic_load(&done);
        cp_exchange_read(&exchange, words);
        for (int i = 0; i < CP_REPORT_WORDS; i++) {
            if (words[i] != words[0] * (i + 1) % 1000003) {
                fail("a report of two moments", words[0]);
            }
        }
        if (words[0] < last_round) {
            fail("a report of the past", words[0]);
        }
        last_round = words[0];
        while (cp_events_take(&events, &event)) {
            if (event.value <= last_event || event.uptime_ms != event.value) {
                fail("an event out of order or torn", event.value);
            }
            last_event = event.value;
            taken++;
        }
    }
    pthread_join(thread, NULL);
    if (taken + cp_events_overruns(&events) != ROUNDS || taken == 0 || last_round != ROUNDS) {
        fail("events taken", (int32_t)taken);
    }
    return 0;
}
