#include "cp_circuit_binding.h"

#include <errno.h>
#include <string.h>

#include "py/runtime.h"

#include "cp_host.h"
#include "cp_port.h"

static cp_host *begun(void) {
    if (cp_port_exchange() == NULL) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("cp_pwm.init() first"));
    }
    return cp_host_machine();
}

/* The machine while its time stands still. */
static cp_host *paused(void) {
    cp_host *host = begun();
    if (host->running) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("circuit_pause() first"));
    }
    return host;
}

/* NULL if there is no such field. */
static int32_t *find(cp_circuit *circuit, const char *name) {
#define FIELD(field, value)        \
    if (strcmp(name, #field) == 0) { \
        return &circuit->field;    \
    }
    CP_CIRCUIT_FIELDS(FIELD)
#undef FIELD
    return NULL;
}

static void no_such_field(const char *name) {
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the circuit has no %s"), name);
}

static mp_obj_t circuit_set(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    (void)n_args;
    (void)args;
    cp_host *host = begun();
    for (size_t i = 0; i < kw_args->alloc; i++) {
        if (!mp_map_slot_is_filled(kw_args, i)) {
            continue;
        }
        const char *name = mp_obj_str_get_str(kw_args->table[i].key);
        const mp_int_t value = mp_obj_get_int(kw_args->table[i].value);
        int32_t *field = find(&host->circuit, name);
        if (field != NULL) {
            cp_host_lock();
            *field = (int32_t)value;
            cp_host_unlock();
        } else {
            no_such_field(name);
        }
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(cp_circuit_set_obj, 0, circuit_set);

/* What has come of the circuit; false if there is no such thing. */
static bool result(const cp_host *host, const char *name, int64_t *value) {
    const cp_circuit *circuit = &host->circuit;
    const struct {
        const char *name;
        int64_t value;
    } results[] = {
        {"now_ms", host->now_ms},
        {"closed", circuit->closed},
        {"coil", host->cycle.outputs.contactor},
        {"residual_test", host->cycle.outputs.residual_test},
        {"current_ma", cp_circuit_current_ma(circuit)},
        {"s2_closed", circuit->s2_closed},
    };
    for (size_t i = 0; i < MP_ARRAY_SIZE(results); i++) {
        if (strcmp(name, results[i].name) == 0) {
            *value = results[i].value;
            return true;
        }
    }
    return false;
}

static mp_obj_t circuit_get(mp_obj_t name_object) {
    cp_host *host = begun();
    const char *name = mp_obj_str_get_str(name_object);
    int64_t value = 0;
    cp_host_lock();
    const int32_t *field = find(&host->circuit, name);
    const bool found = field != NULL || result(host, name, &value);
    if (field != NULL) {
        value = *field;
    }
    cp_host_unlock();
    if (!found) {
        no_such_field(name);
    }
    return mp_obj_new_int_from_ll(value);
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_circuit_get_obj, circuit_get);

static mp_obj_t circuit_energy_wh(void) {
    cp_host *host = begun();
    cp_host_lock();
    const int64_t energy_uj = *host->energy.energy_uj;
    cp_host_unlock();
    return mp_obj_new_int_from_ll(energy_uj / CP_REGISTER_UJ_PER_WH);
}
MP_DEFINE_CONST_FUN_OBJ_0(cp_circuit_energy_wh_obj, circuit_energy_wh);

static mp_obj_t circuit_energy_in(mp_obj_t path) {
    cp_host *host = begun();
    cp_host_lock();
    const bool kept = cp_register_keep_in(&host->energy, mp_obj_str_get_str(path));
    cp_host_unlock();
    if (!kept) {
        mp_raise_OSError(errno);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_circuit_energy_in_obj, circuit_energy_in);

static mp_obj_t circuit_advance(mp_obj_t ms) {
    cp_host *host = paused();
    const mp_int_t passed_ms = mp_obj_get_int(ms);
    cp_host_lock();
    cp_host_advance(host, passed_ms);
    cp_host_unlock();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_circuit_advance_obj, circuit_advance);

static mp_obj_t circuit_run(mp_obj_t speed) {
    cp_host *host = begun();
    const mp_int_t times = mp_obj_get_int(speed);
    if (times < 1 || times > CP_HOST_MAX_SPEED) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("speed is 1 to %d"), CP_HOST_MAX_SPEED);
    }
    if (!cp_host_run(host, (int32_t)times)) {
        mp_raise_OSError(EAGAIN);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_circuit_run_obj, circuit_run);

static mp_obj_t circuit_pause(void) {
    cp_host_pause(begun());
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(cp_circuit_pause_obj, circuit_pause);

static mp_obj_t circuit_power_cycle(void) {
    cp_host *host = paused();
    cp_host_lock();
    cp_host_power_cycle(host);
    cp_host_unlock();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(cp_circuit_power_cycle_obj, circuit_power_cycle);

static mp_obj_t circuit_power_loss(void) {
    cp_host_power_loss();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(cp_circuit_power_loss_obj, circuit_power_loss);

static mp_obj_t circuit_can_put(mp_obj_t id, mp_obj_t data) {
    cp_host *host = begun();
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    const mp_int_t number = mp_obj_get_int(id);
    cp_host_lock();
    cp_can_put(&host->can_received, (uint32_t)number, buffer.buf, (uint8_t)MIN(buffer.len, UINT8_MAX));
    cp_host_unlock();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(cp_circuit_can_put_obj, circuit_can_put);

static mp_obj_t circuit_can_sent(mp_obj_t object) {
    cp_host *host = begun();
    mp_buffer_info_t buffer;
    cp_can_frame frame;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_WRITE);
    if (buffer.len < CP_CAN_BYTES + 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("needs a buffer of 9 bytes"));
    }
    cp_host_lock();
    const bool taken = cp_can_take(&host->can_sent, &frame);
    cp_host_unlock();
    if (!taken) {
        return mp_const_none;
    }
    memcpy(buffer.buf, frame.data, CP_CAN_BYTES);
    ((uint8_t *)buffer.buf)[CP_CAN_BYTES] = frame.length;
    return MP_OBJ_NEW_SMALL_INT(frame.id);
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_circuit_can_sent_obj, circuit_can_sent);
