// Preloaded into wrk (LD_PRELOAD), which makes its next connection with the session of the one before: it forgets each session, so that each
// handshake is a whole one. At its end it says on stderr how many connections there were, and how many of them had resumed a session.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long connections;
static unsigned long resumed;

static void *find(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        fprintf(stderr, "there is no %s\n", name);
        exit(1);
    }
    return found;
}

/** wrk calls it behind each connection. Headers of OpenSSL are not needed for it. */
int SSL_clear(void *ssl) {
    static int (*clear)(void *);
    static int (*set_session)(void *, void *);
    static int (*session_reused)(const void *);
    if (clear == NULL) {
        clear = (int (*)(void *))find("SSL_clear");
        set_session = (int (*)(void *, void *))find("SSL_set_session");
        session_reused = (int (*)(const void *))find("SSL_session_reused");
    }
    connections++;
    if (session_reused(ssl)) resumed++;
    set_session(ssl, NULL);
    return clear(ssl);
}

__attribute__((destructor)) static void tell(void) {
    if (connections > 0) fprintf(stderr, "connections %lu, resumed %lu\n", connections, resumed);
}
