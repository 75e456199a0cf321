/* What the probe does when it is asked to, within its own container. */

#include "json.h"
#include "text.h"
#include "verbs.h"

enum { PAGE = 4096, PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };

static long map(long size)
{
    return sys6(NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int refuses(long answer)
{
    return answer < 0 && answer >= -4095;
}

int verb_memory(int count, char **words)
{
    long size = count == 1 ? bytes(words[0]) : -1;
    if (size <= 0)
        return misused("memory BYTES (also 16Mi)");
    long at = map(size);
    if (refuses(at))
        return refused(at, "mapping bytes:", words[0]);
    for (long i = 0; i < size; i += PAGE)
        ((volatile u8 *)at)[i] = 1;
    json_open('{');
    json_key("touched");
    json_number(size);
    json_close('{');
    return DONE;
}

int verb_spin(int count, char **words)
{
    long wanted = count == 1 ? milliseconds(words[0]) : -1;
    if (wanted < 0)
        return misused("spin SECONDS");
    long start = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall;
    do
        for (volatile int i = 0; i < 100000; i++)
            ;
    while ((wall = clock_ns(CLOCK_MONOTONIC) - start) < wanted * 1000000);
    json_open('{');
    json_key("wall_ns");
    json_number(wall);
    json_key("cpu_ns");
    json_number(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    json_close('{');
    return DONE;
}

/* A child that does nothing until it is killed, also by its parent's death. */
static long sleeper(void)
{
    enum { PR_SET_PDEATHSIG = 1 };
    long child = sys5(NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (child)
        return child;
    sys2(NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        sys_poll(0, 0, 0);
}

int verb_fork(int count, char **words)
{
    enum { MOST = 65536 };
    static int children[MOST];
    long wanted = count == 1 ? number(words[0], MOST) : -1, made = 0, error = 0;
    if (wanted < 0)
        return misused("fork N (at most 65536)");
    while (made < wanted) {
        long child = sleeper();
        if (child < 0) {
            error = child;
            break;
        }
        children[made++] = (int)child;
    }
    for (long i = 0; i < made; i++)
        sys2(NR_kill, children[i], SIGKILL);
    for (long i = 0; i < made; i++)
        while (sys_wait(children[i], 0) == -EINTR)
            ;
    json_open('{');
    json_key("forked");
    json_number(made);
    if (error)
        error_fields(error, "starting one more process than", decimal((char[24]){0}, made));
    json_close('{');
    return error ? REFUSED : DONE;
}

/* Make a folder and those above it. 0, or a negative errno. */
static long make_folders(const char *path)
{
    char part[1024];
    long error = 0;
    for (u64 n = 1; n < sizeof part && path[n - 1]; n++) {
        part[n - 1] = path[n - 1];
        if (path[n] && path[n] != '/')
            continue;
        part[n] = 0;
        error = sys_mkdir(part, 0755);
    }
    return error == -EEXIST ? 0 : error;
}

int verb_mount(int count, char **words)
{
    if (count != 2 || *words[0] != '/' || length(words[0]) > 1000)
        return misused("mount FOLDER NAME (an absolute path)");
    long error = make_folders(words[0]);
    if (error)
        return refused(error, "making", words[0]);
    error = sys5(NR_mount, words[1], words[0], "tmpfs", 0, "size=64k");
    if (error)
        return refused(error, "mounting a tmpfs on", words[0]);
    json_open('{');
    json_key("mounted");
    json_true();
    json_close('{');
    return DONE;
}

int verb_shm(int count, char **words)
{
    enum { IPC_CREAT = 01000, IPC_EXCL = 02000 };
    long key = count == 2 ? number(words[0], 0x7fffffff) : -1, size = count == 2 ? bytes(words[1]) : -1;
    if (key <= 0 || size <= 0)
        return misused("shm KEY BYTES (the key decimal, from 1)");
    long id = sys3(NR_shmget, key, size, IPC_CREAT | IPC_EXCL | 0600);
    if (refuses(id))
        return refused(id, "making the shared memory segment", words[0]);
    json_open('{');
    json_key("shm");
    json_number(id);
    json_close('{');
    return DONE;
}

void write_lines(long count)
{
    char text[24];
    for (long i = 1; i <= count; i++) {
        u64 size = length(decimal(text, i));
        out_text("migrator-probe line ");
        if (size < 6)
            out("000000", 6 - size);
        out(text, size);
        out("\n", 1);
    }
    out_flush();
}

int verb_lines(int count, char **words)
{
    long wanted = count == 1 ? number(words[0], 100000000) : -1;
    if (wanted < 0)
        return misused("lines N");
    write_lines(wanted);
    json_open('{');
    json_key("lines");
    json_number(wanted);
    json_close('{');
    return DONE;
}
