#include "folder.h"

#include "text.h"

long folder_open(struct folder *folder, const char *path)
{
    long fd = sys_open(path, O_DIRECTORY);
    folder->fd = (int)fd;
    folder->at = folder->filled = 0;
    return fd < 0 ? fd : 0;
}

const char *folder_next(struct folder *folder)
{
    for (;;) {
        if (folder->at >= folder->filled) {
            folder->filled = sys_getdents(folder->fd, folder->entries, sizeof folder->entries);
            folder->at = 0;
            if (folder->filled <= 0)
                return 0;
        }
        /* struct linux_dirent64: inode and offset of 8 bytes, the entry's length of 2, a type of 1, the name. */
        u8 *entry = folder->entries + folder->at;
        const char *name = (const char *)entry + 19;
        folder->at += *(u16 *)(entry + 16);
        if (!same(name, ".") && !same(name, ".."))
            return name;
    }
}

void folder_close(struct folder *folder)
{
    sys_close(folder->fd);
}
