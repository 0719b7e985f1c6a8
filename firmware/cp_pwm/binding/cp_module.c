/* The module cp_pwm as MicroPython sees it: requests, a report, a ring of events, CAN frames.
 *
 * Nothing here allocates: what is read goes into storage that the caller keeps. Nothing here is called back: the
 * application polls, because mp_sched_schedule drops calls under load and asyncio sleeps through them. */
#include <string.h>

#include "py/obj.h"
#include "py/runtime.h"

#include "cp_port.h"

#ifdef CP_PORT_BARE
#include "cp_bare_binding.h"
#else
#define CP_BARE_FUNCTIONS
#endif

#ifdef CP_PORT_HOST
#include "cp_circuit_binding.h"
#define PORT_FUNCTIONS CP_CIRCUIT_FUNCTIONS CP_BARE_FUNCTIONS
#else
#define PORT_FUNCTIONS
#endif

#define MAX_MA 1000000

static cp_exchange *exchange(void) {
    cp_exchange *found = cp_port_exchange();
    if (found == NULL) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("cp_pwm.init() first"));
    }
    return found;
}

static int32_t get_int(mp_obj_t object, mp_int_t low, mp_int_t high) {
    const mp_int_t value = mp_obj_get_int(object);
    if (value < low || value > high) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%d is not within %d to %d"), value, low, high);
    }
    return (int32_t)value;
}

/* An array('i') of at least so many items, to be written to. */
static int32_t *get_words(mp_obj_t object, size_t count) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_WRITE);
    if (buffer.typecode != 'i' || buffer.len < count * sizeof(int32_t)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("needs an array('i') of %d"), (int)count);
    }
    return buffer.buf;
}

/* init(rated_ma, tethered, has_mirror, …): what the board is, as in cp_board, once per start of the interpreter.
 * Raises ValueError when it is another board than before: that takes a power cycle. */
