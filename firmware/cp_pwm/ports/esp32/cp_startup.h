/* What runs before the interpreter: a board's mpconfigboard.h says
 *     #include "cp_startup.h"
 *     #define MICROPY_BOARD_STARTUP cp_startup
 */
#ifndef CP_STARTUP_H
#define CP_STARTUP_H

/* Start the safety part, then what MicroPython would have started itself. */
void cp_startup(void);

#endif
