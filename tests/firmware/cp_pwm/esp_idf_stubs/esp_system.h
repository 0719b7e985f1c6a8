#pragma once
void esp_restart(void); /* noreturn on the chip; the fake counts */
