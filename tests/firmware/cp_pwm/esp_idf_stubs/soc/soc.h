#pragma once
#include <stdint.h>
uint32_t fake_read_register(uint32_t address);
void fake_write_register(uint32_t address, uint32_t value);
#define REG_READ(address) fake_read_register(address)
#define REG_WRITE(address, value) fake_write_register((address), (value))
