#include "cp_proximity.h"

#include <stddef.h>

#define GONE_MS 50
#define RATING_MS 250

typedef struct {
    int32_t below_ohm;
    int32_t rating_ma;
} band;

static const band bands[] = {{75, CP_SHORT_MA}, {150, 63000}, {330, 32000}, {1000, 20000}, {2201, 13000}};

static int32_t cable_ma(int32_t ohm) {
    for (size_t i = 0; i < sizeof bands / sizeof bands[0]; i++) {
        if (ohm < bands[i].below_ohm) {
            return bands[i].rating_ma;
        }
    }
    return 0;
}

void cp_proximity_init(cp_proximity *proximity, int32_t tethered_ma) {
    *proximity = (cp_proximity){
        .rating_ma = tethered_ma,
        .seen_ma = tethered_ma,
        .tethered = tethered_ma != 0,
    };
}

static bool is_pending(const cp_proximity *proximity, bool contactor) {
    if (proximity->seen_ma > 0 && proximity->seen_ma > proximity->rating_ma) {
        return !contactor;
    }
    return proximity->seen_ma != proximity->rating_ma;
}

void cp_proximity_tick(cp_proximity *proximity, cp_ms now_ms, int32_t ohm, bool contactor) {
    if (proximity->tethered) {
        return;
    }
    const int32_t seen_ma = cable_ma(ohm);
    const cp_ms needed_ms = seen_ma <= 0 ? GONE_MS : RATING_MS;
    if (seen_ma != proximity->seen_ma) {
        proximity->seen_ma = seen_ma;
        proximity->seen_since_ms = now_ms;
    }
    if (is_pending(proximity, contactor) && now_ms - proximity->seen_since_ms >= needed_ms) {
        proximity->rating_ma = seen_ma;
    }
}

int32_t cp_proximity_usable_ma(const cp_proximity *proximity) {
    return proximity->rating_ma > 0 ? proximity->rating_ma : 0;
}
