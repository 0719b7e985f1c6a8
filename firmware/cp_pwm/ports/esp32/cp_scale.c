#include "cp_scale.h"

#include "cp_types.h"

#define PILOT_ZERO_MV 1500    /* at the pin, for 0 V on the pilot */
#define PILOT_GAIN_MILLI 9231 /* 24000 mV over 2600 mV */
#define PULL_UP_OHM 1000
#define SUPPLY_MV 3300
#define OPEN_MV 3050          /* more than the largest resistor that counts as a plug (2200 ohm: 2269 mV) */
#define LATE_US 950           /* SmartEVSE */
#define SETTLE_US 20          /* edges take at most 10 us (IEC 61851-1), the rest is for the interrupt */
#define CONVERSION_US 15

int32_t cp_scale_pin_mv(const cp_scale *scale, int32_t raw) {
    const int32_t point = raw / CP_SCALE_STEP;
    const int32_t low_mv = scale->mv[point];
    const int32_t high_mv = scale->mv[point + 1];
    return low_mv + (high_mv - low_mv) * (raw % CP_SCALE_STEP) / CP_SCALE_STEP;
}

int32_t cp_scale_pilot_mv(const cp_scale *scale, int32_t raw) {
    if (raw == CP_NO_RAW) {
        return CP_NO_READING_MV;
    }
    return (cp_scale_pin_mv(scale, raw) - PILOT_ZERO_MV) * PILOT_GAIN_MILLI / 1000;
}

int32_t cp_scale_proximity_ohm(const cp_scale *scale, int32_t raw) {
    if (raw == CP_NO_RAW) {
        return CP_NO_PLUG_OHM;
    }
    const int32_t pin_mv = cp_scale_pin_mv(scale, raw);
    if (pin_mv >= OPEN_MV) {
        return CP_NO_PLUG_OHM;
    }
    return pin_mv <= 0 ? 0 : PULL_UP_OHM * pin_mv / (SUPPLY_MV - pin_mv);
}

uint32_t cp_scale_late_sample_us(int16_t duty_permille) {
    const int32_t low_begins_us = duty_permille;
    const int32_t wanted_us = low_begins_us + SETTLE_US > LATE_US ? low_begins_us + SETTLE_US : LATE_US;
    /* Without PWM the level is steady, whenever it is looked at. */
    return (uint32_t)(wanted_us > 1000 - CONVERSION_US ? LATE_US : wanted_us);
}
