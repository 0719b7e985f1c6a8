#include "cp_exchange.h"

void cp_exchange_init(cp_exchange *exchange) {
    cp_requests *requests = &exchange->requests;
    atomic_init(&requests->offer_ma, 0);
    atomic_init(&requests->temperature_mc, CP_TEMPERATURE_UNKNOWN);
    atomic_init(&requests->temperature_count, 0);
    atomic_init(&requests->heartbeat_count, 0);
    atomic_init(&requests->interpreter_count, 0);
    atomic_init(&requests->clear_count, 0);
    atomic_init(&requests->permit, false);
    atomic_init(&requests->available, true);
    atomic_init(&requests->disconnect, false);
    atomic_init(&exchange->version, 0);
    for (int i = 0; i < CP_REPORT_WORDS; i++) {
        atomic_init(&exchange->report[i], 0);
    }
}

void cp_exchange_restart(cp_exchange *exchange) {
    cp_requests *requests = &exchange->requests;
    atomic_store(&requests->permit, false);
    atomic_store(&requests->offer_ma, 0);
    atomic_store(&requests->disconnect, false);
    atomic_store(&requests->available, true);
    atomic_store(&requests->temperature_mc, CP_TEMPERATURE_UNKNOWN);
    atomic_fetch_add(&requests->temperature_count, 1);
    atomic_fetch_add(&requests->interpreter_count, 1);
}

void cp_exchange_publish(cp_exchange *exchange, const int32_t words[CP_REPORT_WORDS]) {
    const uint32_t version = atomic_load_explicit(&exchange->version, memory_order_relaxed);
    atomic_store_explicit(&exchange->version, version + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < CP_REPORT_WORDS; i++) {
        atomic_store_explicit(&exchange->report[i], words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&exchange->version, version + 2, memory_order_release);
}

void cp_exchange_read(const cp_exchange *exchange, int32_t words[CP_REPORT_WORDS]) {
    uint32_t before;
    uint32_t after;
    do {
        before = atomic_load_explicit(&exchange->version, memory_order_acquire);
        for (int i = 0; i < CP_REPORT_WORDS; i++) {
            words[i] = atomic_load_explicit(&exchange->report[i], memory_order_relaxed);
        }
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&exchange->version, memory_order_relaxed);
    } while (before != after || before % 2 != 0);
}
