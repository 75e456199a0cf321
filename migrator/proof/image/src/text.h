/* Texts and numbers. */

#ifndef TEXT_H
#define TEXT_H

#include "sys.h"

u64 length(const char *text);
int same(const char *a, const char *b);
int begins(const char *text, const char *with);
int is_space(char c);

/* Write `from` at `to`, which ends before `end`; cut it if it is too long. Gives where its end stands. */
char *append(char *to, char *end, const char *from);

/* A decimal number not above `most`; -1 for anything else. */
long number(const char *text, long most);
/* Bytes, with Ki, Mi or Gi if wanted; -1 for anything else. */
long bytes(const char *text);
/* Seconds such as "3" or "0.25", at most a day, in milliseconds; -1 for anything else. */
long milliseconds(const char *text);
/* `value` in decimal, in `to` of 24 bytes; gives `to`. */
char *decimal(char *to, long value);

/* The whole of a file as a text that is cut at `size`; the length, or a negative errno. */
long read_file(const char *path, char *to, u64 size);

#endif
