/* Cars that ask for ventilation are refused, until they have gone. */
#ifndef CP_VENTILATION_H
#define CP_VENTILATION_H

#include "cp_types.h"

typedef struct {
    bool required;
} cp_ventilation;

void cp_ventilation_init(cp_ventilation *ventilation);

void cp_ventilation_tick(cp_ventilation *ventilation, cp_state state);

void cp_ventilation_clear(cp_ventilation *ventilation);

#endif
