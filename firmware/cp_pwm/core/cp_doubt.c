#include "cp_doubt.h"

void cp_doubt_init(cp_doubt *doubt, cp_ms limit_ms) {
    *doubt = (cp_doubt){.limit_ms = limit_ms};
}

bool cp_doubt_tick(cp_doubt *doubt, cp_ms now_ms, bool wrong) {
    const cp_ms elapsed_ms = now_ms - doubt->since_ms;
    if (doubt->wrong) {
        doubt->value_ms += elapsed_ms;
    } else {
        doubt->value_ms = doubt->value_ms > elapsed_ms ? doubt->value_ms - elapsed_ms : 0;
    }
    doubt->since_ms = now_ms;
    doubt->wrong = wrong;
    if (doubt->value_ms < doubt->limit_ms) {
        return false;
    }
    doubt->value_ms = 0;
    return true;
}
