#include "dns.h"

#include "text.h"

enum { HEADER = 12, PORT = 53, RESPONSE = 0x80, RECURSION_DESIRED = 0x01, CODE = 0x0f };

/* The question as bytes; the size, 0 for a name that is none. */
static u64 write_question(u8 *to, const char *name, int kind, u16 id)
{
    u64 at = HEADER;
    for (int i = 0; i < HEADER; i++)
        to[i] = 0;
    to[0] = (u8)(id >> 8);
    to[1] = (u8)id;
    to[2] = RECURSION_DESIRED;
    to[5] = 1;
    while (*name) {
        u64 n = 0;
        while (name[n] && name[n] != '.')
            n++;
        if (!n || n > 63 || at + n - HEADER > 253)
            return 0;
        to[at++] = (u8)n;
        for (u64 i = 0; i < n; i++)
            to[at++] = (u8)name[i];
        name += n + (name[n] == '.');
    }
    to[at++] = 0;
    to[at++] = 0;
    to[at++] = (u8)kind;
    to[at++] = 0;
    to[at++] = 1;
    return at;
}

/* Where the name at `at` ends; beyond `size` when it is broken. */
static u64 skip_name(const u8 *reply, u64 at, u64 size)
{
    while (at < size && reply[at]) {
        if (reply[at] >= 0xc0)
            return at + 2;
        at += 1UL + reply[at];
    }
    return at + 1;
}

static u16 word(const u8 *from)
{
    return (u16)(from[0] << 8 | from[1]);
}

/* The addresses of the answer section, whoever's they are: a server gives those that the name's aliases lead to. */
static enum outcome read_reply(const u8 *reply, u64 size, int kind, struct reply *to)
{
    int code = reply[3] & CODE, answers = word(reply + 6);
    u64 wanted = kind == KIND_A ? 4 : 16, at = skip_name(reply, HEADER, size) + 4;
    to->count = 0;
    if (code)
        return code == 3 ? NXDOMAIN : SERVFAIL;
    while (answers-- && at < size) {
        at = skip_name(reply, at, size);
        if (at + 10 > size)
            break;
        u64 data = at + 10, data_size = word(reply + at + 8);
        if (word(reply + at) == kind && word(reply + at + 2) == 1 && data_size == wanted && data + wanted <= size
            && to->count < REPLY_ADDRESSES) {
            struct address *address = &to->addresses[to->count++];
            address->family = kind == KIND_A ? AF_INET : AF_INET6;
            for (u64 i = 0; i < wanted; i++)
                address->bytes[i] = reply[data + i];
        }
        at = data + data_size;
    }
    return to->count ? FOUND : NODATA;
}

enum outcome query(const struct address *server, const char *name, int kind, long seconds, struct reply *to)
{
    static u8 question[512], reply[4096];
    u16 id = (u16)clock_ns(CLOCK_MONOTONIC);
    sys3(NR_getrandom, &id, sizeof id, 0);
    u64 size = write_question(question, name, kind, id);
    if (!size)
        return BADNAME;
    long fd = open_socket(server->family, SOCK_DGRAM), until = clock_ns(CLOCK_MONOTONIC) + seconds * 1000000000;
    enum outcome outcome = REFUSED_BY_ALL;
    if (fd < 0)
        return outcome;
    if (!connect_socket((int)fd, server, PORT) && sys_write((int)fd, question, size) > 0) {
        outcome = TIMEOUT;
        while (outcome == TIMEOUT && !await((int)fd, POLLIN, until)) {
            long got = sys_read((int)fd, reply, sizeof reply);
            if (got == -EAGAIN || got == -EINTR)
                continue;
            if (got < 0)
                outcome = REFUSED_BY_ALL;
            else if (got >= HEADER && word(reply) == id && reply[2] & RESPONSE)
                outcome = read_reply(reply, (u64)got, kind, to);
        }
    }
    sys_close((int)fd);
    return outcome;
}
