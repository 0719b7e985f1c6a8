#define MICROPY_HW_BOARD_NAME "chargebus on Wireless-Tag WT32-ETH01"
#define MICROPY_HW_MCU_NAME "ESP32"

// The safety part starts before the interpreter.
#include "cp_startup.h"
#define MICROPY_BOARD_STARTUP cp_startup
