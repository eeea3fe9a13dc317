#include "runtime/quota.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, TEXT_BYTES = 8192 };

static bool read_text(const char *path, char *text, size_t capacity) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  size_t length = fread(text, 1, capacity - 1, file);
  text[length] = 0;
  fclose(file);
  return length > 0;
}

static bool read_number(const char *directory, const char *name, double *value) {
  char path[PATH_BYTES], text[64];
  if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) return false;
  if (!read_text(path, text, sizeof text)) return false;
  char *end;
  *value = strtod(text, &end);
  return end != text;
}

// CPUs granted by one directory of the hierarchy; 0 when it sets no limit.
static double directory_quota(const char *directory, bool version2) {
  double quota, period;
  if (version2) {
    char path[PATH_BYTES], text[128];
    if (snprintf(path, sizeof path, "%s/cpu.max", directory) >= (int)sizeof path) return 0;
    if (!read_text(path, text, sizeof text)) return 0;
    if (sscanf(text, "%lf %lf", &quota, &period) != 2) return 0; // "max 100000"
  } else if (!read_number(directory, "cpu.cfs_quota_us", &quota) ||
             !read_number(directory, "cpu.cfs_period_us", &period)) {
    return 0;
  }
  return quota > 0 && period > 0 ? quota / period : 0; // version 1 says -1 for unlimited
}

// The strictest limit from `group` up to the root of the mount: a parent's limit holds for its children.
static double strictest(const char *mount, const char *group, bool version2, double sofar) {
  char directory[PATH_BYTES];
  if (snprintf(directory, sizeof directory, "%s%s", mount, group) >= (int)sizeof directory) return sofar;
  size_t least = strlen(mount);
  for (;;) {
    double quota = directory_quota(directory, version2);
    if (quota > 0 && (sofar == 0 || quota < sofar)) sofar = quota;
    char *slash = strrchr(directory, '/');
    if (slash == NULL || (size_t)(slash - directory) < least) return sofar;
    *slash = 0;
  }
}

static bool names_cpu(const char *controllers, size_t length) {
  for (const char *at = controllers; at < controllers + length;) {
    const char *comma = memchr(at, ',', (size_t)(controllers + length - at));
    const char *end = comma != NULL ? comma : controllers + length;
    if (end - at == 3 && memcmp(at, "cpu", 3) == 0) return true;
    at = end + 1;
  }
  return false;
}

uint32_t ck_cgroup_quota(const char *root) {
  char path[PATH_BYTES], mount[PATH_BYTES], text[TEXT_BYTES];
  if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path) return 0;
  if (!read_text(path, text, sizeof text)) return 0;
  double quota = 0;
  // Lines are "hierarchy:controllers:group"; version 2 is hierarchy 0 without controllers.
  char *rest = NULL;
  for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    char *first = strchr(line, ':');
    char *second = first != NULL ? strchr(first + 1, ':') : NULL;
    if (second == NULL) continue;
    bool version2 = second == first + 1 && strncmp(line, "0:", 2) == 0;
    if (!version2 && !names_cpu(first + 1, (size_t)(second - first - 1))) continue;
    const char *mounts2[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    const char *mounts1[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    for (int i = 0; i < 2; ++i) {
      const char *place = version2 ? mounts2[i] : mounts1[i];
      if (snprintf(mount, sizeof mount, "%s%s", root, place) >= (int)sizeof mount) continue;
      quota = strictest(mount, second + 1, version2, quota);
    }
  }
  if (quota <= 0) return 0;
  return quota < 1 ? 1 : quota > UINT32_MAX ? 0 : (uint32_t)quota;
}

// What the limits of a group and its parents leave, not counting page cache that can be dropped.
static double memory_left(const char *mount, const char *group, bool version2, double sofar) {
  char directory[PATH_BYTES];
  if (snprintf(directory, sizeof directory, "%s%s", mount, group) >= (int)sizeof directory) return sofar;
  size_t least = strlen(mount);
  for (;;) {
    double limit, used, cache = 0;
    if (read_number(directory, version2 ? "memory.max" : "memory.limit_in_bytes", &limit) &&
        read_number(directory, version2 ? "memory.current" : "memory.usage_in_bytes", &used)) {
      char path[PATH_BYTES], text[TEXT_BYTES];
      if (snprintf(path, sizeof path, "%s/memory.stat", directory) < (int)sizeof path &&
          read_text(path, text, sizeof text)) {
        const char *line = strstr(text, version2 ? "\ninactive_file " : "\ntotal_inactive_file ");
        if (line != NULL) cache = strtod(strchr(line, ' '), NULL);
      }
      double left = limit - used + cache;
      if (left < sofar) sofar = left > 0 ? left : 1;
    }
    char *slash = strrchr(directory, '/');
    if (slash == NULL || (size_t)(slash - directory) < least) return sofar;
    *slash = 0;
  }
}

size_t ck_available_bytes(const char *root) {
  char path[PATH_BYTES], text[TEXT_BYTES];
  if (snprintf(path, sizeof path, "%s/proc/meminfo", root) >= (int)sizeof path) return 0;
  if (!read_text(path, text, sizeof text)) return 0;
  const char *entry = strstr(text, "MemAvailable:");
  if (entry == NULL) return 0;
  double left = strtod(entry + strlen("MemAvailable:"), NULL) * 1024;
  if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) < (int)sizeof path &&
      read_text(path, text, sizeof text)) {
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
      char mount[PATH_BYTES], *first = strchr(line, ':'), *second = first != NULL ? strchr(first + 1, ':') : NULL;
      if (second == NULL) continue;
      bool version2 = second == first + 1 && strncmp(line, "0:", 2) == 0;
      bool version1 = strncmp(first, ":memory:", 8) == 0;
      const char *places[] = {version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"};
      for (int i = 0; i < (version2 ? 2 : version1); ++i)
        if (snprintf(mount, sizeof mount, "%s%s", root, places[i]) < (int)sizeof mount)
          left = memory_left(mount, second + 1, version2, left);
    }
  }
  return left < 1 ? 1 : (size_t)left;
}
