/* Which state a positive plateau of the pilot means. */
#ifndef CP_LEVELS_H
#define CP_LEVELS_H

#include "cp_types.h"

/* Return the state that high_mv means, given what it meant before; what fits no band is unknown. */
cp_state cp_classify(int32_t high_mv, cp_state before);

#endif
