/* The probe: a program for a container with nothing else in it, that says what it sees and does what it is asked. */

#include "json.h"
#include "text.h"
#include "verbs.h"

ENTRY;

static const struct { const char *name; int (*run)(int, char **); } verbs[] = {
    {"wait", verb_wait}, {"report", verb_report}, {"memory", verb_memory}, {"spin", verb_spin}, {"fork", verb_fork},
    {"bind", verb_bind}, {"mount", verb_mount}, {"shm", verb_shm}, {"resolve", verb_resolve},
    {"connect", verb_connect}, {"lines", verb_lines}, {"each", verb_each},
};

int perform(int count, char **words)
{
    for (u64 i = 0; count && i < sizeof verbs / sizeof *verbs; i++)
        if (same(words[0], verbs[i].name))
            return verbs[i].run(count - 1, words + 1);
    return misused("wait | report | memory | spin | fork | bind | mount | shm | resolve | connect | lines | each");
}

/* The kernel starts us with a stack that begins with the number of words, then the words. */
__attribute__((noreturn, used)) void begin(long *stack)
{
    static const long ignore[4] = {1}; /* struct sigaction with SIG_IGN */
    char **words = (char **)(stack + 1);
    /* A reader that goes away is an error of write(2), not our end. */
    sys4(NR_rt_sigaction, SIGPIPE, ignore, 0, 8);
    int code = perform((int)*stack - 1, words + 1);
    if (out_flush() && code == DONE)
        code = REFUSED;
    for (;;)
        sys1(NR_exit_group, code);
}
