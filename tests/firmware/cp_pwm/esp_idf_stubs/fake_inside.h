/* What the parts of the chip that is made of nothing have in common. */
#pragma once
#include "esp_err.h"

/* Count a call that may fail; return whether this is the one that does. */
esp_err_t fake_call(void);

/* Switch the CAN controller off and on. */
void fake_can_reset(void);
