#include "json.h"
#include "text.h"
#include "verbs.h"

static const struct { int number; const char *name, *meaning; } errors[] = {
    {1, "EPERM", "operation not permitted"},
    {2, "ENOENT", "no such file or folder"},
    {4, "EINTR", "interrupted"},
    {5, "EIO", "input or output error"},
    {6, "ENXIO", "no such device or address"},
    {7, "E2BIG", "too long"},
    {9, "EBADF", "not open"},
    {11, "EAGAIN", "resource not available now, or its limit is reached"},
    {12, "ENOMEM", "no memory"},
    {13, "EACCES", "permission denied"},
    {16, "EBUSY", "busy"},
    {17, "EEXIST", "exists already"},
    {19, "ENODEV", "no such device or file system"},
    {20, "ENOTDIR", "not a folder"},
    {22, "EINVAL", "invalid argument"},
    {23, "ENFILE", "too many open files in the system"},
    {24, "EMFILE", "too many open files"},
    {28, "ENOSPC", "no space left"},
    {30, "EROFS", "read-only file system"},
    {32, "EPIPE", "nobody reads the other end"},
    {38, "ENOSYS", "no such system call, or it is filtered"},
    {97, "EAFNOSUPPORT", "address family not supported"},
    {98, "EADDRINUSE", "address in use"},
    {99, "EADDRNOTAVAIL", "address not available"},
    {100, "ENETDOWN", "network is down"},
    {101, "ENETUNREACH", "network unreachable"},
    {104, "ECONNRESET", "connection reset by the other end"},
    {105, "ENOBUFS", "no buffer space"},
    {110, "ETIMEDOUT", "timed out"},
    {111, "ECONNREFUSED", "connection refused"},
    {112, "EHOSTDOWN", "host is down"},
    {113, "EHOSTUNREACH", "no route to the host"},
};

void error_fields(long error, const char *what, const char *object)
{
    char name[32], message[512], *end = message + sizeof message;
    const char *meaning = "the system refused";
    decimal(append(name, name + sizeof name, "errno "), -error);
    for (u64 i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].number == -error) {
            append(name, name + sizeof name, errors[i].name);
            meaning = errors[i].meaning;
        }
    char *at = append(append(append(message, end, what), end, " "), end, object);
    append(append(at, end, ": "), end, meaning);
    json_key("error");
    json_text(name);
    json_key("message");
    json_text(message);
}

int refused(long error, const char *what, const char *object)
{
    json_open('{');
    error_fields(error, what, object);
    json_close('{');
    return REFUSED;
}

int misused(const char *usage)
{
    json_open('{');
    json_key("error");
    json_text("USAGE");
    json_key("message");
    json_text(usage);
    json_close('{');
    return USAGE;
}
