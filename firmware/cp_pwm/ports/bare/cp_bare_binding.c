#include "cp_bare_binding.h"

#include "py/objint.h"
#include "py/runtime.h"

#include "cp_host.h"

/* Cortex-M's SysTick: counts down from its reload value with the processor's clock (ARMv7-M, B3.3). */
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018)
#define SYSTICK_MASK 0xFFFFFF
#define SYSTICK_ENABLED_BY_THE_PROCESSORS_CLOCK 5

static uint32_t systick_value(void) {
    return SYSTICK_VALUE;
}

/* A whole number that a machine word may be too small for. */
static cp_ms get_ms(mp_obj_t object) {
    if (mp_obj_is_small_int(object)) {
        return MP_OBJ_SMALL_INT_VALUE(object);
    }
    if (!mp_obj_is_exact_type(object, &mp_type_int)) {
        mp_raise_TypeError(MP_ERROR_TEXT("needs an int"));
    }
    uint8_t bytes[sizeof(cp_ms)];
    cp_ms value = 0;
    mp_obj_int_to_bytes_impl(object, true, sizeof bytes, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static mp_obj_t bare_begin_at(mp_obj_t ms) {
    cp_host *host = cp_host_machine();
    if (host->begun) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("before cp_pwm.init()"));
    }
    host->now_ms = get_ms(ms);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_bare_begin_at_obj, bare_begin_at);

static mp_obj_t bare_longest(mp_obj_t ms) {
    cp_host *host = cp_host_machine();
    if (!host->begun) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("cp_pwm.init() first"));
    }
    uint32_t longest = 0;
    SYSTICK_RELOAD = SYSTICK_MASK;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_ENABLED_BY_THE_PROCESSORS_CLOCK;
    for (mp_int_t left = mp_obj_get_int(ms); left > 0; left--) {
        cp_host_turn_circuit(host);
        const uint32_t before = systick_value();
        cp_cycle_tick(&host->cycle, host->now_ms, &host->measured);
        const uint32_t took = (before - systick_value()) & SYSTICK_MASK;
        longest = took > longest ? took : longest;
    }
    SYSTICK_CONTROL = 0;
    return mp_obj_new_int_from_uint(longest);
}
MP_DEFINE_CONST_FUN_OBJ_1(cp_bare_longest_obj, bare_longest);
