/* What the module has more where nothing but the processor is: its clock at any time, and the core's cost. */
#ifndef CP_BARE_BINDING_H
#define CP_BARE_BINDING_H

#include "py/obj.h"

/* bare_begin_at(ms): let the machine's time begin there. Before init() only, else RuntimeError. */
MP_DECLARE_CONST_FUN_OBJ_1(cp_bare_begin_at_obj);
/* bare_longest(ms): let virtual time pass, like circuit_advance; return what the longest turn of the safety loop took,
 * in periods of the processor's clock (SysTick). */
MP_DECLARE_CONST_FUN_OBJ_1(cp_bare_longest_obj);

#define CP_BARE_FUNCTIONS                                                        \
    {MP_ROM_QSTR(MP_QSTR_bare_begin_at), MP_ROM_PTR(&cp_bare_begin_at_obj)},     \
    {MP_ROM_QSTR(MP_QSTR_bare_longest), MP_ROM_PTR(&cp_bare_longest_obj)},

#endif
