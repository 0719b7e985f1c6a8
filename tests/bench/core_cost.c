/* Replays ticks of the core from standard input, for tests/bench/core_cost.py: a cp_board, then cp_ms and cp_inputs. */
#include <stdio.h>

#include "cp_core.h"

int main(void) {
    cp_board board;
    cp_core core;
    cp_outputs outputs;
    struct {
        cp_ms now_ms;
        cp_inputs inputs;
    } tick;
    if (fread(&board, sizeof board, 1, stdin) != 1 || fread(&tick.now_ms, sizeof tick.now_ms, 1, stdin) != 1) {
        return 1;
    }
    cp_core_init(&core, &board, tick.now_ms);
    printf("%zu\n", sizeof core);
    while (fread(&tick, sizeof tick, 1, stdin) == 1) {
        cp_core_tick(&core, tick.now_ms, &tick.inputs, &outputs);
    }
    return 0;
}
