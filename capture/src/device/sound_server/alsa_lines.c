/* Formats what ALSA's library has to say: a function with a variable number of arguments can only be written in C. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of libasound: its headers are not needed for these two. */
extern int snd_lib_error_set_handler(void (*)(const char *, int, const char *, int, const char *, ...));
extern const char *snd_strerror(int);

typedef void (*take_line)(const char *file, int line, const char *function, const char *message);

static take_line take;

static void handle(const char *file, int line, const char *function, int err, const char *format, ...)
{
	char message[512];
	va_list arguments;

	va_start(arguments, format);
	if (vsnprintf(message, sizeof message, format, arguments) < 0)
		message[0] = 0;
	va_end(arguments);
	if (err) {
		size_t length = strlen(message);

		snprintf(message + length, sizeof message - length, ": %s", snd_strerror(err));
	}
	take(file, line, function, message);
}

/* To be called once, before another thread uses ALSA. */
int mien_alsa_lines(take_line with)
{
	take = with;
	return snd_lib_error_set_handler(handle);
}
