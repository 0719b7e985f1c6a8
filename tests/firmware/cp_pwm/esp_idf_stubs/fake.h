/* A chip that is made of nothing: what the tests do to it and see of it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Switch it off and on. */
void fake_reset(void);

/* The call with this number (from 1) fails; 0 for none. */
void fake_fail_call(int number);
int fake_calls(void);

/* Let one period of the running timer pass: 1 ms, with both samples. */
void fake_period(void);
/* The timer's interrupt does not come any more. */
void fake_stall(void);
/* The interrupt of the early sample does not come any more. */
void fake_lose_early_samples(void);
/* Conversions fail. */
void fake_break_adc(bool broken);

/* Levels at the ADC's pins: the pilot's in both halves of the period, and proximity. mV. */
void fake_pilot_pin_mv(int32_t high_mv, int32_t low_mv);
void fake_proximity_pin_mv(int32_t mv);

/* An input's level. An active fault input brakes at once. */
void fake_set_pin(int pin, bool level);
/* Whether a pin is pulled up inside the chip. */
bool fake_pulled_up(int pin);
/* An output's level; a pin that nobody has made an output is low, by its pull-down. */
bool fake_pin(int pin);
/* The duty of an MCPWM output, 0 and 1000 for a steady level. permille. */
int16_t fake_duty_permille(int pin);
/* Instants in the period at which the two samples are taken. us. */
uint32_t fake_sample_us(int number);
/* Core on which the task of that name was to run, -1 if there is no such task. */
int fake_task_core(const char *name);
int fake_task_priority(const char *name);

int fake_restarts(void);

/* The other end of the CAN bus. */
void fake_can_deliver(uint32_t id, bool remote, const uint8_t *data, uint8_t length);
bool fake_can_sent(uint32_t *id, bool *extended, uint8_t *length);
void fake_can_bus_off(void);
