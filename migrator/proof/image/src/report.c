/* The view from inside: RawView of migrator/model/proof.py, in its field names. */

#include "folder.h"
#include "json.h"
#include "text.h"
#include "verbs.h"

enum { MOST = 1 << 20 };

/* Below /proc/self. */
static const char *const own[] = {
    "status", "limits", "mountinfo", "cgroup", "uid_map", "gid_map", "oom_score_adj", "attr/current", "net/dev",
    "net/route", "net/ipv6_route", "net/fib_trie", "net/if_inet6",
};

static const char *const absolute[] = {
    "/proc/1/cmdline", "/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem", "/etc/resolv.conf",
    "/etc/hostname", "/etc/hosts", "/proc/sys/kernel/hostname", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/msgmax",
    "/proc/sys/fs/mqueue/msg_max", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    "/proc/sys/net/ipv4/ping_group_range", "/proc/sys/net/ipv4/ip_forward",
};

static const char *const of_interface[] = {"mtu", "address", "iflink", "operstate"};

static const char *const namespaces[] = {"net", "pid", "mnt", "user", "uts", "ipc", "cgroup", "time", "pid_for_children"};

static const char *const folders[] = {"/proc", "/dev", "/dev/shm", "/sys/class/net"};

void report_file(const char *first, const char *second, const char *path, u64 limit)
{
    static u8 chunk[4096];
    int fd = (int)sys_open(path, O_NONBLOCK);
    if (fd < 0)
        return;
    /* Some files open, and only reading says that there is nothing to be read. */
    long got = sys_read(fd, chunk, sizeof chunk);
    if (got >= 0) {
        json_key2(first, second);
        json_begin_text();
        for (u64 size = 0; got > 0 && size < limit; got = sys_read(fd, chunk, sizeof chunk)) {
            u64 piece = (u64)got < limit - size ? (u64)got : limit - size;
            json_piece(chunk, piece);
            size += piece;
        }
        json_end_text();
    }
    sys_close(fd);
}

static void report_files(void)
{
    char path[512], *end = path + sizeof path;
    struct folder folder;
    for (u64 i = 0; i < sizeof own / sizeof *own; i++) {
        append(append(path, end, "/proc/self/"), end, own[i]);
        report_file(own[i], "", path, MOST);
    }
    for (u64 i = 0; i < sizeof absolute / sizeof *absolute; i++)
        report_file(absolute[i], "", absolute[i], MOST);
    if (folder_open(&folder, "/sys/class/net"))
        return;
    for (const char *name; (name = folder_next(&folder));)
        for (u64 i = 0; i < sizeof of_interface / sizeof *of_interface; i++) {
            char *at = append(append(path, end, "/sys/class/net/"), end, name);
            append(append(at, end, "/"), end, of_interface[i]);
            report_file(path, "", path, MOST);
        }
    folder_close(&folder);
}

static void report_links(void)
{
    char path[64], target[256];
    for (u64 i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        append(append(path, path + sizeof path, "/proc/self/ns/"), path + sizeof path, namespaces[i]);
        long size = sys_readlink(path, target, sizeof target - 1);
        if (size < 0)
            continue;
        target[size] = 0;
        json_key2("ns/", namespaces[i]);
        json_text(target);
    }
}

static void report_lists(void)
{
    struct folder folder;
    for (u64 i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (folder_open(&folder, folders[i]))
            continue;
        json_key(folders[i]);
        json_open('[');
        for (const char *name; (name = folder_next(&folder));)
            if (!same(folders[i], "/proc") || number(name, 1L << 31) >= 0)
                json_text(name);
        json_close('[');
        folder_close(&folder);
    }
    report_masks();
}

static void report_names(void)
{
    struct utsname names;
    if (sys_uname(&names) < 0)
        return;
    json_key("nodename");
    json_text(names.nodename);
    json_key("release");
    json_text(names.release);
    json_key("machine");
    json_text(names.machine);
}

static void field(const char *name, void (*fill)(void))
{
    json_key(name);
    json_open('{');
    if (fill)
        fill();
    json_close('{');
}

int verb_report(int count, char **words)
{
    (void)words;
    if (count)
        return misused("report");
    json_open('{');
    json_key("schema_version");
    json_number(1);
    field("links", report_links);
    field("files", report_files);
    field("lists", report_lists);
    field("cgroup", report_cgroup);
    /* Only the host can see it. */
    field("parent", 0);
    field("names", report_names);
    json_close('{');
    return DONE;
}
