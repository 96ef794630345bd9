#include "CCRC32C.h"

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <string.h>

bool ccrc32c_has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2")))
uint32_t ccrc32c_update(uint32_t state, const void *bytes, size_t count) {
  const unsigned char *next = bytes;
  uint64_t remainder = state;
  for (; count >= sizeof remainder; count -= sizeof remainder, next += sizeof remainder) {
    uint64_t word;
    memcpy(&word, next, sizeof word);
    remainder = _mm_crc32_u64(remainder, word);
  }
  uint32_t last = (uint32_t)remainder;
  for (; count > 0; count--, next++) last = _mm_crc32_u8(last, *next);
  return last;
}

#else

// Elsewhere the caller's table does it.
bool ccrc32c_has_instruction(void) { return false; }
uint32_t ccrc32c_update(uint32_t state, const void *bytes, size_t count) { return state; }

#endif
