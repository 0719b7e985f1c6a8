/* The CAN bus: ESP-IDF's TWAI driver and a task that moves what it receives into our ring.
 *
 * The driver's own queue drops the newest frame when it is full; an interpreter that is busy for a second (a TLS
 * handshake) would then read old values. */
#ifndef CP_TWAI_H
#define CP_TWAI_H

#include "cp_can.h"

/* Start the bus, again if need be. False if the driver refuses. */
bool cp_twai_start(int32_t bitrate, int32_t tx_gpio, int32_t rx_gpio);

/* Queue a frame; false if the bus is not started or its queue is full. */
bool cp_twai_send(const cp_can_frame *frame);

/* Take the oldest received frame; false if there is none. */
bool cp_twai_take(cp_can_frame *frame);

/* Received frames that were lost, in the ring and in the driver. */
uint32_t cp_twai_overruns(void);

/* What the task does again and again: wait for a frame, at most CP_TWAI_WAIT_MS, and see to a bus that is off. */
void cp_twai_turn(void);

#define CP_TWAI_WAIT_MS 100

#endif
