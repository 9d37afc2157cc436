/* delayfs: a FUSE file system that passes everything on to a backing directory, each operation a set time later.
 *
 *     delayfs [-d MICROSECONDS] [-t SECONDS] [-m THREADS] [-f CALL:NUMBER]... BACKING MOUNTPOINT
 *
 * It stands for a network file system or a cloud volume: -d is the round trip (default 1000 us), -t how long names
 * and attributes may be cached (default 1 s; 0 asks again each time), -m how many operations can wait at the same
 * time (default 512). -f read:3 has the third read fail with EIO (and each one after it with read:3+); so have write,
 * open, create, flush, rename and listing. -f flip:3 has a bit of the third write changed on its way, and no error.
 * Runs in the foreground until unmounted. The delay comes once for every request the kernel sends: lookup, getattr,
 * setattr (one for each of mode, owner, size, times), open, create, read, write, flush, release, opendir, each chunk
 * of a listing, xattrs and so on. There is no O_TMPFILE and no copy_file_range, as in most
 * FUSE file systems.
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

struct listing { /* an open directory, and where its stream stands */
    DIR *stream;
    off_t offset;
};

static struct timespec delay = {.tv_nsec = 1000000};
static double cache_seconds = 1;

/* libfuse's high-level interface answers one request with several calls: what makes or changes an entry is followed, on
 * the same thread, by getattr, and a setattr request may be four changes before that. They wait once, together. */
static __thread int in_request;

static void round_trip(void)
{
    struct timespec left = delay;
    if (in_request)
        return;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

/* Calls that fail: which of each kind, counted from 1. */
enum call { READ, WRITE, OPEN, CREATE, FLUSH, RENAME, LISTING, FLIP, CALLS };
static const char *const call_names[CALLS] = {"read", "write", "open", "create", "flush", "rename", "listing", "flip"};
static struct { atomic_long made; long first; int all; } faults[CALLS];

static int fails(enum call call)
{
    long number = 1 + atomic_fetch_add(&faults[call].made, 1);
    return faults[call].first && (number == faults[call].first || (faults[call].all && number > faults[call].first));
}

static int parse_fault(const char *text)
{
    const char *colon = strchr(text, ':');
    for (int call = 0; colon && call < CALLS; call++)
        if (!strncmp(text, call_names[call], (size_t)(colon - text)) && !call_names[call][colon - text]) {
            faults[call].first = atol(colon + 1);
            faults[call].all = text[strlen(text) - 1] == '+';
            return faults[call].first > 0;
        }
    return 0;
}

/* Ends a call that getattr follows in the same request, unless it failed. */
static int before_getattr(int answer)
{
    in_request = answer >= 0;
    return answer;
}

/* The process stands in the backing directory, so that a path without its first slash names the same thing there. */
static const char *backing(const char *path)
{
    return path[1] ? path + 1 : ".";
}

static int result(long value)
{
    return value < 0 ? -errno : (int)value;
}

/* The server runs as root for everybody; what is made belongs to the one who asked. */
static int given_to_caller(const char *path)
{
    struct fuse_context *caller = fuse_get_context();
    if (caller->uid == geteuid() && caller->gid == getegid())
        return 0;
    return result(lchown(backing(path), caller->uid, caller->gid));
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    round_trip();
    in_request = 0;
    /* For an open directory fh is a stream, not a descriptor; the path serves both. */
    (void)fi;
    return result(lstat(backing(path), st));
}

static int fs_readlink(const char *path, char *target, size_t size)
{
    round_trip();
    ssize_t length = readlink(backing(path), target, size - 1);
    if (length < 0)
        return -errno;
    target[length] = 0;
    return 0;
}

static int fs_mknod(const char *path, mode_t mode, dev_t device)
{
    round_trip();
    return before_getattr(mknod(backing(path), mode, device) ? -errno : given_to_caller(path));
}

static int fs_mkdir(const char *path, mode_t mode)
{
    round_trip();
    return before_getattr(mkdir(backing(path), mode) ? -errno : given_to_caller(path));
}

static int fs_symlink(const char *target, const char *path)
{
    round_trip();
    return before_getattr(symlink(target, backing(path)) ? -errno : given_to_caller(path));
}

static int fs_unlink(const char *path)
{
    round_trip();
    return result(unlink(backing(path)));
}

static int fs_rmdir(const char *path)
{
    round_trip();
    return result(rmdir(backing(path)));
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    round_trip();
    if (fails(RENAME))
        return -EIO;
    return result(renameat2(AT_FDCWD, backing(from), AT_FDCWD, backing(to), flags));
}

static int fs_link(const char *from, const char *to)
{
    round_trip();
    return before_getattr(result(link(backing(from), backing(to))));
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    round_trip();
    return before_getattr(result(fi ? fchmod((int)fi->fh, mode) : chmod(backing(path), mode)));
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    round_trip();
    return before_getattr(result(fi ? fchown((int)fi->fh, uid, gid) : lchown(backing(path), uid, gid)));
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    round_trip();
    return before_getattr(result(fi ? ftruncate((int)fi->fh, size) : truncate(backing(path), size)));
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
    round_trip();
    int failed = fi ? futimens((int)fi->fh, times) : utimensat(AT_FDCWD, backing(path), times, AT_SYMLINK_NOFOLLOW);
    return before_getattr(result(failed));
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
    round_trip();
    if (fails(OPEN))
        return -EIO;
    /* O_APPEND is the kernel's business: it sends the offset with each write. */
    int fd = open(backing(path), (fi->flags & ~(O_APPEND | O_CREAT)) | O_NOFOLLOW | O_CLOEXEC);
    fi->fh = (uint64_t)fd;
    fi->direct_io = faults[READ].first > 0; /* the kernel repeats what it only read ahead */
    return fd < 0 ? -errno : 0;
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    round_trip();
    if (fails(CREATE))
        return -EIO;
    int fd = open(backing(path), (fi->flags & ~O_APPEND) | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    fi->fh = (uint64_t)fd;
    int error = given_to_caller(path);
    if (error)
        close(fd);
    return before_getattr(error);
}

static int fs_read(const char *path, char *data, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)path;
    round_trip();
    if (fails(READ))
        return -EIO;
    return result(pread((int)fi->fh, data, size, offset));
}

static int fs_write(const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)path;
    round_trip();
    if (fails(WRITE))
        return -EIO;
    if (size && fails(FLIP)) {
        char *damaged = malloc(size);
        if (!damaged)
            return -ENOMEM;
        memcpy(damaged, data, size);
        damaged[size / 2] ^= 4;
        int written = result(pwrite((int)fi->fh, damaged, size, offset));
        free(damaged);
        return written;
    }
    return result(pwrite((int)fi->fh, data, size, offset));
}

