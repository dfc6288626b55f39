/* Counts the calls by which processes change files below one folder, and lets something happen at the n-th of them.

   Loaded by LD_PRELOAD into Python, DuckDB, SQLite and the external programs alike. It does nothing until a control
   file is opened: by the environment variable FAULT_POINTS, or by fault_points_open(). All processes of a launch share
   the counter. What happens is decided by whoever wrote the control file (fault_points.py has the same structure). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 1024

enum action { NOTHING, KILL_SELF, KILL_LAUNCHER, FAIL_ONCE, FAIL_FROM_HERE, TEAR, SHIFT_CLOCK };

struct control {
    int64_t target, action, argument, clock_offset_s, counted, happened_in, launcher;
    char within[PATH_BYTES], left_out[2][PATH_BYTES], log[PATH_BYTES], happened[PATH_BYTES];
};

static struct control *control;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fault_points_open(const char *path) {
    int descriptor = REAL(open64)(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return -1;
    void *memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory == MAP_FAILED) return -1;
    control = memory;
    return 0;
}

__attribute__((constructor)) static void open_named(void) {
    const char *path = getenv("FAULT_POINTS");
    if (path != NULL && *path) fault_points_open(path);
}

static int is_within(const char *path) {
    if (strncmp(path, control->within, strlen(control->within)) != 0) return 0;
    for (int i = 0; i < 2; i++)
        if (control->left_out[i][0] && strncmp(path, control->left_out[i], strlen(control->left_out[i])) == 0) return 0;
    return 1;
}

static void note(int64_t number, const char *call, const char *path) {
    char line[PATH_BYTES + 64];
    int length = snprintf(line, sizeof line, "%ld\t%d\t%s\t%s\n", (long)number, (int)getpid(), call,
                          path + strlen(control->within));
    int descriptor = syscall(SYS_openat, AT_FDCWD, control->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) return;
    syscall(SYS_write, descriptor, line, length);
    syscall(SYS_close, descriptor);
}

/* Returns 0, or the error that the call has to fail with, or -1 where half of it is to be done before the end. */
static int point(const char *call, const char *path, int needs_room) {
    if (control == NULL || !is_within(path)) return 0;
    int64_t number = __sync_add_and_fetch(&control->counted, 1);
    if (control->log[0]) note(number, call, path);
    if (control->action == FAIL_FROM_HERE && control->target && number >= control->target) {
        int stays_possible = control->argument == ENOSPC && !needs_room;
        if (!control->happened_in && !stays_possible) control->happened_in = getpid();
        return stays_possible ? 0 : (int)control->argument;
    }
    if (number != control->target) return 0;
    control->happened_in = getpid();
    snprintf(control->happened, PATH_BYTES, "%s %s", call, path + strlen(control->within));
    switch (control->action) {
        case KILL_SELF: kill(getpid(), SIGKILL); break;
        case KILL_LAUNCHER: kill((pid_t)control->launcher, SIGKILL); break;
        case FAIL_ONCE: return (int)control->argument;
        case TEAR: return -1;
        case SHIFT_CLOCK: control->clock_offset_s = control->argument; break;
    }
    return 0;
}

static void absolute(int folder, const char *path, char *whole) {
    char base[PATH_BYTES / 2], link[64];
    if (path[0] == '/') {
        snprintf(whole, PATH_BYTES, "%s", path);
        return;
    }
    if (folder == AT_FDCWD) {
        if (getcwd(base, sizeof base) == NULL) base[0] = 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        base[length < 0 ? 0 : length] = 0;
    }
    snprintf(whole, PATH_BYTES, "%s/%s", base, path);
}

static int point_at(const char *call, int folder, const char *path, int needs_room) {
    if (control == NULL || path == NULL) return 0;
    char whole[PATH_BYTES];
    absolute(folder, path, whole);
    int answer = point(call, whole, needs_room);
    if (answer < 0) kill(getpid(), SIGKILL); /* nothing of it can be half done */
    if (answer > 0) errno = answer;
    return answer;
}

static int point_of(const char *call, int descriptor, int needs_room) {
    if (control == NULL) return 0;
    char link[64], path[PATH_BYTES];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    int answer = point(call, path, needs_room);
    if (answer > 0) errno = answer;
    return answer;
}

#define FAILS(reached) ((reached) > 0)

/* ---- names ---- */
#define OPENS (O_CREAT | O_TRUNC)

