#include "text.h"

/* The compiler calls these four by name, also without a C library. */
void *memcpy(void *to, const void *from, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, u64 size)
{
    if ((u64)to <= (u64)from)
        return memcpy(to, from, size);
    while (size--)
        ((u8 *)to)[size] = ((const u8 *)from)[size];
    return to;
}

void *memset(void *to, int value, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)to)[i] = (u8)value;
    return to;
}

int memcmp(const void *a, const void *b, u64 size)
{
    for (u64 i = 0; i < size; i++)
        if (((const u8 *)a)[i] != ((const u8 *)b)[i])
            return ((const u8 *)a)[i] - ((const u8 *)b)[i];
    return 0;
}

u64 length(const char *text)
{
    u64 n = 0;
    while (text[n])
        n++;
    return n;
}

int begins(const char *text, const char *with)
{
    while (*with)
        if (*text++ != *with++)
            return 0;
    return 1;
}

int same(const char *a, const char *b)
{
    return begins(a, b) && begins(b, a);
}

int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *append(char *to, char *end, const char *from)
{
    while (*from && to + 1 < end)
        *to++ = *from++;
    *to = 0;
    return to;
}

/* Digits at `*text`, which then points behind them; -1 for none or for more than `most`. */
static long digits(const char **text, long most)
{
    long value = 0;
    if (**text < '0' || **text > '9')
        return -1;
    while (**text >= '0' && **text <= '9') {
        int digit = *(*text)++ - '0';
        if (value > (most - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    return value;
}

long number(const char *text, long most)
{
    long value = digits(&text, most);
    return *text ? -1 : value;
}

long bytes(const char *text)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi"};
    long value = digits(&text, 1L << 30);
    for (int i = 0; value >= 0 && i < 4; i++)
        if (same(text, units[i]))
            return value << (10 * i);
    return value >= 0 && !*text ? value : -1;
}

long milliseconds(const char *text)
{
    long value = digits(&text, 86400) * 1000;
    if (value < 0)
        return -1;
    if (*text == '.') {
        text++;
        for (int unit = 100; *text >= '0' && *text <= '9'; unit /= 10)
            value += (*text++ - '0') * unit;
    }
    return *text ? -1 : value;
}

char *decimal(char *to, long value)
{
    char turned[24];
    int n = 0;
    u64 rest = value < 0 ? -(u64)value : (u64)value;
    do
        turned[n++] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        turned[n++] = '-';
    for (int i = 0; i < n; i++)
        to[i] = turned[n - 1 - i];
    to[n] = 0;
    return to;
}

long read_file(const char *path, char *to, u64 size)
{
    u64 have = 0;
    long got = 0;
    int fd = (int)sys_open(path, 0);
    if (fd < 0)
        return fd;
    while (have + 1 < size && (got = sys_read(fd, to + have, size - 1 - have)) > 0)
        have += (u64)got;
    sys_close(fd);
    to[have] = 0;
    return got < 0 && !have ? got : (long)have;
}
