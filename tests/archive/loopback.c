/* Preloaded into Orthanc 1.10, which can be told a port but no address: what it would open to everybody, it opens to
   this machine alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

int bind(int socket, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_in inside = *(const struct sockaddr_in *)address;
    if (address->sa_family != AF_INET) return real(socket, address, length);
    inside.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return real(socket, (struct sockaddr *)&inside, sizeof inside);
}
