#include "cp_circuit.h"

#define SOURCE_OHM 1000      /* in series with the pilot's driver, IEC 61851-1 annex A */
#define DRIVE_MV 12000       /* either way */
#define DIODE_MV 700         /* forward voltage of the car's diode */
#define CONTACTS_MS 20       /* time that the main contacts take to follow the coil */
#define CAR_CLOSES_MS 1500   /* a car takes so long to ask after PWM has begun */
#define CAR_OPENS_MS 500     /* and so long to stop after it has ended; the standard allows 3 s */

void cp_circuit_init(cp_circuit *circuit) {
    *circuit = (cp_circuit){
#define FIELD(name, value) .name = (value),
        CP_CIRCUIT_FIELDS(FIELD)
#undef FIELD
        .contacts_due_ms = CP_NEVER,
        .random = 1,
    };
}

void cp_circuit_power_off(cp_circuit *circuit) {
    circuit->closed = circuit->closed && circuit->welded;
    circuit->coil = false;
    circuit->pwm = false;
    circuit->contacts_due_ms = CP_NEVER;
    circuit->follows_since_ms = 0;
}

static void move_contacts(cp_circuit *circuit, cp_ms now_ms, bool coil) {
    if (coil != circuit->coil) {
        circuit->coil = coil;
        circuit->contacts_due_ms = now_ms + CONTACTS_MS;
    }
    if (now_ms < circuit->contacts_due_ms) {
        return;
    }
    circuit->contacts_due_ms = CP_NEVER;
    circuit->closed = coil ? !circuit->stuck_open : circuit->welded && circuit->closed;
}

static void move_s2(cp_circuit *circuit, cp_ms now_ms, const cp_outputs *outputs) {
    const bool pwm = outputs->offered_ma > 0 && !outputs->disconnected;
    if (pwm != circuit->pwm) {
        circuit->pwm = pwm;
        circuit->follows_since_ms = now_ms;
    }
    if (circuit->car_ohm == 0 || circuit->s2 != CP_S2_AS_A_CAR_DOES) {
        circuit->s2_closed = circuit->car_ohm != 0 && circuit->s2 == CP_S2_CLOSED;
    } else if (now_ms - circuit->follows_since_ms >= (pwm ? CAR_CLOSES_MS : CAR_OPENS_MS)) {
        circuit->s2_closed = pwm;
    }
}

/* Resistance that the car puts between pilot and earth; 0 for none. */
static int32_t load_ohm(const cp_circuit *circuit) {
    const int32_t car = circuit->car_ohm;
    return circuit->s2_closed ? (int32_t)((int64_t)car * circuit->s2_ohm / (car + circuit->s2_ohm)) : car;
}

static int32_t high_mv(int32_t ohm) {
    if (ohm == 0) {
        return DRIVE_MV;
    }
    return DIODE_MV + (int32_t)((int64_t)(DRIVE_MV - DIODE_MV) * ohm / (ohm + SOURCE_OHM));
}

static int32_t low_mv(int32_t ohm, bool diode) {
    if (ohm == 0 || diode) {
        return -DRIVE_MV;
    }
    return -(int32_t)((int64_t)DRIVE_MV * ohm / (ohm + SOURCE_OHM));
}

/* A linear congruential generator: the same disturbance in every run. */
static int32_t noise_mv(cp_circuit *circuit) {
    if (circuit->noise_mv == 0) {
        return 0;
    }
    circuit->random = circuit->random * UINT32_C(1664525) + UINT32_C(1013904223);
    return (int32_t)(circuit->random >> 8) % (2 * circuit->noise_mv + 1) - circuit->noise_mv;
}

int32_t cp_circuit_current_ma(const cp_circuit *circuit) {
    return circuit->closed && circuit->s2_closed ? circuit->load_ma : 0;
}

int64_t cp_circuit_power_mw(const cp_circuit *circuit) {
    return (int64_t)cp_circuit_current_ma(circuit) * circuit->voltage_v * circuit->phases;
}

void cp_circuit_tick(cp_circuit *circuit, cp_ms now_ms, const cp_outputs *outputs, cp_measured *measured) {
    move_contacts(circuit, now_ms, outputs->contactor);
    move_s2(circuit, now_ms, outputs);
    const bool steady_high = outputs->duty_permille == CP_STEADY_HIGH;
    const bool steady_low = outputs->duty_permille == CP_STEADY_LOW;
    /* With the switch in the wire open, the charger sees its own generator alone. */
    const int32_t ohm = outputs->disconnected ? 0 : load_ohm(circuit);
    const bool shorted = circuit->cp_short && !outputs->disconnected;
    const int32_t high = (shorted ? 0 : high_mv(ohm)) + noise_mv(circuit);
    const int32_t low = (shorted ? 0 : low_mv(ohm, circuit->diode != 0)) + noise_mv(circuit);
    const bool flows = circuit->leak && circuit->closed;
    *measured = (cp_measured){
        .high_mv = steady_low ? low : high,
        .low_mv = steady_high ? high : low,
        .proximity_ohm = circuit->cable_ohm,
        .residual_trip = !circuit->residual_broken && (outputs->residual_test || flows),
        .mirror_closed = circuit->closed,
        .emergency_stop = circuit->emergency_stop != 0,
        .ground_lost = circuit->ground_lost != 0,
    };
}
