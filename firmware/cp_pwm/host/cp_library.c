#include "cp_library.h"

#include <stdlib.h>
#include <string.h>

/* What may have stood in memory before. */
#define LEFTOVER 0xA5

cp_core *cp_library_new(const cp_board *board, cp_ms now_ms) {
    cp_core *core = malloc(sizeof *core);
    if (core != NULL) {
        memset(core, LEFTOVER, sizeof *core);
        cp_core_init(core, board, now_ms);
    }
    return core;
}

void cp_library_free(cp_core *core) {
    free(core);
}

void cp_library_ticks(cp_core *core, cp_ms now_ms, const cp_inputs *inputs, cp_outputs *outputs, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        cp_core_tick(core, now_ms + i, inputs, &outputs[i]);
    }
}
