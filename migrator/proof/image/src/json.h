/* One JSON object, written to stdout as it comes: nothing of it is kept, so it may be longer than the memory. */

#ifndef JSON_H
#define JSON_H

#include "sys.h"

/* Plain bytes, without quoting. */
void out(const void *from, u64 size);
void out_text(const char *text);
/* Hand over what is waiting. Gives 0, or a negative errno when stdout did not take something since the start. */
long out_flush(void);

/* `kind` is '{' or '['. */
void json_open(char kind);
void json_close(char kind);
void json_key(const char *name);
/* A key made of two parts. */
void json_key2(const char *first, const char *second);
void json_text(const char *text);
void json_number(long value);
void json_true(void);

/* A text in pieces, of any bytes: what is not UTF-8 becomes U+FFFD. */
void json_begin_text(void);
void json_piece(const void *from, u64 size);
void json_end_text(void);

#endif
