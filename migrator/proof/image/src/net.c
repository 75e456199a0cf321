#include "net.h"

#include "json.h"
#include "text.h"
#include "verbs.h"

enum { SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_ERROR = 4, IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26, SAID = 200 };

/* A struct sockaddr_in or sockaddr_in6, and its size. */
static u64 fill(u8 *to, const struct address *from, int port)
{
    for (int i = 0; i < 28; i++)
        to[i] = 0;
    *(u16 *)to = (u16)from->family;
    to[2] = (u8)(port >> 8);
    to[3] = (u8)port;
    int v4 = from->family == AF_INET;
    for (int i = 0; i < (v4 ? 4 : 16); i++)
        to[(v4 ? 4 : 8) + i] = from->bytes[i];
    return v4 ? 16 : 28;
}

long open_socket(int family, int kind)
{
    return sys3(NR_socket, family, kind | O_NONBLOCK | O_CLOEXEC, 0);
}

long connect_socket(int fd, const struct address *to, int port)
{
    u8 name[28] __attribute__((aligned(8)));
    u64 size = fill(name, to, port);
    return sys3(NR_connect, fd, name, size);
}

long listen_on(int family, int port)
{
    struct address any = {family, {0}};
    u8 name[28] __attribute__((aligned(8)));
    u64 size = fill(name, &any, port);
    int on = 1;
    long fd = open_socket(family, SOCK_STREAM), error;
    if (fd < 0)
        return fd;
    /* Connections that have just ended do not count as users of the port; one that listens does. */
    sys5(NR_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        sys5(NR_setsockopt, fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if ((error = sys3(NR_bind, fd, name, size)) == 0 && (error = sys2(NR_listen, fd, 128)) == 0)
        return fd;
    sys_close((int)fd);
    return error;
}

long await(int fd, int event, long until)
{
    for (;;) {
        long left = until - clock_ns(CLOCK_MONOTONIC);
        struct pollfd one = {fd, (short)event, 0};
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        if (left <= 0)
            return -ETIMEDOUT;
        long got = sys_poll(&one, 1, &timeout);
        if (got > 0)
            return 0;
        if (got < 0 && got != -EINTR)
            return got;
    }
}

static long connected(int fd, const struct address *to, int port, long until)
{
    int error = 0, size = sizeof error;
    long answer = connect_socket(fd, to, port);
    if (answer != -EINPROGRESS)
        return answer;
    if ((answer = await(fd, POLLOUT, until)) < 0)
        return answer;
    answer = sys5(NR_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return answer < 0 ? answer : -error;
}

/* The first line that comes, without its end; the size. */
static u64 listen_to(int fd, u8 *to, u64 size, long until)
{
    u64 have = 0;
    while (have < size && !await(fd, POLLIN, until)) {
        long got = sys_read(fd, to + have, size - have);
        if (got == -EAGAIN || got == -EINTR)
            continue;
        if (got <= 0)
            break;
        for (long i = 0; i < got; i++, have++)
            if (to[have] == '\n')
                return have;
    }
    return have;
}

int verb_connect(int count, char **words)
{
    struct address to;
    u8 said[SAID];
    long port = count >= 2 ? number(words[1], 65535) : -1, wait = count == 3 ? milliseconds(words[2]) : 5000;
    if (count > 3 || port <= 0 || wait < 0 || !parse_address(words[0], &to))
        return misused("connect ADDRESS PORT [SECONDS]");
    long fd = open_socket(to.family, SOCK_STREAM);
    if (fd < 0)
        return refused(fd, "opening a socket for", words[0]);
    long error = connected((int)fd, &to, (int)port, clock_ns(CLOCK_MONOTONIC) + wait * 1000000);
    if (error)
        return refused(error, "connecting to", words[0]);
    /* Who waits for the other end to speak first, as TLS does, ends at once; who greets us does that all the same. */
    sys2(NR_shutdown, fd, SHUT_WR);
    u64 size = listen_to((int)fd, said, sizeof said, clock_ns(CLOCK_MONOTONIC) + 2000000000);
    json_open('{');
    json_key("connected");
    json_true();
    json_key("said");
    json_begin_text();
    json_piece(said, size);
    json_end_text();
    json_close('{');
    return DONE;
}

int verb_bind(int count, char **words)
{
    long port = count == 1 ? number(words[0], 65535) : -1;
    if (port <= 0)
        return misused("bind PORT");
    long fd = listen_on(AF_INET, (int)port);
    if (fd < 0)
        return refused(fd, "binding port", words[0]);
    json_open('{');
    json_key("bound");
    json_true();
    json_close('{');
    return DONE;
}
