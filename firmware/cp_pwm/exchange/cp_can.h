/* Frames received from the CAN bus, for an application that polls: a ring with one writer and one reader.
 *
 * A full ring keeps the newest: terminal values are sent many times a second, and an old one is of no use. What was
 * overwritten is counted. So the writer may move the reader's place, which is why both sides work under the port's
 * lock. */
#ifndef CP_CAN_H
#define CP_CAN_H

#include <stdbool.h>
#include <stdint.h>

#define CP_CAN_RING 32
#define CP_CAN_BYTES 8
#define CP_CAN_MAX_ID UINT32_C(0x1FFFFFFF)
#define CP_CAN_MAX_STANDARD_ID UINT32_C(0x7FF) /* a larger one is sent in the extended format */

typedef struct {
    uint32_t id; /* 11 or 29 bits */
    uint8_t length;
    uint8_t data[CP_CAN_BYTES]; /* zero behind length */
} cp_can_frame;

typedef struct {
    cp_can_frame ring[CP_CAN_RING];
    uint32_t written;
    uint32_t read;
    uint32_t overruns;
} cp_can_ring;

void cp_can_init(cp_can_ring *ring);

/* Take in a frame as the bus has delivered it; one that cannot be (id or length out of range) is counted as lost. */
void cp_can_put(cp_can_ring *ring, uint32_t id, const uint8_t *data, uint8_t length);

/* Take the oldest; false if there is none. */
bool cp_can_take(cp_can_ring *ring, cp_can_frame *frame);

#endif