#define OPEN(name)                                                                         \
    int name(const char *path, int flags, ...) {                                           \
        va_list rest;                                                                      \
        va_start(rest, flags);                                                             \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0;        \
        va_end(rest);                                                                      \
        if ((flags & OPENS) && FAILS(point_at("open", AT_FDCWD, path, 1))) return -1;      \
        return REAL(name)(path, flags, mode);                                              \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                       \
    int name(int folder, const char *path, int flags, ...) {                               \
        va_list rest;                                                                      \
        va_start(rest, flags);                                                             \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0;        \
        va_end(rest);                                                                      \
        if ((flags & OPENS) && FAILS(point_at("open", folder, path, 1))) return -1;        \
        return REAL(name)(folder, path, flags, mode);                                      \
    }
OPENAT(openat)
OPENAT(openat64)

#define ONE_PATH(call, declaration, needs_room, folder, path, ...)                         \
    int call declaration {                                                                 \
        if (FAILS(point_at(#call, folder, path, needs_room))) return -1;                   \
        return REAL(call)(__VA_ARGS__);                                                    \
    }
ONE_PATH(creat, (const char *path, mode_t mode), 1, AT_FDCWD, path, path, mode)
ONE_PATH(rename, (const char *old, const char *new), 0, AT_FDCWD, new, old, new)
ONE_PATH(renameat, (int from, const char *old, int to, const char *new), 0, to, new, from, old, to, new)
ONE_PATH(renameat2, (int from, const char *old, int to, const char *new, unsigned flags), 0, to, new, from, old, to, new,
         flags)
ONE_PATH(unlink, (const char *path), 0, AT_FDCWD, path, path)
ONE_PATH(unlinkat, (int folder, const char *path, int flags), 0, folder, path, folder, path, flags)
ONE_PATH(rmdir, (const char *path), 0, AT_FDCWD, path, path)
ONE_PATH(link, (const char *old, const char *new), 1, AT_FDCWD, new, old, new)
ONE_PATH(linkat, (int from, const char *old, int to, const char *new, int flags), 1, to, new, from, old, to, new, flags)
ONE_PATH(symlink, (const char *aim, const char *path), 1, AT_FDCWD, path, aim, path)
ONE_PATH(symlinkat, (const char *aim, int folder, const char *path), 1, folder, path, aim, folder, path)
ONE_PATH(mkdir, (const char *path, mode_t mode), 1, AT_FDCWD, path, path, mode)
ONE_PATH(mkdirat, (int folder, const char *path, mode_t mode), 1, folder, path, folder, path, mode)

/* ---- content ---- */
#define WRITE(name, declaration, length, half, whole)                                      \
    ssize_t name declaration {                                                             \
        int reached = point_of(#name, descriptor, 1);                                      \
        if (FAILS(reached)) return -1;                                                     \
        if (reached < 0) {                                                                 \
            if ((length) > 1) REAL(name) half;                                             \
            kill(getpid(), SIGKILL);                                                       \
        }                                                                                  \
        return REAL(name) whole;                                                           \
    }
WRITE(write, (int descriptor, const void *data, size_t length), length, (descriptor, data, length / 2),
      (descriptor, data, length))
WRITE(pwrite, (int descriptor, const void *data, size_t length, off_t at), length, (descriptor, data, length / 2, at),
      (descriptor, data, length, at))
WRITE(pwrite64, (int descriptor, const void *data, size_t length, off64_t at), length,
      (descriptor, data, length / 2, at), (descriptor, data, length, at))
WRITE(writev, (int descriptor, const struct iovec *parts, int length), length, (descriptor, parts, length / 2),
      (descriptor, parts, length))
WRITE(sendfile, (int descriptor, int from, off_t *at, size_t length), length, (descriptor, from, at, 1000),
      (descriptor, from, at, length))
WRITE(sendfile64, (int descriptor, int from, off64_t *at, size_t length), length, (descriptor, from, at, 1000),
      (descriptor, from, at, length))

#define OF_DESCRIPTOR(call, declaration, needs_room, ...)                                  \
    int call declaration {                                                                 \
        int reached = point_of(#call, descriptor, needs_room);                             \
        if (FAILS(reached)) return -1;                                                     \
        if (reached < 0) kill(getpid(), SIGKILL);                                          \
        return REAL(call)(__VA_ARGS__);                                                    \
    }
OF_DESCRIPTOR(ftruncate, (int descriptor, off_t length), 0, descriptor, length)
OF_DESCRIPTOR(ftruncate64, (int descriptor, off64_t length), 0, descriptor, length)
OF_DESCRIPTOR(fsync, (int descriptor), 0, descriptor)
OF_DESCRIPTOR(fdatasync, (int descriptor), 0, descriptor)

/* ---- the clock ---- */
static int64_t offset_s(void) { return control == NULL ? 0 : control->clock_offset_s; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = REAL(clock_gettime);
    int answer = real(clock, now);
    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset_s();
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int answer = REAL(gettimeofday)(now, zone);
    if (answer == 0) now->tv_sec += offset_s();
    return answer;
}

time_t time(time_t *place) {
    time_t now = REAL(time)(NULL) + offset_s();
    if (place != NULL) *place = now;
    return now;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct timespec real = *until; /* the kernel's clock has not been shifted */
    real.tv_sec -= offset_s();
    return REAL(sem_timedwait)(semaphore, &real);
}
