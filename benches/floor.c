/* floor: what copying a tree of small files costs when nothing but its system calls is paid for.
 *
 *     floor [-n PROCESSES] [--temp-rename] SRC DST
 *
 * Makes DST and its directories, lets PROCESSES forked processes copy the files with the calls arsync makes for each
 * new small file (a slice of one directory at a time, taken from a shared counter), and sets the directories' modes
 * and times last. Per file: open, fstat, open(O_TMPFILE), pread, pwrite, fstat again (did it change?), fchown where
 * the owner differs, futimens, linkat, two closes. With --temp-rename, or where O_TMPFILE is refused, the file is made
 * with O_EXCL under a temporary name and renamed. Directories and regular files only; any error ends it with status 1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLICE = 256, FIRST_BUFFER = 128 * 1024 };

struct slice { /* up to SLICE names of one directory */
    char *dir;
    char *names[SLICE];
    int count;
};

static struct slice *slices;
static size_t slice_count;
static char **dirs; /* parents before children */
static size_t dir_count;
static int src_root, dst_root, temp_rename;
static atomic_size_t *next_slice;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "floor: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static void *grow(void *array, size_t count, size_t item)
{
    if (count & (count - 1)) /* room for the next power of two is there already */
        return array;
    array = realloc(array, (count ? count * 2 : 1) * item);
    if (!array)
        fail("realloc", "");
    return array;
}

static char *join(const char *dir, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        fail("asprintf", name);
    return path;
}

static int open_dir(int root, const char *path)
{
    int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        fail("open", path);
    return fd;
}

/* Directories are listed and made one after the other, in the order found; their files are gathered in slices. */
static void list_directory(size_t index)
{
    char *path = dirs[index];
    DIR *stream = fdopendir(open_dir(src_root, path));
    struct slice *slice = NULL;
    struct dirent *entry;

    if (!stream)
        fail("fdopendir", path);
    while (errno = 0, (entry = readdir(stream))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (entry->d_type == DT_DIR) {
            dirs = grow(dirs, dir_count, sizeof *dirs);
            dirs[dir_count] = join(path, entry->d_name);
            if (mkdirat(dst_root, dirs[dir_count], 0700))
                fail("mkdir", dirs[dir_count]);
            dir_count++;
        } else if (entry->d_type == DT_REG) {
            if (!slice || slice->count == SLICE) {
                slices = grow(slices, slice_count, sizeof *slices);
                slice = &slices[slice_count++];
                slice->dir = path;
                slice->count = 0;
            }
            if (!(slice->names[slice->count++] = strdup(entry->d_name)))
                fail("strdup", entry->d_name);
        } else {
            errno = ENOTSUP;
            fail("copy", entry->d_name);
        }
    }
    if (errno)
        fail("readdir", path);
    closedir(stream);
}

static int open_new(int dst_dir, const char *name, mode_t mode, char *temporary, size_t room)
{
    if (!temp_rename) {
        int fd = openat(dst_dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
        if (fd >= 0)
            return fd;
        if (errno != EOPNOTSUPP && errno != EISDIR)
            fail("open(O_TMPFILE)", name);
        temp_rename = 1;
    }
    snprintf(temporary, room, ".%.240s.%06d", name, (int)(getpid() % 1000000));
    int fd = openat(dst_dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        fail("open", temporary);
    return fd;
}

static void copy_data(int src, int dst, off_t size, const char *name)
{
    static char *buffer;
    static size_t room;

    if (room < (size_t)size + 1) { /* one byte more, so that a short read proves the end */
        room = size < FIRST_BUFFER ? FIRST_BUFFER : (size_t)size + 1;
        free(buffer);
        if (!(buffer = malloc(room)))
            fail("malloc", name);
    }
    ssize_t got = pread(src, buffer, room, 0);
    if (got != size || (got && pwrite(dst, buffer, (size_t)got, 0) != got))
        fail("read and write", name);
}

static void copy_file(int src_dir, int dst_dir, const char *name)
{
    struct stat before, after;
    char temporary[NAME_MAX + 1];
    int src = openat(src_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (src < 0 || fstat(src, &before))
        fail("open", name);
    int dst = open_new(dst_dir, name, before.st_mode & 07777, temporary, sizeof temporary);
    copy_data(src, dst, before.st_size, name);
    if (fstat(src, &after) || after.st_size != before.st_size || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
        after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
        fail("changed", name);
    if (before.st_uid != geteuid() || before.st_gid != getegid())
        if (fchown(dst, before.st_uid, before.st_gid) || fchmod(dst, before.st_mode & 07777))
            fail("fchown", name);
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, before.st_mtim};
    if (futimens(dst, times))
        fail("futimens", name);
    if (temp_rename ? renameat(dst_dir, temporary, dst_dir, name) : linkat(dst, "", dst_dir, name, AT_EMPTY_PATH))
        fail("name", name);
    close(dst);
    close(src);
}

static void work(void)
{
    size_t index;

    while ((index = atomic_fetch_add(next_slice, 1)) < slice_count) {
        struct slice *slice = &slices[index];
        int src_dir = open_dir(src_root, slice->dir), dst_dir = open_dir(dst_root, slice->dir);
        for (int i = 0; i < slice->count; i++)
            copy_file(src_dir, dst_dir, slice->names[i]);
        close(src_dir);
        close(dst_dir);
    }
}

static int run_workers(int processes)
{
    int failed = 0, status;

    for (int i = 1; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            fail("fork", "");
        if (!pid) {
            work();
            _exit(0);
        }
    }
    work();
    while (wait(&status) > 0)
        failed |= status;
    return failed;
}

/* Children before parents: a directory's time must be set after the last change in it. */
static void finish_directories(void)
{
    struct stat st;

    for (size_t i = dir_count; i-- > 0;) {
        if (fstatat(src_root, dirs[i], &st, AT_SYMLINK_NOFOLLOW))
            fail("stat", dirs[i]);
        struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, st.st_mtim};
        if (fchownat(dst_root, dirs[i], st.st_uid, st.st_gid, 0) ||
            fchmodat(dst_root, dirs[i], st.st_mode & 07777, 0) || utimensat(dst_root, dirs[i], times, 0))
            fail("set attributes of", dirs[i]);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"temp-rename", no_argument, &temp_rename, 1}, {0}};
    int processes = (int)sysconf(_SC_NPROCESSORS_ONLN), option;

    while ((option = getopt_long(argc, argv, "n:", options, NULL)) != -1)
        if (option == 'n')
            processes = atoi(optarg);
        else if (option)
            return 2;
    if (argc - optind != 2 || processes < 1) {
        fprintf(stderr, "usage: floor [-n PROCESSES] [--temp-rename] SRC DST\n");
        return 2;
    }
    umask(0);
    if (mkdir(argv[optind + 1], 0700) && errno != EEXIST)
        fail("mkdir", argv[optind + 1]);
    src_root = open_dir(AT_FDCWD, argv[optind]);
    dst_root = open_dir(AT_FDCWD, argv[optind + 1]);
    next_slice = mmap(NULL, sizeof *next_slice, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next_slice == MAP_FAILED)
        fail("mmap", "");
    dirs = grow(dirs, 0, sizeof *dirs);
    dirs[dir_count++] = ".";
    for (size_t i = 0; i < dir_count; i++)
        list_directory(i);
    if (run_workers(processes))
        return 1;
    finish_directories();
    return 0;
}