static mp_obj_t init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    enum {
        RATED_MA,
        TETHERED,
        HAS_MIRROR,
        HAS_RESIDUAL_TEST,
        SIMPLIFIED_CAP_MA,
        HAS_TEMPERATURE,
        HAS_DISCONNECT,
        HAS_EMERGENCY_STOP,
        HAS_GROUND_MONITOR,
        COUNT
    };
    static const mp_arg_t allowed[COUNT] = {
        {MP_QSTR_rated_ma, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
        {MP_QSTR_tethered, MP_ARG_BOOL, {.u_bool = false}},
        {MP_QSTR_has_mirror, MP_ARG_BOOL, {.u_bool = true}},
        {MP_QSTR_has_residual_test, MP_ARG_BOOL, {.u_bool = true}},
        {MP_QSTR_simplified_cap_ma, MP_ARG_INT, {.u_int = 0}},
        {MP_QSTR_has_temperature, MP_ARG_BOOL, {.u_bool = true}},
        {MP_QSTR_has_disconnect, MP_ARG_BOOL, {.u_bool = false}},
        {MP_QSTR_has_emergency_stop, MP_ARG_BOOL, {.u_bool = false}},
        {MP_QSTR_has_ground_monitor, MP_ARG_BOOL, {.u_bool = false}},
    };
    mp_arg_val_t values[COUNT];
    mp_arg_parse_all(n_args, args, kw_args, COUNT, allowed, values);
    const cp_board board = {
        .rated_ma = get_int(values[RATED_MA].u_obj, 0, MAX_MA),
        .simplified_cap_ma = (int32_t)values[SIMPLIFIED_CAP_MA].u_int,
        .tethered = values[TETHERED].u_bool,
        .has_mirror = values[HAS_MIRROR].u_bool,
        .has_residual_test = values[HAS_RESIDUAL_TEST].u_bool,
        .has_temperature = values[HAS_TEMPERATURE].u_bool,
        .has_disconnect = values[HAS_DISCONNECT].u_bool,
        .has_emergency_stop = values[HAS_EMERGENCY_STOP].u_bool,
        .has_ground_monitor = values[HAS_GROUND_MONITOR].u_bool,
    };
    if (!cp_port_begin(&board)) {
        mp_raise_ValueError(MP_ERROR_TEXT("another board than before: switch the power off and on"));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(init_obj, 1, init);

/* snapshot(array): fill an array('i') of WORDS with the newest report. */
static mp_obj_t snapshot(mp_obj_t array) {
    cp_exchange_read(exchange(), get_words(array, CP_REPORT_WORDS));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(snapshot_obj, snapshot);

/* event(array): fill an array('i') of 3 with the oldest event, uptime_ms, kind, value; False if there is none. */
static mp_obj_t event(mp_obj_t array) {
    int32_t *words = get_words(array, 3);
    cp_event taken;
    exchange();
    if (!cp_events_take(cp_port_events(), &taken)) {
        return mp_const_false;
    }
    words[0] = taken.uptime_ms;
    words[1] = taken.kind;
    words[2] = taken.value;
    return mp_const_true;
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_obj, event);

/* event_overruns(): events that found no room in the ring since boot. */
static mp_obj_t event_overruns(void) {
    exchange();
    return mp_obj_new_int_from_uint(cp_events_overruns(cp_port_events()) & CP_REPORT_MASK);
}
static MP_DEFINE_CONST_FUN_OBJ_0(event_overruns_obj, event_overruns);

/* offer(ma): largest current to be offered; below 6 A there is no PWM. */
static mp_obj_t offer(mp_obj_t current_ma) {
    atomic_store(&exchange()->requests.offer_ma, get_int(current_ma, 0, MAX_MA));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(offer_obj, offer);

/* permit(bool): whether the contactor may close when the car asks. */
static mp_obj_t permit(mp_obj_t allowed) {
    atomic_store(&exchange()->requests.permit, mp_obj_is_true(allowed));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(permit_obj, permit);

/* available(bool): False shows state F to the car as soon as the contactor is open. */
static mp_obj_t available(mp_obj_t is_available) {
    atomic_store(&exchange()->requests.available, mp_obj_is_true(is_available));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(available_obj, available);

/* disconnect(bool): True takes the pilot away from the car while the contactor is open and nothing is permitted. */
static mp_obj_t disconnect(mp_obj_t off) {
    atomic_store(&exchange()->requests.disconnect, mp_obj_is_true(off));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(disconnect_obj, disconnect);

/* temperature(millicelsius): the hottest sensor of the enclosure, or None while it is unknown. */
static mp_obj_t temperature(mp_obj_t millicelsius) {
    cp_requests *requests = &exchange()->requests;
    const bool known = millicelsius != mp_const_none;
    atomic_store(&requests->temperature_mc, known ? get_int(millicelsius, -100000, 1000000) : CP_TEMPERATURE_UNKNOWN);
    atomic_fetch_add(&requests->temperature_count, 1);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(temperature_obj, temperature);

/* heartbeat(): the application is alive; at least every 2 s. */
static mp_obj_t heartbeat(void) {
    atomic_fetch_add(&exchange()->requests.heartbeat_count, 1);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(heartbeat_obj, heartbeat);

/* clear_faults(): try again after latched faults that may be cleared. */
static mp_obj_t clear_faults(void) {
    atomic_fetch_add(&exchange()->requests.clear_count, 1);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(clear_faults_obj, clear_faults);

/* can_start(bitrate, tx_gpio, rx_gpio): start the CAN bus, or start it again. Raises ValueError if it cannot be. */
static mp_obj_t can_start(mp_obj_t bitrate, mp_obj_t tx_gpio, mp_obj_t rx_gpio) {
    if (!cp_port_can_start(get_int(bitrate, 0, 1000000), get_int(tx_gpio, -1, 63), get_int(rx_gpio, -1, 63))) {
        mp_raise_ValueError(MP_ERROR_TEXT("no such bit rate or pins"));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(can_start_obj, can_start);

/* can_receive(buffer): take the oldest frame: its id, or None if there is none. The buffer holds 9 bytes: 8 of data,
 * zero behind the frame's end, and the frame's length. */
static mp_obj_t can_receive(mp_obj_t object) {
    mp_buffer_info_t buffer;
    cp_can_frame frame;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_WRITE);
    if (buffer.len < CP_CAN_BYTES + 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("needs a buffer of 9 bytes"));
    }
    if (!cp_port_can_take(&frame)) {
        return mp_const_none;
    }
    memcpy(buffer.buf, frame.data, CP_CAN_BYTES);
    ((uint8_t *)buffer.buf)[CP_CAN_BYTES] = frame.length;
    return MP_OBJ_NEW_SMALL_INT(frame.id);
}
static MP_DEFINE_CONST_FUN_OBJ_1(can_receive_obj, can_receive);

/* can_send(id, bytes): queue a frame of at most 8 bytes, in the extended format if the id needs it; False if it could
 * not be queued. */
static mp_obj_t can_send(mp_obj_t id, mp_obj_t data) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    if (buffer.len > CP_CAN_BYTES) {
        mp_raise_ValueError(MP_ERROR_TEXT("a CAN frame has at most 8 bytes"));
    }
    cp_can_frame frame = {.id = (uint32_t)get_int(id, 0, CP_CAN_MAX_ID), .length = (uint8_t)buffer.len};
    memcpy(frame.data, buffer.buf, buffer.len);
    return mp_obj_new_bool(cp_port_can_send(&frame));
}
static MP_DEFINE_CONST_FUN_OBJ_2(can_send_obj, can_send);

/* can_overruns(): received frames that were lost since can_start. */
static mp_obj_t can_overruns(void) {
    return mp_obj_new_int_from_uint(cp_port_can_overruns() & CP_REPORT_MASK);
}
static MP_DEFINE_CONST_FUN_OBJ_0(can_overruns_obj, can_overruns);

static const mp_rom_map_elem_t globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_cp_pwm)},
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&init_obj)},
    {MP_ROM_QSTR(MP_QSTR_snapshot), MP_ROM_PTR(&snapshot_obj)},
    {MP_ROM_QSTR(MP_QSTR_event), MP_ROM_PTR(&event_obj)},
    {MP_ROM_QSTR(MP_QSTR_event_overruns), MP_ROM_PTR(&event_overruns_obj)},
    {MP_ROM_QSTR(MP_QSTR_offer), MP_ROM_PTR(&offer_obj)},
    {MP_ROM_QSTR(MP_QSTR_permit), MP_ROM_PTR(&permit_obj)},
    {MP_ROM_QSTR(MP_QSTR_available), MP_ROM_PTR(&available_obj)},
    {MP_ROM_QSTR(MP_QSTR_disconnect), MP_ROM_PTR(&disconnect_obj)},
    {MP_ROM_QSTR(MP_QSTR_temperature), MP_ROM_PTR(&temperature_obj)},
    {MP_ROM_QSTR(MP_QSTR_heartbeat), MP_ROM_PTR(&heartbeat_obj)},
    {MP_ROM_QSTR(MP_QSTR_clear_faults), MP_ROM_PTR(&clear_faults_obj)},
    {MP_ROM_QSTR(MP_QSTR_can_start), MP_ROM_PTR(&can_start_obj)},
    {MP_ROM_QSTR(MP_QSTR_can_receive), MP_ROM_PTR(&can_receive_obj)},
    {MP_ROM_QSTR(MP_QSTR_can_send), MP_ROM_PTR(&can_send_obj)},
    {MP_ROM_QSTR(MP_QSTR_can_overruns), MP_ROM_PTR(&can_overruns_obj)},
    /* Places in the report. */
    {MP_ROM_QSTR(MP_QSTR_CHANGES), MP_ROM_INT(CP_REPORT_CHANGES)},
    {MP_ROM_QSTR(MP_QSTR_STATE), MP_ROM_INT(CP_REPORT_STATE)},
    {MP_ROM_QSTR(MP_QSTR_COIL), MP_ROM_INT(CP_REPORT_COIL)},
    {MP_ROM_QSTR(MP_QSTR_CLOSED), MP_ROM_INT(CP_REPORT_CLOSED)},
    {MP_ROM_QSTR(MP_QSTR_CABLE_MA), MP_ROM_INT(CP_REPORT_CABLE_MA)},
    {MP_ROM_QSTR(MP_QSTR_OFFERED_MA), MP_ROM_INT(CP_REPORT_OFFERED_MA)},
    {MP_ROM_QSTR(MP_QSTR_DERATED_MA), MP_ROM_INT(CP_REPORT_DERATED_MA)},
    {MP_ROM_QSTR(MP_QSTR_DUTY), MP_ROM_INT(CP_REPORT_DUTY)},
    {MP_ROM_QSTR(MP_QSTR_HIGH_MV), MP_ROM_INT(CP_REPORT_HIGH_MV)},
    {MP_ROM_QSTR(MP_QSTR_LOW_MV), MP_ROM_INT(CP_REPORT_LOW_MV)},
    {MP_ROM_QSTR(MP_QSTR_FAULTS), MP_ROM_INT(CP_REPORT_FAULTS)},
    {MP_ROM_QSTR(MP_QSTR_LOCKED), MP_ROM_INT(CP_REPORT_LOCKED)},
    {MP_ROM_QSTR(MP_QSTR_UPTIME_MS), MP_ROM_INT(CP_REPORT_UPTIME_MS)},
    {MP_ROM_QSTR(MP_QSTR_WORDS), MP_ROM_INT(CP_REPORT_WORDS)},
    /* Kinds of events. */
    {MP_ROM_QSTR(MP_QSTR_EVENT_STATE), MP_ROM_INT(CP_EVENT_STATE)},
    {MP_ROM_QSTR(MP_QSTR_EVENT_COIL), MP_ROM_INT(CP_EVENT_COIL)},
    {MP_ROM_QSTR(MP_QSTR_EVENT_MIRROR), MP_ROM_INT(CP_EVENT_MIRROR)},
    {MP_ROM_QSTR(MP_QSTR_EVENT_OFFERED), MP_ROM_INT(CP_EVENT_OFFERED)},
    {MP_ROM_QSTR(MP_QSTR_EVENT_FAULTS), MP_ROM_INT(CP_EVENT_FAULTS)},
    PORT_FUNCTIONS
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t cp_pwm_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};

MP_REGISTER_MODULE(MP_QSTR_cp_pwm, cp_pwm_module);
