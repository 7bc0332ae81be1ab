#include <stdio.h>
#include <string.h>

#include "crc32.h"

static int failures;

static void check(const char *text, uint32_t want)
{
	uint32_t got = crc32((const unsigned char *)text, strlen(text));
	printf("  <testcase name=\"crc32 of '%s'\">", text);
	if (got != want) {
		printf("<failure>%08x, want %08x</failure>", (unsigned)got, (unsigned)want);
		failures++;
	}
	printf("</testcase>\n");
}

int main(void)
{
	printf("<testsuite name=\"checksum\">\n");
	check("", 0);
	check("123456789", 0xcbf43926);
	printf("</testsuite>\n");
	return failures > 0;
}
