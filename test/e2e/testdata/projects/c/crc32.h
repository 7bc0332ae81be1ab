#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const unsigned char *data, size_t size);
