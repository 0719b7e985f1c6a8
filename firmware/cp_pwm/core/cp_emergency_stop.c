#include "cp_emergency_stop.h"

void cp_emergency_stop_init(cp_emergency_stop *emergency_stop, bool fitted) {
    *emergency_stop = (cp_emergency_stop){.fitted = fitted};
}

void cp_emergency_stop_tick(cp_emergency_stop *emergency_stop, bool stop, cp_state state) {
    if (emergency_stop->fitted && stop) {
        emergency_stop->pressed = true;
    } else if (state == CP_A) {
        emergency_stop->pressed = false;
    }
}

void cp_emergency_stop_clear(cp_emergency_stop *emergency_stop) {
    emergency_stop->pressed = false;
}
