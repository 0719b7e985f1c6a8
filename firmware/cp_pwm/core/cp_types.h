/* What goes into the control pilot and interlock, what comes out, and what the board is.
 *
 * The rules, their numbers and where each comes from stand in firmware/cp_pwm/specification; this core does the same
 * in C and is compared with it output by output. It has no globals, no input or output, and allocates nothing.
 *
 * Units: ms for time (64 bits, never wraps), mV, mA, ohm, permille. */
#ifndef CP_TYPES_H
#define CP_TYPES_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t cp_ms;

/* A deadline that does not come, and an instant before every other. */
#define CP_NEVER (INT64_C(1) << 62)
#define CP_LONG_AGO (-CP_NEVER)

/* States of the pilot, IEC 61851-1 annex A. */
typedef enum { CP_A, CP_B, CP_C, CP_D, CP_E, CP_F, CP_UNKNOWN } cp_state;

/* Proximity resistance with no plug in the socket. */
#define CP_NO_PLUG_OHM 1000000

/* Duty of a steady low (state F) and of a steady high level (no PWM). */
#define CP_STEADY_LOW 0
#define CP_STEADY_HIGH 1000

/* Faults, as bits, in the order of specification/faults.py. */
#define CP_FAULT_PILOT_SHORT (UINT32_C(1) << 0)
#define CP_FAULT_DIODE_MISSING (UINT32_C(1) << 1)
#define CP_FAULT_VENTILATION_REQUIRED (UINT32_C(1) << 2)
#define CP_FAULT_CABLE_SHORT (UINT32_C(1) << 3)
#define CP_FAULT_RESIDUAL_CURRENT (UINT32_C(1) << 4)
#define CP_FAULT_RESIDUAL_CURRENT_SELF_TEST (UINT32_C(1) << 5)
#define CP_FAULT_CONTACTOR_WELDED (UINT32_C(1) << 6)
#define CP_FAULT_CONTACTOR_STUCK_OPEN (UINT32_C(1) << 7)
#define CP_FAULT_HEARTBEAT_LOST (UINT32_C(1) << 8)
#define CP_FAULT_OVER_TEMPERATURE (UINT32_C(1) << 9)
#define CP_FAULT_EMERGENCY_STOP (UINT32_C(1) << 10)
#define CP_FAULT_GROUND_LOST (UINT32_C(1) << 11)

/* Stands for a temperature that is not known. */
#define CP_TEMPERATURE_UNKNOWN INT32_MIN

/* What does not change between two boots. */
typedef struct {
    int32_t rated_ma;          /* largest current that the hardware may offer */
    int32_t simplified_cap_ma; /* most current for a car that shows no B; 0 for no such cap */
    bool tethered;             /* fixed cable: its rating is rated_ma, proximity is not looked at */
    bool has_mirror;           /* the contactor has a mirror contact that is wired */
    bool has_residual_test;    /* the residual-current device has a test input that is wired */
    bool has_temperature;      /* a sensor measures the enclosure; without one nothing is derated */
    bool has_disconnect;       /* a switch opens the pilot's wire; without one a disconnect shows state F */
    bool has_emergency_stop;   /* an emergency-stop button is wired */
    bool has_ground_monitor;   /* a monitor of the protective earth is wired */
} cp_board;

/* What is measured and asked for at one moment. */
typedef struct {
    cp_ms heartbeat_ms;     /* instant of the app's last sign of life, CP_LONG_AGO for never */
    cp_ms temperature_ms;   /* instant at which temperature_mc was handed in, CP_LONG_AGO for never */
    int32_t high_mv;        /* positive plateau; the level itself while it is steady */
    int32_t low_mv;         /* negative plateau; the level itself while it is steady */
    int32_t proximity_ohm;  /* between proximity and earth */
    int32_t offer_ma;       /* what the app wants to be offered */
    int32_t temperature_mc; /* hottest sensor in the enclosure, 1/1000 degree C, or CP_TEMPERATURE_UNKNOWN */
    uint32_t clear_count;   /* changes whenever the app asks for latched faults to be cleared */
    bool residual_trip;     /* the residual-current device has tripped */
    bool mirror_closed;     /* the mirror contact says that the main contacts are closed */
    bool permit;            /* the app lets the contactor close */
    bool available;         /* false: show state F as soon as the contactor is open */
    bool disconnect;        /* the app wants the pilot taken away from the car */
    bool emergency_stop;    /* the button is pressed, or its wire is broken */
    bool ground_lost;       /* the monitor finds no protective earth */
} cp_inputs;

/* What is made and reported after a tick. */
typedef struct {
    int32_t offered_ma;    /* what the duty offers; 0 without PWM */
    int32_t cable_ma;      /* rating of the cable; 0 with no plug */
    int32_t derated_ma;    /* most that the temperature allows: the rating when cool, 0 for nothing */
    uint32_t faults;       /* CP_FAULT_* */
    uint32_t locked;       /* those of them that stay until power is cycled */
    int16_t duty_permille; /* 0 steady low, 100 to 960 PWM, 1000 steady high; state F is pulsed */
    uint8_t state;         /* cp_state, debounced; what the car last showed while F or a disconnect hides it */
    bool contactor;        /* the contactor's coil is on */
    bool residual_test;    /* the test input of the residual-current device is on */
    bool disconnected;     /* the switch in the pilot's wire is open */
} cp_outputs;

#endif
