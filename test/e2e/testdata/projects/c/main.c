#include <stdio.h>

#include "crc32.h"

int main(void)
{
	static unsigned char data[1 << 16];
	size_t size = fread(data, 1, sizeof data, stdin);
	printf("%08x\n", (unsigned)crc32(data, size));
	return 0;
}
