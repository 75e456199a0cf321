/* What of /proc and /sys is hidden or protected: by trying, not by reading what was mounted. */

#include "folder.h"
#include "json.h"
#include "text.h"
#include "verbs.h"

static const char *const to_hide[] = {
    "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/acpi", "/proc/scsi", "/sys/firmware",
    "/proc/latency_stats",
};

static const char *const to_protect[] = {
    "/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger", "/proc/asound",
};

/* 1 when it shows something, 0 when it is there but empty or unreadable, -1 when there is none. */
static int shows(const char *path)
{
    static struct folder folder;
    u8 byte;
    long error = folder_open(&folder, path);
    if (error == -ENOENT)
        return -1;
    if (!error) {
        int any = folder_next(&folder) != 0;
        folder_close(&folder);
        return any;
    }
    int fd = (int)sys_open(path, O_NONBLOCK);
    if (fd < 0)
        return 0;
    long got = sys_read(fd, &byte, 1);
    sys_close(fd);
    return got > 0;
}

/* 1 when its mount or file system is read-only, 0 when not, -1 when there is none. Permissions do not count: they hide
   EROFS from access(2) for all but root, and /proc/sys itself is writable to nobody. */
static int read_only(const char *path)
{
    long answer[16] = {0}; /* struct statfs; its f_flags is the eleventh word on every 64-bit Linux */
    return sys2(NR_statfs, path, answer) < 0 ? -1 : (int)(answer[10] & 1);
}

static void list(const char *key, const char *const *paths, u64 count, int (*test)(const char *), int wanted)
{
    json_key(key);
    json_open('[');
    for (u64 i = 0; i < count; i++)
        if (test(paths[i]) == wanted)
            json_text(paths[i]);
    json_close('[');
}

void report_masks(void)
{
    list("masked", to_hide, sizeof to_hide / sizeof *to_hide, shows, 0);
    list("unmasked", to_hide, sizeof to_hide / sizeof *to_hide, shows, 1);
    list("readonly", to_protect, sizeof to_protect / sizeof *to_protect, read_only, 1);
    list("writable", to_protect, sizeof to_protect / sizeof *to_protect, read_only, 0);
}
