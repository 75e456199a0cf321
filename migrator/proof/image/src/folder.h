/* Names in a folder, one after the other. */

#ifndef FOLDER_H
#define FOLDER_H

#include "sys.h"

struct folder {
    int fd;
    long at, filled;
    u8 entries[4096] __attribute__((aligned(8)));
};

/* 0, or a negative errno. */
long folder_open(struct folder *folder, const char *path);
/* The next name but "." and "..", valid until the next call; 0 at the end. */
const char *folder_next(struct folder *folder);
void folder_close(struct folder *folder);

#endif