static int fs_flush(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    (void)fi;
    round_trip();
    if (fails(FLUSH))
        return -EIO;
    return 0;
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    round_trip();
    return result(close((int)fi->fh));
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    (void)path;
    round_trip();
    return result(data_only ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static int fs_fallocate(const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
    (void)path;
    round_trip();
    return result(fallocate((int)fi->fh, mode, offset, length));
}

static off_t fs_lseek(const char *path, off_t offset, int whence, struct fuse_file_info *fi)
{
    (void)path;
    round_trip();
    off_t found = lseek((int)fi->fh, offset, whence);
    return found < 0 ? -errno : found;
}

static int fs_statfs(const char *path, struct statvfs *st)
{
    round_trip();
    return result(statvfs(backing(path), st));
}

static int fs_setxattr(const char *path, const char *name, const char *value, size_t size, int flags)
{
    round_trip();
    return result(lsetxattr(backing(path), name, value, size, flags));
}

static int fs_getxattr(const char *path, const char *name, char *value, size_t size)
{
    round_trip();
    return result(lgetxattr(backing(path), name, value, size));
}

static int fs_listxattr(const char *path, char *names, size_t size)
{
    round_trip();
    return result(llistxattr(backing(path), names, size));
}

static int fs_removexattr(const char *path, const char *name)
{
    round_trip();
    return result(lremovexattr(backing(path), name));
}

static int fs_opendir(const char *path, struct fuse_file_info *fi)
{
    round_trip();
    struct listing *listing = calloc(1, sizeof *listing);
    if (!listing)
        return -ENOMEM;
    if (!(listing->stream = opendir(backing(path)))) {
        int error = errno;
        free(listing);
        return -error;
    }
    fi->fh = (uint64_t)(uintptr_t)listing;
    return 0;
}

/* Each entry goes with the offset of the next, so that every chunk the kernel asks for comes here and waits. */
static int fs_readdir(const char *path, void *chunk, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags)
{
    struct listing *listing = (struct listing *)(uintptr_t)fi->fh;
    struct dirent *entry;

    (void)path;
    round_trip();
    if (fails(LISTING))
        return -EIO;
    if (offset != listing->offset)
        seekdir(listing->stream, offset);
    while (errno = 0, (entry = readdir(listing->stream))) {
        struct stat st = {.st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type)};
        enum fuse_fill_dir_flags plus = 0;
        if ((flags & FUSE_READDIR_PLUS) &&
            !fstatat(dirfd(listing->stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            plus = FUSE_FILL_DIR_PLUS;
        off_t next = telldir(listing->stream);
        if (fill(chunk, entry->d_name, &st, next, plus)) {
            listing->offset = -1; /* this entry was read but not taken: seek next time */
            return 0;
        }
        listing->offset = next;
    }
    return -errno;
}

static int fs_releasedir(const char *path, struct fuse_file_info *fi)
{
    struct listing *listing = (struct listing *)(uintptr_t)fi->fh;
    (void)path;
    round_trip();
    closedir(listing->stream);
    free(listing);
    return 0;
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    config->use_ino = 1;     /* two names of one inode must look like it */
    config->hard_remove = 1; /* no .fuse_hidden files */
    config->entry_timeout = config->attr_timeout = cache_seconds;
    config->negative_timeout = 0;
    connection->max_background = 1024;
    connection->congestion_threshold = 1024;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = fs_init,           .getattr = fs_getattr,       .readlink = fs_readlink,
    .mknod = fs_mknod,         .mkdir = fs_mkdir,           .symlink = fs_symlink,
    .unlink = fs_unlink,       .rmdir = fs_rmdir,           .rename = fs_rename,
    .link = fs_link,           .chmod = fs_chmod,           .chown = fs_chown,
    .truncate = fs_truncate,   .utimens = fs_utimens,       .open = fs_open,
    .create = fs_create,       .read = fs_read,             .write = fs_write,
    .flush = fs_flush,         .release = fs_release,       .fsync = fs_fsync,
    .fallocate = fs_fallocate, .lseek = fs_lseek,           .statfs = fs_statfs,
    .setxattr = fs_setxattr,   .getxattr = fs_getxattr,     .listxattr = fs_listxattr,
    .removexattr = fs_removexattr, .opendir = fs_opendir,   .readdir = fs_readdir,
    .releasedir = fs_releasedir,
};

/* One descriptor of the device for each thread, and no thread ends between two bursts of requests. */
static int serve(struct fuse *fuse, unsigned threads)
{
    struct fuse_loop_config *loop = fuse_loop_cfg_create();
    fuse_loop_cfg_set_clone_fd(loop, 1);
    fuse_loop_cfg_set_max_threads(loop, threads);
    fuse_loop_cfg_set_idle_threads(loop, threads);
    int status = fuse_loop_mt(fuse, loop);
    fuse_loop_cfg_destroy(loop);
    return status;
}

int main(int argc, char **argv)
{
    unsigned threads = 512;
    long microseconds;
    int option;

    while ((option = getopt(argc, argv, "d:t:m:f:")) != -1) {
        switch (option) {
        case 'd':
            microseconds = atol(optarg);
            delay.tv_sec = microseconds / 1000000;
            delay.tv_nsec = microseconds % 1000000 * 1000;
            break;
        case 't': cache_seconds = atof(optarg); break;
        case 'm': threads = (unsigned)atoi(optarg); break;
        case 'f':
            if (parse_fault(optarg))
                break;
            fprintf(stderr, "delayfs: -f %s: not CALL:NUMBER\n", optarg);
            return 2;
        default: return 2;
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: delayfs [-d MICROSECONDS] [-t SECONDS] [-m THREADS] [-f CALL:NUMBER]... BACKING MOUNTPOINT\n");
        return 2;
    }
    char *mountpoint = realpath(argv[optind + 1], NULL);
    if (!mountpoint || chdir(argv[optind])) {
        perror("delayfs");
        return 1;
    }
    umask(0);
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; the usual 50 us would make a delay of 100 us half as long again */

    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    fuse_opt_add_arg(&args, "delayfs");
    fuse_opt_add_arg(&args, "-o");
    fuse_opt_add_arg(&args, geteuid() ? "default_permissions,fsname=delayfs"
                                      : "default_permissions,allow_other,dev,suid,fsname=delayfs");
    struct fuse *fuse = fuse_new(&args, &operations, sizeof operations, NULL);
    fuse_opt_free_args(&args);
    if (!fuse || fuse_mount(fuse, mountpoint))
        return 1;
    fuse_set_signal_handlers(fuse_get_session(fuse));
    int status = serve(fuse, threads);
    fuse_remove_signal_handlers(fuse_get_session(fuse));
    fuse_unmount(fuse);
    fuse_destroy(fuse);
    free(mountpoint);
    return status ? 1 : 0;
}
