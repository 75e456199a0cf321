/* Addresses and sockets, IPv4 and IPv6. */

#ifndef NET_H
#define NET_H

#include "sys.h"

enum { AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_DGRAM = 2, SHUT_WR = 1, ADDRESS_TEXT = 48 };

struct address {
    int family;
    u8 bytes[16];
};

/* Whether `text` is an address; a scope ("%eth0") is not understood. */
int parse_address(const char *text, struct address *to);
/* In `to` of ADDRESS_TEXT bytes; gives `to`. IPv6 as RFC 5952 wants it. */
char *format_address(const struct address *from, char *to);

/* A non-blocking socket, or a negative errno. */
long open_socket(int family, int kind);
long connect_socket(int fd, const struct address *to, int port);
/* A socket that listens on a port of every address of a family, or a negative errno. */
long listen_on(int family, int port);
/* Wait until `fd` is readable or writable; 0, or -ETIMEDOUT when the clock reaches `until` (nanoseconds) before. */
long await(int fd, int event, long until);

#endif
