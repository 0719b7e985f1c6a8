/* Which pins the safety part has on each board. It runs before the interpreter, so they stand here and in
 * firmware/boards/profiles.py, and a test compares the two. A pin that is not wired is CP_NO_PIN.
 *
 * Levels: contactor, residual_test, disconnect and pilot are active high. The mirror contact, which is closed while the
 * main contacts are open, holds its pin high; low, or a broken wire, is a closed contactor. The residual-current
 * device, the emergency stop and the ground monitor hold their pin low while all is well; high, or a broken wire, is a
 * trip. firmware/boards/WIRING.md has the resistors. */
#ifndef CP_PINS_H
#define CP_PINS_H

#define CP_NO_PIN (-1)

#if defined(CP_BOARD_OLIMEX_ESP32_POE)
#define CP_PIN_CONTACTOR 32
#define CP_PIN_PILOT_PWM 33
#define CP_PIN_PILOT_SENSE 35
#define CP_PIN_PROXIMITY_SENSE 39
#define CP_PIN_RESIDUAL_TRIP 14
#define CP_PIN_RESIDUAL_TEST 5
#define CP_PIN_MIRROR 15
#elif defined(CP_BOARD_WT32_ETH01)
#define CP_PIN_CONTACTOR 32
#define CP_PIN_PILOT_PWM 33
#define CP_PIN_PILOT_SENSE 35
#define CP_PIN_PROXIMITY_SENSE 36
#define CP_PIN_RESIDUAL_TRIP 39
#define CP_PIN_RESIDUAL_TEST 12
#define CP_PIN_MIRROR 14
#else
#error "define CP_BOARD_OLIMEX_ESP32_POE or CP_BOARD_WT32_ETH01"
#endif

/* On neither board are there pins left for these. */
#define CP_PIN_DISCONNECT CP_NO_PIN
#define CP_PIN_EMERGENCY_STOP CP_NO_PIN
#define CP_PIN_GROUND_LOST CP_NO_PIN

#endif
