#pragma once
#include <stddef.h>
#include <stdint.h>
typedef int BaseType_t;
typedef unsigned int UBaseType_t;
typedef uint32_t TickType_t;
typedef uint8_t StackType_t;
typedef struct {
    void *reserved[16];
} StaticTask_t;
typedef struct {
    uint32_t owner;
    uint32_t count;
} portMUX_TYPE;
#define portMUX_INITIALIZER_UNLOCKED \
    { .owner = 0xB33FFFFF, .count = 0 }
void fake_enter_critical(portMUX_TYPE *mux);
void fake_exit_critical(portMUX_TYPE *mux);
#define portENTER_CRITICAL(mux) fake_enter_critical(mux)
#define portEXIT_CRITICAL(mux) fake_exit_critical(mux)
#define configTICK_RATE_HZ 100
#define configMAX_PRIORITIES 25
#define tskIDLE_PRIORITY ((UBaseType_t)0U)
#define pdMS_TO_TICKS(ms) ((TickType_t)(((uint64_t)(ms) * configTICK_RATE_HZ) / 1000U))
