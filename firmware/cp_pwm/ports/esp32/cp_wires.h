/* The digital wires, read and written by register: the GPIO driver's functions may lie in flash. */
#ifndef CP_WIRES_H
#define CP_WIRES_H

#include <stdbool.h>

#include "esp_err.h"

/* Set directions and pulls; every output is low. */
esp_err_t cp_wires_init(void);

/* Pull a pin up where it can be; the input-only ones have their resistor outside alone. */
esp_err_t cp_wires_pull_up(int pin);

bool cp_wires_residual_trip(void);
bool cp_wires_mirror_closed(void);
bool cp_wires_emergency_stop(void);
bool cp_wires_ground_lost(void);

void cp_wires_set_residual_test(bool on);
void cp_wires_set_disconnect(bool on);

#endif
