/* The energy that has really flowed: a register that outlives the process when it is kept in a file. */
#ifndef CP_REGISTER_H
#define CP_REGISTER_H

#include <stdbool.h>
#include <stdint.h>

#define CP_REGISTER_UJ_PER_WH INT64_C(3600000000)

typedef struct {
    int64_t own_uj;
    volatile int64_t *energy_uj; /* own_uj, or the file's eight bytes */
} cp_register;

void cp_register_init(cp_register *energy);

/* Go on from what stands in the file, which is made if need be, and keep it there: it is mapped, so that what has been
 * counted is in it even if the process is killed in the next instruction. False if the file cannot be used (errno). */
bool cp_register_keep_in(cp_register *energy, const char *path);

/* Count power over one millisecond. */
void cp_register_count(cp_register *energy, int64_t power_mw);

#endif
