/* What the binding asks of a port. One port is compiled in; it owns the safety loop and everything static. */
#ifndef CP_PORT_H
#define CP_PORT_H

#include "cp_can.h"
#include "cp_cycle.h"

/* Begin, or begin anew after the interpreter has restarted: the first time the core is made for this board, later only
 * the requests are withdrawn, and what is latched stays latched. False if the board is not the one of the first time. */
bool cp_port_begin(const cp_board *board);

/* Whether two boards are the same in every respect. */
bool cp_port_same_board(const cp_board *a, const cp_board *b);

/* Where the application and the safety loop meet; NULL before cp_port_begin. */
cp_exchange *cp_port_exchange(void);

/* The ring of events; NULL before cp_port_begin. */
cp_events *cp_port_events(void);

/* Start the CAN bus, again if need be. False if the driver refuses (bit rate, pins). */
bool cp_port_can_start(int32_t bitrate, int32_t tx_gpio, int32_t rx_gpio);

/* Queue a frame; false if the bus has not been started or its queue is full. */
bool cp_port_can_send(const cp_can_frame *frame);

/* Take the oldest frame that was received; false if there is none. */
bool cp_port_can_take(cp_can_frame *frame);

/* How many received frames were lost since the bus was started. */
uint32_t cp_port_can_overruns(void);

#endif
