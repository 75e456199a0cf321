#include "net.h"
#include "text.h"

/* Four decimal bytes; the whole text. */
static int parse_v4(const char *text, u8 *to)
{
    for (int i = 0; i < 4; i++) {
        int value = 0, n = 0;
        for (; *text >= '0' && *text <= '9' && n < 3; n++)
            value = value * 10 + *text++ - '0';
        if (!n || value > 255 || *text++ != (i < 3 ? '.' : 0))
            return 0;
        to[i] = (u8)value;
    }
    return 1;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_v6(const char *text, u8 *to)
{
    int filled = 0, gap = -1;
    u8 read[16];
    if (text[0] == ':' && text[1] != ':')
        return 0;
    while (*text) {
        if (text[0] == ':' && text[1] == ':') {
            if (gap >= 0)
                return 0;
            gap = filled;
            text += 2;
            continue;
        }
        if (*text == ':' && (!filled || !text[1] || gap == filled))
            return 0;
        text += *text == ':';
        int value = 0, n = 0;
        if (filled <= 12 && parse_v4(text, read + filled)) {
            filled += 4;
            break;
        }
        for (; hex(text[n]) >= 0 && n < 4; n++)
            value = value << 4 | hex(text[n]);
        if (!n || filled > 14 || (text[n] && text[n] != ':'))
            return 0;
        read[filled++] = (u8)(value >> 8);
        read[filled++] = (u8)value;
        text += n;
    }
    if (gap < 0 ? filled != 16 : filled > 14)
        return 0;
    int zeros = 16 - filled;
    for (int i = 0; i < 16; i++)
        to[i] = gap < 0 || i < gap ? read[i] : i < gap + zeros ? 0 : read[i - zeros];
    return 1;
}

int parse_address(const char *text, struct address *to)
{
    to->family = AF_INET;
    if (parse_v4(text, to->bytes))
        return 1;
    to->family = AF_INET6;
    return parse_v6(text, to->bytes);
}

static char *format_v4(const u8 *from, char *to)
{
    char *at = to;
    for (int i = 0; i < 4; i++) {
        if (i)
            *at++ = '.';
        at += length(decimal(at, from[i]));
    }
    return to;
}

static char *format_v6(const u8 *from, char *to)
{
    int gap = -1, gap_size = 1;
    char *at = to;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && !from[2 * (i + n)] && !from[2 * (i + n) + 1])
            n++;
        if (n > gap_size) {
            gap = i;
            gap_size = n;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == gap) {
            *at++ = ':';
            i += gap_size - 1;
            if (i == 7)
                *at++ = ':';
            continue;
        }
        if (i)
            *at++ = ':';
        int value = from[2 * i] << 8 | from[2 * i + 1], begun = 0;
        for (int shift = 12; shift >= 0; shift -= 4)
            if (begun |= value >> shift || !shift)
                *at++ = "0123456789abcdef"[value >> shift & 15];
    }
    *at = 0;
    return to;
}

char *format_address(const struct address *from, char *to)
{
    return from->family == AF_INET ? format_v4(from->bytes, to) : format_v6(from->bytes, to);
}
