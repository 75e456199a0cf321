#include "json.h"

#include "text.h"

static u8 waiting[16384];
static u64 have;
static long trouble;

long out_flush(void)
{
    for (u64 done = 0; done < have && !trouble;) {
        long put = sys_write(1, waiting + done, have - done);
        if (put == -EAGAIN) {
            struct pollfd writable = {1, POLLOUT, 0};
            sys_poll(&writable, 1, 0);
        } else if (put < 0 && put != -EINTR) {
            trouble = put;
        } else if (put > 0) {
            done += (u64)put;
        }
    }
    have = 0;
    return trouble;
}

static void put(u8 byte)
{
    if (have == sizeof waiting)
        out_flush();
    waiting[have++] = byte;
}

void out(const void *from, u64 size)
{
    for (u64 i = 0; i < size; i++)
        put(((const u8 *)from)[i]);
}

void out_text(const char *text)
{
    out(text, length(text));
}

/* Whether a comma is due before the next value at this depth, or a key has just been written. */
static int filled[8], depth, after_key;

static void separate(void)
{
    if (after_key)
        after_key = 0;
    else if (filled[depth]++)
        put(',');
}

void json_open(char kind)
{
    separate();
    put((u8)kind);
    filled[++depth] = 0;
}

void json_close(char kind)
{
    put(kind == '{' ? '}' : ']');
    if (--depth == 0) {
        put('\n');
        filled[0] = 0; /* the next object stands alone on its line */
    }
}

/* The sequence of UTF-8 that is being read: its bytes so far, and how many it must have. */
static u8 sequence[4];
static int got, wanted;

static void escaped(u8 byte)
{
    static const char hex[] = "0123456789abcdef";
    if (byte == '"' || byte == '\\') {
        put('\\');
        put(byte);
    } else if (byte == '\n') {
        out("\\n", 2);
    } else if (byte < 0x20 || byte == 0x7f) {
        out("\\u00", 4);
        put((u8)hex[byte >> 4]);
        put((u8)hex[byte & 15]);
    } else {
        put(byte);
    }
}

static void spoiled(void)
{
    out("\\ufffd", 6);
    got = 0;
}

/* Whether `byte` may be the second of a sequence: no overlong form, no surrogate, nothing above U+10FFFF. */
static int second(u8 byte)
{
    switch (sequence[0]) {
    case 0xe0: return byte >= 0xa0;
    case 0xed: return byte < 0xa0;
    case 0xf0: return byte >= 0x90;
    case 0xf4: return byte < 0x90;
    default: return 1;
    }
}

static void text_byte(u8 byte)
{
    int follows = byte >= 0x80 && byte < 0xc0;
    if (got && (!follows || (got == 1 && !second(byte))))
        spoiled();
    if (got) {
        sequence[got++] = byte;
        if (got == wanted) {
            out(sequence, (u64)got);
            got = 0;
        }
    } else if (byte < 0x80) {
        escaped(byte);
    } else if (byte >= 0xc2 && byte <= 0xf4) {
        sequence[got++] = byte;
        wanted = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    } else {
        spoiled();
    }
}

void json_begin_text(void)
{
    separate();
    put('"');
    got = 0;
}

void json_piece(const void *from, u64 size)
{
    for (u64 i = 0; i < size; i++)
        text_byte(((const u8 *)from)[i]);
}

void json_end_text(void)
{
    if (got)
        spoiled();
    put('"');
}

void json_text(const char *text)
{
    json_begin_text();
    json_piece(text, length(text));
    json_end_text();
}

void json_key2(const char *first, const char *second)
{
    json_begin_text();
    json_piece(first, length(first));
    json_piece(second, length(second));
    json_end_text();
    put(':');
    after_key = 1;
}

void json_key(const char *name)
{
    json_key2(name, "");
}

void json_number(long value)
{
    char text[24];
    separate();
    out_text(decimal(text, value));
}

void json_true(void)
{
    separate();
    out_text("true");
}
