/* For a compiler that comes without a C library: what gcc asks for even so. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *memory, int value, size_t size);

#endif
