/* The core as a shared library for tests on a host. */
#ifndef CP_LIBRARY_H
#define CP_LIBRARY_H

#include "cp_core.h"

/* Return a core that has just been switched on, or NULL without memory; free it with cp_library_free. */
cp_core *cp_library_new(const cp_board *board, cp_ms now_ms);

void cp_library_free(cp_core *core);

/* Tick at now_ms and at every millisecond after it, count times in all, writing count outputs. */
void cp_library_ticks(cp_core *core, cp_ms now_ms, const cp_inputs *inputs, cp_outputs *outputs, int32_t count);

#endif
