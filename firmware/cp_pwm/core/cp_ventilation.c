#include "cp_ventilation.h"

void cp_ventilation_init(cp_ventilation *ventilation) {
    ventilation->required = false;
}

void cp_ventilation_tick(cp_ventilation *ventilation, cp_state state) {
    if (state == CP_D) {
        ventilation->required = true;
    } else if (state == CP_A) {
        ventilation->required = false;
    }
}

void cp_ventilation_clear(cp_ventilation *ventilation) {
    ventilation->required = false;
}
