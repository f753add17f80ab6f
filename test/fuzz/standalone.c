/*
 * A main() for the fuzz targets with any compiler: replays files, or all
 * files of directories, each from a heap block of exactly its size so that a
 * sanitizer sees a byte read beyond it.  An input that cannot be read, or no
 * input at all, is a failure: a corpus that got lost must not pass.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int complain(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
}

/* The number of inputs replayed, or -1. */
static int replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    size_t got;

    if (!file || !data) {
        if (file) {
            (void)fclose(file);
        }
        free(data);
        return complain(path);
    }
    got = fread(data, 1, size, file);
    (void)fclose(file);
    if (got != size) {
        free(data);
        fprintf(stderr, "%s: cannot be read whole\n", path);
        return -1;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int replay(const char *path);

static int replay_directory(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (!dir) {
        return complain(path);
    }
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        char name[4096];
        int n;

        if (entry->d_name[0] == '.') {
            continue;
        }
        n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(name)) {
            errno = ENAMETOOLONG;
            count = complain(path);
            break;
        }
        n = replay(name);
        count = n < 0 ? -1 : count + n;
    }
    (void)closedir(dir);
    if (count == 0) {
        fprintf(stderr, "%s: holds no input\n", path);
        return -1;
    }
    return count;
}

static int replay(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return complain(path);
    }
    if (S_ISDIR(info.st_mode)) {
        return replay_directory(path);
    }
    return replay_file(path, (size_t)info.st_size);
}

int main(int argc, char **argv)
{
    int count = 0, i, n;

    for (i = 1; i < argc; ++i) {
        n = replay(argv[i]);
        if (n < 0) {
            return 1;
        }
        count += n;
    }
    if (count == 0) {
        fprintf(stderr, "usage: %s file-or-directory...\n", argv[0]);
        return 1;
    }
    printf("%d inputs replayed\n", count);
    return 0;
}
