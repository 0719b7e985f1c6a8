#include "cp_events.h"

#include "cp_exchange.h"

void cp_events_init(cp_events *events) {
    atomic_init(&events->written, 0);
    atomic_init(&events->read, 0);
    atomic_init(&events->overruns, 0);
}

void cp_events_put(cp_events *events, cp_ms now_ms, cp_event_kind kind, int32_t value) {
    const uint32_t written = atomic_load_explicit(&events->written, memory_order_relaxed);
    const uint32_t read = atomic_load_explicit(&events->read, memory_order_acquire);
    if (written - read >= CP_EVENTS_SIZE) {
        atomic_fetch_add_explicit(&events->overruns, 1, memory_order_relaxed);
        return;
    }
    events->ring[written % CP_EVENTS_SIZE] = (cp_event){
        .uptime_ms = (int32_t)(now_ms & CP_REPORT_MASK),
        .kind = (int32_t)kind,
        .value = value,
    };
    atomic_store_explicit(&events->written, written + 1, memory_order_release);
}

bool cp_events_take(cp_events *events, cp_event *event) {
    const uint32_t read = atomic_load_explicit(&events->read, memory_order_relaxed);
    if (read == atomic_load_explicit(&events->written, memory_order_acquire)) {
        return false;
    }
    *event = events->ring[read % CP_EVENTS_SIZE];
    atomic_store_explicit(&events->read, read + 1, memory_order_release);
    return true;
}

uint32_t cp_events_overruns(const cp_events *events) {
    return atomic_load_explicit(&events->overruns, memory_order_relaxed);
}
