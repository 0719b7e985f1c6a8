/* MicroPython's qemu port with what the charger's app needs of a chip. */
#include "ports/qemu/mpconfigport.h"

#undef MICROPY_PY_ASYNCIO
#undef MICROPY_PY_SELECT
#undef MICROPY_PY_TIME
#define MICROPY_PY_ASYNCIO (1)
#define MICROPY_PY_SELECT (1)
#define MICROPY_PY_TIME (1)
#define MICROPY_PY_TIME_TICKS_PERIOD (MP_SMALL_INT_POSITIVE_MASK + 1)

/* As on ESP32. */
#define MICROPY_PY_OS_URANDOM (0)
#define MICROPY_PY_CRYPTOLIB (0)
