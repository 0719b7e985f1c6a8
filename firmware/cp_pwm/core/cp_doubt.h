/* Time spent wrong, less time spent right since: a single wrong sample passes, a flickering signal does not. */
#ifndef CP_DOUBT_H
#define CP_DOUBT_H

#include "cp_types.h"

typedef struct {
    cp_ms limit_ms;
    cp_ms value_ms;
    cp_ms since_ms;
    bool wrong;
} cp_doubt;

void cp_doubt_init(cp_doubt *doubt, cp_ms limit_ms);

/* Take in whether it is wrong from now on; return true when the limit is reached, and begin anew. */
bool cp_doubt_tick(cp_doubt *doubt, cp_ms now_ms, bool wrong);

#endif
