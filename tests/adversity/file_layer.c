/*
 * A layer between a process and its files that writes down, in order, everything that decides what a power failure
 * leaves: writes, truncations, renames, removals, and where each sync began and ended. LD_PRELOAD it; HOLDFAST_LAYER
 * names the log, HOLDFAST_LAYER_ROOT the folder that matters. What goes to standard output is written down too: it is
 * what the world was told by then.
 *
 * One entry: kind (1 byte), length of the path (4), offset (8), length of the data (8), the path, the data.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int record = -2;

static void *libc(const char *name) { return dlsym(RTLD_NEXT, name); }

static ssize_t (*libc_write(void))(int, const void *, size_t) {
    static ssize_t (*found)(int, const void *, size_t);
    if (!found) found = libc("write");
    return found;
}

static void put(const void *data, size_t length) {
    const char *at = data;
    while (length) {
        ssize_t done = libc_write()(record, at, length);
        if (done <= 0) abort();
        at += done;
        length -= (size_t)done;
    }
}

static void note(char kind, const char *path, uint64_t offset, const void *data, uint64_t length) {
    pthread_mutex_lock(&one_at_a_time);
    if (record == -2) {
        const char *log = getenv("HOLDFAST_LAYER");
        record = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    if (record >= 0) {
        uint32_t size = (uint32_t)strlen(path);
        put(&kind, 1);
        put(&size, 4);
        put(&offset, 8);
        put(&length, 8);
        put(path, size);
        if (data) put(data, length);
    }
    pthread_mutex_unlock(&one_at_a_time);
}

static int path_of(int fd, char *path, size_t room) {
    char link[64];
    const char *root = getenv("HOLDFAST_LAYER_ROOT");
    if (!root) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, root, strlen(root)) == 0;
}

static void note_write(int fd, const void *data, size_t length, off_t offset) {
    char path[4096];
    if (path_of(fd, path, sizeof path)) note('W', path, (uint64_t)offset, data, length);
}

ssize_t write(int fd, const void *data, size_t length) {
    if (fd == STDOUT_FILENO) note('A', "", 0, data, length);
    else if (fd > STDERR_FILENO) note_write(fd, data, length, lseek(fd, 0, SEEK_CUR));
    return libc_write()(fd, data, length);
}

#define PWRITE(name, offset_type)                                                            \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) {              \
        static ssize_t (*found)(int, const void *, size_t, offset_type);                     \
        if (!found) found = libc(#name);                                                     \
        note_write(fd, data, length, offset);                                                \
        return found(fd, data, length, offset);                                              \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type)                                                          \
    int name(int fd, offset_type length) {                                                   \
        static int (*found)(int, offset_type);                                               \
        char path[4096];                                                                     \
        if (!found) found = libc(#name);                                                     \
        if (path_of(fd, path, sizeof path)) note('T', path, (uint64_t)length, NULL, 0);      \
        return found(fd, length);                                                            \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                           \
    int name(int fd) {                                                                       \
        static int (*found)(int);                                                            \
        char path[4096];                                                                     \
        if (!found) found = libc(#name);                                                     \
        int ours = path_of(fd, path, sizeof path);                                           \
        if (ours) note('B', path, (uint64_t)gettid(), NULL, 0);                              \
        int result = found(fd);                                                              \
        if (ours && result == 0) note('S', path, (uint64_t)gettid(), NULL, 0);               \
        return result;                                                                       \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) {
    static int (*found)(const char *, const char *);
    const char *root = getenv("HOLDFAST_LAYER_ROOT");
    if (!found) found = libc("rename");
    if (root && strncmp(from, root, strlen(root)) == 0) note('R', from, 0, to, strlen(to));
    return found(from, to);
}

int unlink(const char *path) {
    static int (*found)(const char *);
    const char *root = getenv("HOLDFAST_LAYER_ROOT");
    if (!found) found = libc("unlink");
    if (root && strncmp(path, root, strlen(root)) == 0) note('U', path, 0, NULL, 0);
    return found(path);
}
