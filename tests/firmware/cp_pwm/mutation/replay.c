/* Lives once more what the specification has lived, and compares: `replay FILE`. Exit code 0 all the same, 1 not.
 *
 * The file is written by recording.py: two counts, the ticks, and what the functions that stand alone return. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cp_core.h"
#include "cp_levels.h"

/* What may have stood in memory before. */
#define LEFTOVER 0xA5

typedef struct {
    cp_ms now_ms;
    bool begins; /* power on, and no tick */
    cp_board board;
    cp_inputs inputs;
    cp_outputs outputs;
} tick;

typedef struct {
    int32_t function; /* 0 clamp, 1 permille, 2 classify */
    int32_t argument;
    int32_t before;
    int32_t result;
} call;

typedef struct {
    int64_t ticks;
    int64_t calls;
} head;

static bool same(const cp_outputs *a, const cp_outputs *b) {
    return a->offered_ma == b->offered_ma && a->cable_ma == b->cable_ma && a->derated_ma == b->derated_ma &&
           a->faults == b->faults && a->locked == b->locked && a->duty_permille == b->duty_permille &&
           a->state == b->state && a->contactor == b->contactor && a->residual_test == b->residual_test &&
           a->disconnected == b->disconnected;
}

static int32_t result(const call *asked) {
    switch (asked->function) {
    case 0:
        return cp_duty_clamp_ma(asked->argument);
    case 1:
        return cp_duty_permille(asked->argument);
    default:
        return (int32_t)cp_classify(asked->argument, (cp_state)asked->before);
    }
}

static bool ticks_are_same(const tick *ticks, int64_t count) {
    static cp_core core;
    cp_outputs outputs;
    for (int64_t i = 0; i < count; i++) {
        if (ticks[i].begins) {
            memset(&core, LEFTOVER, sizeof core);
            cp_core_init(&core, &ticks[i].board, ticks[i].now_ms);
            continue;
        }
        cp_core_tick(&core, ticks[i].now_ms, &ticks[i].inputs, &outputs);
        if (!same(&outputs, &ticks[i].outputs)) {
            return false;
        }
    }
    return true;
}

static bool calls_are_same(const call *calls, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (result(&calls[i]) != calls[i].result) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    struct stat about;
    const int file = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (file < 0 || fstat(file, &about) != 0) {
        return 2;
    }
    const char *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
        return 2;
    }
    const head *counts = (const head *)data;
    const tick *ticks = (const tick *)(data + sizeof(head));
    const call *calls = (const call *)(ticks + counts->ticks);
    return ticks_are_same(ticks, counts->ticks) && calls_are_same(calls, counts->calls) ? 0 : 1;
}
