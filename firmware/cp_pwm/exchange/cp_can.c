#include "cp_can.h"

#include <string.h>

void cp_can_init(cp_can_ring *ring) {
    *ring = (cp_can_ring){0};
}

void cp_can_put(cp_can_ring *ring, uint32_t id, const uint8_t *data, uint8_t length) {
    if (id > CP_CAN_MAX_ID || length > CP_CAN_BYTES) {
        ring->overruns++;
        return;
    }
    if (ring->written - ring->read >= CP_CAN_RING) {
        ring->read++;
        ring->overruns++;
    }
    cp_can_frame *frame = &ring->ring[ring->written % CP_CAN_RING];
    *frame = (cp_can_frame){.id = id, .length = length};
    if (length > 0) {
        memcpy(frame->data, data, length);
    }
    ring->written++;
}

bool cp_can_take(cp_can_ring *ring, cp_can_frame *frame) {
    if (ring->read == ring->written) {
        return false;
    }
    *frame = ring->ring[ring->read % CP_CAN_RING];
    ring->read++;
    return true;
}
