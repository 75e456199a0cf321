/* What the probe can be asked. A verb prints its JSON and gives the exit code. */

#ifndef VERBS_H
#define VERBS_H

#include "sys.h"

enum { DONE = 0, REFUSED = 1, USAGE = 64 };

int verb_wait(int count, char **words);
int verb_report(int count, char **words);
int verb_memory(int count, char **words);
int verb_spin(int count, char **words);
int verb_fork(int count, char **words);
int verb_bind(int count, char **words);
int verb_mount(int count, char **words);
int verb_shm(int count, char **words);
int verb_resolve(int count, char **words);
int verb_connect(int count, char **words);
int verb_lines(int count, char **words);
int verb_each(int count, char **words);

/* Do what the first word says, with those that follow. */
int perform(int count, char **words);

/* Say that the words of a verb make no sense. Gives USAGE. */
int misused(const char *usage);
/* Say that the system refused with this (negative) errno. Gives REFUSED. */
int refused(long error, const char *what, const char *object);
/* The two fields of `refused`, within an object that is open. */
void error_fields(long error, const char *what, const char *object);

/* `count` numbered lines on stdout. */
void write_lines(long count);
/* A file's text as a value under the key first+second, at most `limit` bytes; nothing when it cannot be read. */
void report_file(const char *first, const char *second, const char *path, u64 limit);
/* Files of the process's own cgroup, as keys and values. */
void report_cgroup(void);
/* The lists "masked", "unmasked", "readonly" and "writable". */
void report_masks(void);

#endif
