/* From what the ADC reads to what is on the wires. Pure, in integers, and safe in an interrupt. */
#ifndef CP_SCALE_H
#define CP_SCALE_H

#include <stdint.h>

/* Stands for a conversion that has failed. */
#define CP_NO_RAW (-1)
/* A plateau that was not measured: in no band, so that the contactor opens. */
#define CP_NO_READING_MV 100000

/* The ADC has 12 bits; its calibration is kept at every 64th step, and is a line in between. */
#define CP_SCALE_STEP 64
#define CP_SCALE_POINTS 65

typedef struct {
    int32_t mv[CP_SCALE_POINTS]; /* at the ADC's pin, for raw 0, 64 … 4096 */
} cp_scale;

/* Voltage at the pin; raw is 0 to 4095. */
int32_t cp_scale_pin_mv(const cp_scale *scale, int32_t raw);

/* Voltage of the pilot. Its divider maps -12 V … +12 V to 200 … 2800 mV at the pin (firmware/boards/WIRING.md). */
int32_t cp_scale_pilot_mv(const cp_scale *scale, int32_t raw);

/* Resistance between proximity and earth, below a pull-up of 1 kilohm to 3.3 V; CP_NO_PLUG_OHM for an open contact. */
int32_t cp_scale_proximity_ohm(const cp_scale *scale, int32_t raw);

/* When in the millisecond the negative plateau is to be sampled for this duty. us. */
uint32_t cp_scale_late_sample_us(int16_t duty_permille);

#endif
