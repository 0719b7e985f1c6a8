/* How long nothing happens in the core: a fuzzer that ticks through every such millisecond tries a hundred lives
 * where it could try ten thousand. */
#ifndef CP_QUIET_H
#define CP_QUIET_H

#include "cp_core.h"

/* What follows by itself, as it does on a working charger, unless a change says otherwise. */
typedef struct {
    bool mirror;
    bool trip;
    bool heartbeat;
    bool temperature;
} cp_follows;

/* Set the inputs that follow to what they are at now_ms. */
void cp_follow(const cp_follows *follows, cp_ms now_ms, const cp_outputs *outputs, cp_inputs *inputs);

/* Everything that a tick depends on, as it is after the tick at now_ms. */
typedef struct {
    cp_core core;
    cp_inputs inputs;
    cp_outputs outputs;
    cp_follows follows;
    cp_ms now_ms;
} cp_instant;

/* Go on by as much of most_ms as brings no change but that of the core's running clocks, and return how much that is.
 *
 * Found by trying: a copy is ticked once that many ms later. What the core compares with the time it compares with an
 * instant that has passed, so what has not come by the end of a stretch has not come within it either; lives that are
 * lived in both ways check that. Tries are added to ticks. */
int32_t cp_quiet_pass(cp_instant *instant, int32_t most_ms, uint32_t *ticks);

bool cp_same_outputs(const cp_outputs *a, const cp_outputs *b);

#endif
