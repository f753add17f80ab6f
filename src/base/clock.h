/*
 * The time of day, replaceable in tests.  Wall clock, since expiry must
 * survive a reboot; whoever compares allows for jumps.
 */
#ifndef CU_BASE_CLOCK_H
#define CU_BASE_CLOCK_H

#include <apr_time.h>

/* Microseconds since the epoch, UTC. */
typedef apr_time_t (*cu_clock_fn)(void);

#endif
