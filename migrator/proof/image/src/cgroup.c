/* The process's own cgroup: found by its path in /proc/self/cgroup below a mount in /proc/self/mountinfo. */

#include "folder.h"
#include "json.h"
#include "text.h"
#include "verbs.h"

enum { MOST = 65536, FIELDS = 24 };

static const char *const controllers[] = {"memory", "cpu", "cpuacct", "pids", "cpuset"};
enum { CONTROLLERS = sizeof controllers / sizeof *controllers };

static char memberships[16384];
static char mounts[262144];

/* Whether `word` stands in a list separated by commas that ends at `stop`. */
static int listed(const char *list, char stop, const char *word)
{
    while (*list && *list != stop) {
        u64 n = 0;
        while (list[n] && list[n] != ',' && list[n] != stop)
            n++;
        if (n == length(word) && begins(list, word))
            return 1;
        list += n + (list[n] == ',');
    }
    return 0;
}

/* The path of the process's cgroup in the hierarchy of a controller, "" for v2; in `to`. 0 when it has none. */
static int membership(const char *controller, char *to, u64 size)
{
    for (const char *line = memberships; *line;) {
        const char *list = line, *path;
        while (*list && *list != ':' && *list != '\n')
            list++;
        list += *list == ':';
        for (path = list; *path && *path != ':' && *path != '\n';)
            path++;
        int mine = *controller ? listed(list, ':', controller) : begins(line, "0::");
        path += *path == ':';
        u64 n = 0;
        while (path[n] && path[n] != '\n')
            n++;
        if (mine && n < size) {
            for (u64 i = 0; i < n; i++)
                to[i] = path[i];
            to[n] = 0;
            return 1;
        }
        line = path + n + (path[n] == '\n');
    }
    return 0;
}

/* Undo \040 and its kind, in place. */
static void unescape(char *text)
{
    char *to = text;
    while (*text) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
            *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
            text += 4;
        } else {
            *to++ = *text++;
        }
    }
    *to = 0;
}

/* The files of a folder whose name begins with a controller's, or with "cgroup"; with their folder in the key on v1. */
static void report_folder(const char *path, const char *controller)
{
    static struct folder folder;
    char file[4608], key[64], *end = file + sizeof file;
    if (folder_open(&folder, path))
        return;
    append(append(key, key + sizeof key, controller), key + sizeof key, *controller ? "/" : "");
    for (const char *name; (name = folder_next(&folder));) {
        int wanted = begins(name, "cgroup.");
        for (int i = 0; i < CONTROLLERS && !wanted; i++)
            wanted = (!*controller || same(controller, controllers[i])) && begins(name, controllers[i])
                     && name[length(controllers[i])] == '.';
        if (!wanted)
            continue;
        append(append(append(file, end, path), end, "/"), end, name);
        report_file(key, name, file, MOST);
    }
    folder_close(&folder);
}

/* Report the own cgroup below a mount of a hierarchy; whether the mount holds it. */
static int report_mount(const char *root, const char *point, const char *controller)
{
    char own[2048], path[4096], *end = path + sizeof path;
    const char *below = own;
    if (!membership(controller, own, sizeof own))
        return 0;
    if (!same(root, "/")) {
        if (!begins(own, root) || (own[length(root)] && own[length(root)] != '/'))
            return 0;
        below = own + length(root);
    }
    append(append(path, end, point), end, same(below, "/") ? "" : below);
    report_folder(path, controller);
    return 1;
}

void report_cgroup(void)
{
    int done[CONTROLLERS] = {0};
    if (read_file("/proc/self/cgroup", memberships, sizeof memberships) < 0
        || read_file("/proc/self/mountinfo", mounts, sizeof mounts) < 0)
        return;
    for (char *at = mounts; *at;) {
        char *fields[FIELDS] = {0};
        int count = 0, dash = 0;
        /* 36 35 0:31 ROOT POINT OPTIONS [tags…] - TYPE SOURCE SUPER-OPTIONS (proc_pid_mountinfo(5)) */
        for (char *word = at; *at && *at != '\n'; word = at) {
            while (*at && *at != ' ' && *at != '\n')
                at++;
            char stop = *at;
            *at = 0;
            if (count > 5 && !dash && same(word, "-"))
                dash = count;
            if (count < FIELDS)
                fields[count++] = word;
            if (stop != ' ') {
                *at = stop;
                break;
            }
            at++;
        }
        int more = *at == '\n';
        *at = 0;
        at += more;
        if (!dash || dash + 3 >= count)
            continue;
        char *root = fields[3], *point = fields[4];
        unescape(root);
        unescape(point);
        if (same(fields[dash + 1], "cgroup2") && same(point, "/sys/fs/cgroup"))
            report_mount(root, point, "");
        for (int i = 0; i < CONTROLLERS; i++)
            if (same(fields[dash + 1], "cgroup") && begins(point, "/sys/fs/cgroup/")
                && listed(fields[dash + 3], 0, controllers[i]) && !done[i])
                done[i] = report_mount(root, point, controllers[i]);
    }
}
