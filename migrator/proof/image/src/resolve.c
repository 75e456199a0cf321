/* A resolver of our own: the search list and ndots as resolv.conf(5) has them, one query at a time, by UDP. */

#include "dns.h"
#include "json.h"
#include "net.h"
#include "text.h"
#include "verbs.h"

enum { SERVERS = 3, SEARCHES = 32 };

static struct {
    struct address servers[SERVERS];
    char *searches[SEARCHES];
    int server_count, search_count;
    long dots, timeout, attempts;
} conf;

static struct reply found;
static struct address answered_by;

static void read_option(const char *word)
{
    static const struct { const char *name; long *to, most; } options[] = {
        {"ndots:", &conf.dots, 15}, {"timeout:", &conf.timeout, 30}, {"attempts:", &conf.attempts, 5},
    };
    for (u64 i = 0; i < sizeof options / sizeof *options; i++)
        if (begins(word, options[i].name)) {
            long value = number(word + length(options[i].name), 1000000);
            if (value >= 0)
                *options[i].to = value < options[i].most ? value : options[i].most;
        }
}

/* One line, which is taken apart. The last of several `search` or `domain` lines counts. */
static void read_line(char *line)
{
    char *words[SEARCHES + 1];
    int count = 0;
    while (*line && count <= SEARCHES) {
        while (is_space(*line))
            *line++ = 0;
        if (*line)
            words[count++] = line;
        while (*line && !is_space(*line))
            line++;
    }
    if (count < 2)
        return;
    if (same(words[0], "nameserver") && conf.server_count < SERVERS)
        conf.server_count += parse_address(words[1], &conf.servers[conf.server_count]);
    if (same(words[0], "search") || same(words[0], "domain")) {
        conf.search_count = count - 1;
        for (int i = 1; i < count; i++)
            conf.searches[i - 1] = words[i];
    }
    for (int i = 1; same(words[0], "options") && i < count; i++)
        read_option(words[i]);
}

static void read_conf(void)
{
    static char text[16384];
    conf.dots = 1;
    conf.timeout = 5;
    conf.attempts = 2;
    if (read_file("/etc/resolv.conf", text, sizeof text) < 0)
        return;
    for (char *at = text, *line; *at;) {
        for (line = at; *at && *at != '\n';)
            at++;
        if (*at)
            *at++ = 0;
        read_line(line);
    }
}

/* Ask the servers in turn for records of one kind. A server that fails or is silent leaves it to the next. */
static enum outcome ask(const char *name, int kind)
{
    enum outcome worst = TIMEOUT;
    for (long attempt = 0; attempt < (conf.attempts ? conf.attempts : 1); attempt++)
        for (int i = 0; i < conf.server_count; i++) {
            enum outcome outcome = query(&conf.servers[i], name, kind, conf.timeout ? conf.timeout : 1, &found);
            answered_by = conf.servers[i];
            if (outcome == FOUND || outcome == NXDOMAIN || outcome == NODATA || outcome == BADNAME)
                return outcome;
            if (outcome != TIMEOUT)
                worst = outcome;
        }
    return worst;
}

/* A name as it stands; IPv6 only where there is no IPv4. */
static enum outcome look_up(const char *name)
{
    enum outcome outcome = ask(name, KIND_A);
    if (outcome != NODATA)
        return outcome;
    outcome = ask(name, KIND_AAAA);
    return outcome == NXDOMAIN ? NODATA : outcome;
}

/* The name alone and with the search list, in the order that its dots ask for; `full` gets the last one that was asked.
   As in glibc's res_nsearch, a server's failure is remembered and a silence ends the search. */
static enum outcome search(const char *name, char *full, char *end)
{
    int dots = 0, absolute = *name && name[length(name) - 1] == '.';
    enum outcome best = NXDOMAIN;
    for (const char *at = name; *at; at++)
        dots += *at == '.';
    int first = dots >= conf.dots;
    for (int i = -1; i <= conf.search_count; i++) {
        int alone = i < 0 || i == conf.search_count;
        if (absolute ? i >= 0 : alone && first != (i < 0))
            continue;
        char *at = append(full, end, name);
        if (!alone)
            append(append(at, end, "."), end, same(conf.searches[i], ".") ? "" : conf.searches[i]);
        enum outcome outcome = look_up(full);
        if (outcome == FOUND || outcome == TIMEOUT || outcome == REFUSED_BY_ALL)
            return outcome;
        if (outcome > best)
            best = outcome;
    }
    return best;
}

static int nothing(enum outcome outcome, const char *name)
{
    static const struct { enum outcome outcome; const char *error, *message; } texts[] = {
        {NXDOMAIN, "NXDOMAIN", "no such name, also not with the search list: "},
        {BADNAME, "NXDOMAIN", "not a name that DNS can be asked for: "},
        {NODATA, "NODATA", "the name has no address: "},
        {SERVFAIL, "SERVFAIL", "every name server failed for "},
        {TIMEOUT, "TIMEOUT", "no name server answered in time for "},
        {REFUSED_BY_ALL, "ECONNREFUSED", "no name server can be reached for "},
        {NOSERVER, "NOSERVER", "/etc/resolv.conf names no name server for "},
    };
    char message[512], *end = message + sizeof message;
    for (u64 i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].outcome == outcome) {
            append(append(message, end, texts[i].message), end, name);
            json_open('{');
            json_key("error");
            json_text(texts[i].error);
            json_key("message");
            json_text(message);
            json_close('{');
        }
    return REFUSED;
}

int verb_resolve(int count, char **words)
{
    char full[600], text[ADDRESS_TEXT];
    long most = count == 2 ? number(words[1], 30) : 0;
    if (count < 1 || count > 2 || most < 0 || !*words[0] || length(words[0]) > 255)
        return misused("resolve NAME [SECONDS]");
    read_conf();
    if (most) {
        conf.timeout = conf.timeout < most ? conf.timeout : most;
        conf.attempts = 1;
    }
    enum outcome outcome = conf.server_count ? search(words[0], full, full + sizeof full) : NOSERVER;
    if (outcome != FOUND)
        return nothing(outcome, words[0]);
    u64 size = length(full);
    if (full[size - 1] == '.')
        full[size - 1] = 0;
    json_open('{');
    json_key("addresses");
    json_open('[');
    for (int i = 0; i < found.count; i++)
        json_text(format_address(&found.addresses[i], text));
    json_close('[');
    json_key("server");
    json_text(format_address(&answered_by, text));
    json_key("name");
    json_text(full);
    json_close('{');
    return DONE;
}
