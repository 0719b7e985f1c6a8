/* What the module has more on a host: the hands of a test, or of somebody at a desk, on the virtual circuit. */
#ifndef CP_CIRCUIT_BINDING_H
#define CP_CIRCUIT_BINDING_H

#include "py/obj.h"

/* circuit_set(name=value, …): change the circuit, now; names as in cp_circuit.h. Raises ValueError for any other. */
MP_DECLARE_CONST_FUN_OBJ_KW(cp_circuit_set_obj);
/* circuit_get(name): a field of the circuit, or now_ms, closed, coil, residual_test, current_ma, s2_closed. */
MP_DECLARE_CONST_FUN_OBJ_1(cp_circuit_get_obj);
/* circuit_energy_wh(): what has really flowed, whole Wh. */
MP_DECLARE_CONST_FUN_OBJ_0(cp_circuit_energy_wh_obj);
/* circuit_energy_in(path): keep that register in a file from now on. Raises OSError. */
MP_DECLARE_CONST_FUN_OBJ_1(cp_circuit_energy_in_obj);
/* circuit_advance(ms): let virtual time pass, while it stands still. */
MP_DECLARE_CONST_FUN_OBJ_1(cp_circuit_advance_obj);
/* circuit_run(speed): let it run by itself, so many times as fast as real time. */
MP_DECLARE_CONST_FUN_OBJ_1(cp_circuit_run_obj);
/* circuit_pause(): let it stand still again. */
MP_DECLARE_CONST_FUN_OBJ_0(cp_circuit_pause_obj);
/* circuit_power_cycle(): switch the charger off and on; the interpreter goes on. */
MP_DECLARE_CONST_FUN_OBJ_0(cp_circuit_power_cycle_obj);
/* circuit_power_loss(): kill this process, as kill -9 does. */
MP_DECLARE_CONST_FUN_OBJ_0(cp_circuit_power_loss_obj);
/* circuit_can_put(id, bytes): a frame arrives from the bus. */
MP_DECLARE_CONST_FUN_OBJ_2(cp_circuit_can_put_obj);
/* circuit_can_sent(buffer): like can_receive, for what was sent. */
MP_DECLARE_CONST_FUN_OBJ_1(cp_circuit_can_sent_obj);

#define CP_CIRCUIT_FUNCTIONS                                                             \
    {MP_ROM_QSTR(MP_QSTR_circuit_set), MP_ROM_PTR(&cp_circuit_set_obj)},                 \
    {MP_ROM_QSTR(MP_QSTR_circuit_get), MP_ROM_PTR(&cp_circuit_get_obj)},                 \
    {MP_ROM_QSTR(MP_QSTR_circuit_energy_wh), MP_ROM_PTR(&cp_circuit_energy_wh_obj)},     \
    {MP_ROM_QSTR(MP_QSTR_circuit_energy_in), MP_ROM_PTR(&cp_circuit_energy_in_obj)},     \
    {MP_ROM_QSTR(MP_QSTR_circuit_advance), MP_ROM_PTR(&cp_circuit_advance_obj)},         \
    {MP_ROM_QSTR(MP_QSTR_circuit_run), MP_ROM_PTR(&cp_circuit_run_obj)},                 \
    {MP_ROM_QSTR(MP_QSTR_circuit_pause), MP_ROM_PTR(&cp_circuit_pause_obj)},             \
    {MP_ROM_QSTR(MP_QSTR_circuit_power_cycle), MP_ROM_PTR(&cp_circuit_power_cycle_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_circuit_power_loss), MP_ROM_PTR(&cp_circuit_power_loss_obj)},   \
    {MP_ROM_QSTR(MP_QSTR_circuit_can_put), MP_ROM_PTR(&cp_circuit_can_put_obj)},         \
    {MP_ROM_QSTR(MP_QSTR_circuit_can_sent), MP_ROM_PTR(&cp_circuit_can_sent_obj)},

#endif
