/* Predict that nothing moves, in C: cc -O2 -o pipe_copy pipe_copy.c, then physbench eval --command ./pipe_copy
   A header has no spaces and the keys in the order of docs/pipe.md, so strstr will do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char line[1 << 16];

/* The bytes of the array whose entry begins at *at, which moves behind it; 0 if there is none. */
static size_t array_bytes(char **at) {
    char *entry = *at ? strstr(*at, "\"dtype\":\"") : NULL;
    if (!entry) return 0;
    size_t bytes = strncmp(entry + 9, "uint64", 6) ? 4 : 8;
    *at = strstr(entry, "\"shape\":[") + 9;
    do bytes *= strtoul(*at, at, 10);
    while (*(*at)++ == ',');
    return bytes;
}

int main(void) {
    while (fgets(line, sizeof line, stdin)) {
        char *at = strstr(line, "\"arrays\":[");
        char *entry = at;
        size_t first = array_bytes(&at), total = first, more;
        while ((more = array_bytes(&at)) > 0) total += more;
        char *body = malloc(total + 1);
        if (!body || fread(body, 1, total, stdin) != total) return 1;
        if (strstr(line, "\"ask\":\"hello\"")) {
            puts("{\"name\":\"pipe-copy-c\",\"likelihood\":{\"kind\":\"bernoulli\"}}");
        } else if (strstr(line, "\"ask\":\"begin\"")) {
            puts("{}");
        } else { /* the frame is the first array */
            char *shape = strstr(entry, "\"shape\":[");
            int length = (int)strcspn(shape, "]") + 1;
            printf("{\"arrays\":[{\"name\":\"mean\",\"dtype\":\"float32\",%.*s}]}\n", length, shape);
            fwrite(body, 1, first, stdout);
        }
        fflush(stdout);
        free(body);
    }
    return 0;
}
