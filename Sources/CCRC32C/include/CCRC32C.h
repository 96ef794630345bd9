#ifndef CCRC32C_H
#define CCRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Whether this processor has an instruction for CRC-32C.
bool ccrc32c_has_instruction(void);

/// Takes `count` bytes into the running remainder by that instruction. Only where there is one.
uint32_t ccrc32c_update(uint32_t state, const void *bytes, size_t count);

#endif
