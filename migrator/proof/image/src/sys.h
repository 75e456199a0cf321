/* System calls without a C library. Each gives what the kernel gives: a negative errno when it refuses. */

#ifndef SYS_H
#define SYS_H

#if defined(__x86_64__)
#include "sys-amd64.h"
#elif defined(__aarch64__)
#include "sys-arm64.h"
#else
#error "the probe knows no system calls for this architecture"
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum {
    EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, EAGAIN = 11, ENOMEM = 12, EEXIST = 17, ENOTDIR = 20, EINVAL = 22,
    ETIMEDOUT = 110, ECONNREFUSED = 111, EINPROGRESS = 115
};

#define O_NONBLOCK 04000
#define O_CLOEXEC 02000000
#define AT_FDCWD (-100)

enum { SIGINT = 2, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17 };
enum { CLOCK_MONOTONIC = 1, CLOCK_PROCESS_CPUTIME_ID = 2 };
enum { POLLIN = 1, POLLOUT = 4 };

struct timespec { long seconds, nanoseconds; };
struct pollfd { int fd; short events, revents; };
struct utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; };

#define sys0(n) sys6(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) sys6(n, (long)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) sys6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) sys6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(n, a, b, c, d, e) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline long sys_read(int fd, void *to, u64 size) { return sys3(NR_read, fd, to, size); }
static inline long sys_write(int fd, const void *from, u64 size) { return sys3(NR_write, fd, from, size); }
static inline long sys_close(int fd) { return sys1(NR_close, fd); }
static inline long sys_open(const char *path, int flags) { return sys4(NR_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0); }
static inline long sys_getdents(int fd, void *to, u64 size) { return sys3(NR_getdents64, fd, to, size); }
static inline long sys_readlink(const char *path, char *to, u64 size)
{
    return sys4(NR_readlinkat, AT_FDCWD, path, to, size);
}
static inline long sys_mkdir(const char *path, int mode) { return sys3(NR_mkdirat, AT_FDCWD, path, mode); }
static inline long sys_uname(struct utsname *to) { return sys1(NR_uname, to); }
static inline long sys_poll(struct pollfd *fds, u64 count, const struct timespec *timeout)
{
    return sys5(NR_ppoll, fds, count, timeout, 0, 8);
}
static inline long sys_wait(int pid, int options) { return sys4(NR_wait4, pid, 0, options, 0); }

/* Nanoseconds by a clock, 0 when the kernel does not tell. */
static inline long clock_ns(int clock)
{
    struct timespec now = {0, 0};
    sys2(NR_clock_gettime, clock, &now);
    return now.seconds * 1000000000 + now.nanoseconds;
}

#endif
