/* One question to one name server (RFC 1035). */

#ifndef DNS_H
#define DNS_H

#include "net.h"

enum { KIND_A = 1, KIND_AAAA = 28, REPLY_ADDRESSES = 32 };

/* Later ones say more about a name than earlier ones, when several spellings of it were asked for. */
enum outcome { FOUND, BADNAME, NXDOMAIN, NODATA, SERVFAIL, TIMEOUT, REFUSED_BY_ALL, NOSERVER };

struct reply {
    int count;
    struct address addresses[REPLY_ADDRESSES];
};

enum outcome query(const struct address *server, const char *name, int kind, long seconds, struct reply *to);

#endif
