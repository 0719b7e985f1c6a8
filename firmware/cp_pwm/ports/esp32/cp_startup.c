#include "cp_startup.h"

#include "cp_safety.h"

/* Of MicroPython's main.c: the non-volatile storage. */
void boardctrl_startup(void);

void cp_startup(void) {
    cp_safety_start();
    boardctrl_startup();
}
