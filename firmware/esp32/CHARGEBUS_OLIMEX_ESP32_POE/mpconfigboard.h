#define MICROPY_HW_BOARD_NAME "chargebus on Olimex ESP32-POE"
#define MICROPY_HW_MCU_NAME "ESP32"

// The safety part starts before the interpreter.
#include "cp_startup.h"
#define MICROPY_BOARD_STARTUP cp_startup
