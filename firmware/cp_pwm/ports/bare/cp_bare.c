/* cp_host.h, cp_register.h and MicroPython's clock without an operating system: nothing runs beside the interpreter,
 * there are no files, and time is the machine's. */
#include <errno.h>
#include <stdlib.h>

#include "py/mphal.h"

#include "cp_host.h"

void cp_host_lock(void) {
}

void cp_host_unlock(void) {
}

bool cp_host_run(cp_host *host, int32_t speed) {
    (void)host;
    (void)speed;
    return false;
}

void cp_host_pause(cp_host *host) {
    (void)host;
}

void cp_host_power_loss(void) {
    exit(1);
}

bool cp_register_keep_in(cp_register *energy, const char *path) {
    (void)energy;
    (void)path;
    errno = ENOSYS;
    return false;
}

/* The C library's place for errno, which comes with an operating system. */
int *__errno(void) {
    static int number;
    return &number;
}

mp_uint_t mp_hal_ticks_ms(void) {
    return (mp_uint_t)cp_host_machine()->now_ms;
}

mp_uint_t mp_hal_ticks_us(void) {
    return mp_hal_ticks_ms() * 1000;
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return mp_hal_ticks_us();
}

/* For the times of files: there is no date. */
uint64_t mp_hal_time_ns(void) {
    return (uint64_t)cp_host_machine()->now_ms * 1000000;
}

void mp_hal_delay_ms(mp_uint_t ms) {
    cp_host_advance(cp_host_machine(), ms);
}

void mp_hal_delay_us(mp_uint_t us) {
    mp_hal_delay_ms(us / 1000);
}
