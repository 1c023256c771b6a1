// The limit: what one core can do with sockets when HTTP is hardly looked at. It waits with epoll, finds the empty line, scans for
// the length and for two whole numbers, and responds; all requests that one read brought get their responses in one write. It checks
// nothing, and serves nobody but the load: POST / and GET /val_a/3/val_b/4.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 4 << 20, EVENTS = 1024 };

// What a connection has sent of a request that is not whole yet.
struct rest {
  char *bytes;
  size_t length;
};

static char in[SIZE];
static char out[SIZE];

static long number(const char **at, const char *end) {
  const char *p = *at;
  while (p < end && *p != '-' && (*p < '0' || *p > '9')) p++;
  const int negative = p < end && *p == '-';
  long value = 0;
  for (p += negative; p < end && *p >= '0' && *p <= '9'; p++) value = value * 10 + (*p - '0');
  *at = p;
  return negative ? -value : value;
}

// The first number behind each of two colons: names may have digits.
static long sum_of_json(const char *p, const char *end) {
  p = memchr(p, ':', end - p);
  if (p == NULL) return 0;
  const long a = number(&p, end);
  p = memchr(p, ':', end - p);
  return p == NULL ? a : a + number(&p, end);
}

static long sum_of_path(const char *p, const char *end) {
  const long a = number(&p, end);
  return a + number(&p, end);
}

static size_t content_length(const char *head, const char *end) {
  // "Content-Length: " and "content-length: " both end so.
  const char *p = memmem(head, end - head, "ength: ", 7);
  if (p == NULL) return 0;
  return number(&p, end);
}

static size_t put(char *at, const char *text, size_t length) {
  memcpy(at, text, length);
  return length;
}

// Writes digits, and gives how many.
static size_t digits_of(long value, char *digits) {
  char backwards[24];
  unsigned long left = value < 0 ? -(unsigned long)value : (unsigned long)value;
  size_t n = 0, written = 0;
  do backwards[n++] = '0' + left % 10;
  while ((left /= 10) > 0);
  if (value < 0) digits[written++] = '-';
  while (n > 0) digits[written++] = backwards[--n];
  return written;
}

#define PUT(text) written += put(out + written, text, sizeof text - 1)

// Responds to every whole request. Gives how many bytes those were, and says whether the connection ends behind them.
static size_t respond(const char *bytes, size_t length, size_t *taken, int *closes) {
  const char *p = bytes;
  const char *const end = bytes + length;
  size_t written = 0;
  while (written < SIZE - 256) {
    const char *const empty = memmem(p, end - p, "\r\n\r\n", 4);
    if (empty == NULL) break;
    const char *const content = empty + 4;
    long sum;
    const char *next = content;
    if (*p == 'P') {
      const size_t size = content_length(p, empty);
      if ((size_t)(end - content) < size) break;
      next = content + size;
      sum = sum_of_json(content, next);
    } else {
      sum = sum_of_path(p, memchr(p, '\r', empty + 1 - p) - 9); // without " HTTP/1.1"
    }
    char text[32];
    const size_t digits = digits_of(sum, text);
    if (memmem(p, empty - p, "onnection: close", 16) != NULL) *closes = 1;
    PUT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ");
    written += digits_of(digits + 8, out + written);
    if (*closes) PUT("\r\nConnection: close");
    PUT("\r\n\r\n{\"sum\":");
    written += put(out + written, text, digits);
    PUT("}");
    p = next;
    if (*closes) break;
  }
  *taken = p - bytes;
  return written;
}

int main(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const size_t most = files.rlim_max < 1 << 20 ? files.rlim_max : 1 << 20;
  struct rest *const rests = calloc(most, sizeof *rests);

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
    perror("limit");
    return 1;
  }
  const int poll = epoll_create1(0);
  // It ends when whoever started it has.
  epoll_ctl(poll, EPOLL_CTL_ADD, 0, &(struct epoll_event){.events = EPOLLIN, .data.fd = 0});
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
  printf("listens %d\n", ntohs(address.sin_port));
  fflush(stdout);

  struct epoll_event events[EVENTS];
  for (;;) {
    const int n = epoll_wait(poll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      const int fd = events[i].data.fd;
      if (fd == 0) {
        if (read(0, in, SIZE) <= 0) return 0;
        continue;
      }
      if (fd == listener) {
        int new;
        while ((new = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
          epoll_ctl(poll, EPOLL_CTL_ADD, new, &(struct epoll_event){.events = EPOLLIN, .data.fd = new});
        }
        continue;
      }
      struct rest *const rest = &rests[fd];
      if (rest->length > 0) memcpy(in, rest->bytes, rest->length);
      const ssize_t got = read(fd, in + rest->length, SIZE - rest->length);
      int closes = got <= 0;
      if (got > 0) {
        const size_t length = rest->length + got;
        size_t taken;
        const size_t written = respond(in, length, &taken, &closes);
        // The load reads: what is written is taken.
        if (written > 0 && write(fd, out, written) != (ssize_t)written) closes = 1;
        rest->length = length - taken;
        if (rest->length > 0) {
          rest->bytes = realloc(rest->bytes, rest->length);
          memcpy(rest->bytes, in + taken, rest->length);
        }
      }
      if (closes) {
        close(fd);
        free(rest->bytes);
        *rest = (struct rest){0};
      }
    }
  }
}
