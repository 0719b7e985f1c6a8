#include "cp_register.h"

void cp_register_init(cp_register *energy) {
    energy->own_uj = 0;
    energy->energy_uj = &energy->own_uj;
}

/* mW over a millisecond are as many microjoules. */
void cp_register_count(cp_register *energy, int64_t power_mw) {
    *energy->energy_uj += power_mw;
}
