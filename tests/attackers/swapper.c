/* Swaps entries of trees as fast as the kernel lets it, until SIGTERM; then says how many swaps there were.

   swapper SEED HOLD < PAIRS: paths, each ended by a NUL byte. A pair of paths is exchanged, now this one, now that one;
   where HOLD is not 0, it is exchanged back after a while, at most so many turns of an empty loop. A pair whose first path ends with a slash is a directory and a decoy: what bears a temporary name in the directory is
   exchanged with the decoy. A pair whose first path begins with a plus sign is linked: the second path becomes a hard
   link to what follows the sign, if that is allowed. */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 4096 };

static volatile sig_atomic_t over;

static void on_signal(int number) { over = number; }

static unsigned long temporaries(const char *directory, const char *decoy) {
    unsigned long swaps = 0;
    DIR *entries = opendir(directory);
    if (!entries) return 0;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (entry->d_name[0] == '.' && strstr(entry->d_name, ".+"))
            swaps += !renameat2(dirfd(entries), entry->d_name, AT_FDCWD, decoy, RENAME_EXCHANGE);
    closedir(entries);
    return swaps;
}

int main(int count, char **arguments) {
    static char text[1 << 20];
    char *paths[2 * MOST];
    size_t length = fread(text, 1, sizeof text - 1, stdin), pairs = 0;
    unsigned long state = count > 1 ? strtoul(arguments[1], NULL, 10) * 2654435761u + 1 : 1;
    unsigned long hold = count > 2 ? strtoul(arguments[2], NULL, 10) : 0;
    unsigned long swaps = 0, planted = 0, links = 0, refused = 0;

    for (char *at = text; at < text + length && pairs < MOST; pairs++) {
        paths[2 * pairs] = at;
        at += strlen(at) + 1;
        paths[2 * pairs + 1] = at;
        at += strlen(at) + 1;
    }
    signal(SIGTERM, on_signal);
    puts("ready");
    fflush(stdout);
    while (pairs && !over) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        char **pair = paths + 2 * (state % pairs);
        if (pair[0][0] == '+') {
            if (link(pair[0] + 1, pair[1])) refused++;
            else links++;
        } else if (pair[0][strlen(pair[0]) - 1] == '/')
            planted += temporaries(pair[0], pair[1]);
        else {
            swaps += !renameat2(AT_FDCWD, pair[0], AT_FDCWD, pair[1], RENAME_EXCHANGE);
            if (hold) {
                for (volatile unsigned long turn = state >> 32; turn % hold; turn--) {}
                swaps += !renameat2(AT_FDCWD, pair[0], AT_FDCWD, pair[1], RENAME_EXCHANGE);
            }
        }
    }
    printf("%lu %lu %lu %lu\n", swaps, planted, links, refused);
    return 0;
}
