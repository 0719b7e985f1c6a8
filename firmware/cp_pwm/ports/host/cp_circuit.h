/* A virtual pilot circuit: the car's resistors and diode, the cable, the contactor and what is wired to the inputs.
 *
 * Fields marked * may be set at any time by whoever owns the circuit; the others are what has come of it. */
#ifndef CP_CIRCUIT_H
#define CP_CIRCUIT_H

#include "cp_cycle.h"

/* Whether the car closes its switch S2. */
enum { CP_S2_OPEN, CP_S2_CLOSED, CP_S2_AS_A_CAR_DOES };

/* name, value at power-on. * */
#define CP_CIRCUIT_FIELDS(FIELD)                                                                            \
    FIELD(car_ohm, 0)              /* the car's resistor between pilot and earth; 0 without a car */        \
    FIELD(s2, CP_S2_OPEN)          /* one of CP_S2_* */                                                     \
    FIELD(s2_ohm, 1300)            /* what S2 puts beside car_ohm; 270 for a car that asks for ventilation */ \
    FIELD(diode, 1)                /* the car has its diode */                                              \
    FIELD(cp_short, 0)             /* the pilot is shorted to earth in cable or car */                      \
    FIELD(cable_ohm, CP_NO_PLUG_OHM) /* resistor in the plug */                                             \
    FIELD(welded, 0)               /* main contacts that are closed stay closed */                          \
    FIELD(stuck_open, 0)           /* main contacts do not close */                                         \
    FIELD(leak, 0)                 /* a residual current flows while the contacts are closed */             \
    FIELD(residual_broken, 0)      /* the residual-current device does not trip, not even under test */     \
    FIELD(emergency_stop, 0)       /* the emergency stop is pressed */                                      \
    FIELD(ground_lost, 0)          /* protective earth is missing */                                        \
    FIELD(load_ma, 16000)          /* what the car draws per phase while it is charging */                  \
    FIELD(phases, 3)               /* and on how many phases */                                             \
    FIELD(voltage_v, 230)          /* of each phase */                                                      \
    FIELD(temperature_mc, 25000)   /* of the enclosure */                                                   \
    FIELD(noise_mv, 0)             /* amplitude of a disturbance of the measured pilot */

typedef struct {
#define FIELD(name, value) int32_t name;
    CP_CIRCUIT_FIELDS(FIELD)
#undef FIELD
    cp_ms contacts_due_ms;
    cp_ms follows_since_ms; /* since when there has been PWM, or none */
    uint32_t random;
    bool closed; /* main contacts, and with them the mirror contact */
    bool coil;
    bool pwm;
    bool s2_closed;
} cp_circuit;

void cp_circuit_init(cp_circuit *circuit);

/* Losing power: contacts fall open unless they are welded; the car and the cable stay. */
void cp_circuit_power_off(cp_circuit *circuit);

/* Let the circuit answer to the outputs and say what is measured at now_ms. */
void cp_circuit_tick(cp_circuit *circuit, cp_ms now_ms, const cp_outputs *outputs, cp_measured *measured);

/* What flows per phase now. mA. */
int32_t cp_circuit_current_ma(const cp_circuit *circuit);

/* Power of all phases now. mW. */
int64_t cp_circuit_power_mw(const cp_circuit *circuit);

#endif
