/* The main process of a probe container: PID 1, to which the kernel gives no default actions for signals. */

#include "json.h"
#include "net.h"
#include "text.h"
#include "verbs.h"

enum { MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, WNOHANG = 1 };

/* A descriptor that tells of the signals that end us and of children; they do nothing else any more. */
static long watch_signals(void)
{
    u64 set = 1UL << (SIGTERM - 1) | 1UL << (SIGINT - 1) | 1UL << (SIGCHLD - 1);
    long error = sys4(NR_rt_sigprocmask, 0, &set, 0, sizeof set);
    return error ? error : sys4(NR_signalfd4, -1, &set, sizeof set, O_NONBLOCK | O_CLOEXEC);
}

/* Several children may have ended for one signal, or before signals were watched. */
static void reap(void)
{
    while (sys_wait(-1, WNOHANG) > 0)
        ;
}

/* Whether a signal came that ends us. */
static int told_to_end(int fd)
{
    struct { u32 number; u8 rest[124]; } signal;
    int end = 0;
    while (sys_read(fd, &signal, sizeof signal) == sizeof signal) {
        end |= signal.number != SIGCHLD;
        reap();
    }
    return end;
}

/* Answer one caller with our name. A caller that does not read cannot hold up the others. */
static void answer(int listener)
{
    struct utsname names;
    u8 ignored[256];
    char text[80], *end = text + sizeof text;
    long fd = sys4(NR_accept4, listener, 0, 0, O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || sys_uname(&names) < 0)
        return;
    char *stop = append(append(text, end, names.nodename), end, "\n");
    sys6(NR_sendto, fd, (long)text, stop - text, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    sys2(NR_shutdown, fd, SHUT_WR);
    /* What was sent to us and not read would turn the end of the connection into a reset. */
    sys_read((int)fd, ignored, sizeof ignored);
    sys_close((int)fd);
}

static int serve(int signals, long v4, long v6)
{
    struct pollfd fds[3] = {{signals, POLLIN, 0}, {(int)v4, POLLIN, 0}, {(int)v6, POLLIN, 0}};
    for (;;) {
        if (sys_poll(fds, 3, 0) <= 0)
            continue;
        if (fds[0].revents && told_to_end(signals))
            return DONE;
        for (int i = 1; i < 3; i++)
            if (fds[i].revents)
                answer(fds[i].fd);
    }
}

int verb_wait(int count, char **words)
{
    long lines = 0, port = 0, v4 = -1, v6 = -1;
    for (; count >= 2; count -= 2, words += 2) {
        if (same(words[0], "--lines"))
            lines = number(words[1], 100000000);
        else if (same(words[0], "--port"))
            port = number(words[1], 65535);
        else
            break;
    }
    if (count || lines < 0 || port < 0)
        return misused("wait [--lines N] [--port P]");
    long signals = watch_signals();
    if (signals < 0)
        return refused(signals, "watching for", "signals");
    reap();
    write_lines(lines);
    if (port) {
        if ((v4 = listen_on(AF_INET, (int)port)) < 0)
            return refused(v4, "listening on port", decimal((char[24]){0}, port));
        /* For clusters whose pods have no other; where there is no IPv6, nobody misses it. */
        v6 = listen_on(AF_INET6, (int)port);
    }
    return serve((int)signals, v4, v6 < 0 ? -1 : v6);
}
