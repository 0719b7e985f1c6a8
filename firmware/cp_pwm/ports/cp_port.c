#include "cp_port.h"

bool cp_port_same_board(const cp_board *a, const cp_board *b) {
    return a->rated_ma == b->rated_ma && a->simplified_cap_ma == b->simplified_cap_ma && a->tethered == b->tethered &&
           a->has_mirror == b->has_mirror && a->has_residual_test == b->has_residual_test &&
           a->has_temperature == b->has_temperature && a->has_disconnect == b->has_disconnect &&
           a->has_emergency_stop == b->has_emergency_stop && a->has_ground_monitor == b->has_ground_monitor;
}
