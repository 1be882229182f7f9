/* The least that fetching costs: libcurl's multi interface on epoll, many in flight, nothing else.
 *
 *     multi URL SECONDS IN_FLIGHT AUTHORITIES
 *
 * Every fetch has a connection and a TLS session of its own, as a probe has.
 * Prints the fetches done, those that failed, the CPU (user and system) they took in us, and how
 * many seconds passed.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define EVENTS 256

static int epoll;
static CURLM *multi;
static long timeout_ms = -1;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *nobody, void *known)
{
  struct epoll_event wanted = {.data.fd = fd};
  (void)easy;
  (void)nobody;
  if(what == CURL_POLL_REMOVE) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    return 0;
  }
  wanted.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
  epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &wanted);
  if(!known)
    curl_multi_assign(multi, fd, multi);
  return 0;
}

static int on_timer(CURLM *nobody, long milliseconds, void *nothing)
{
  (void)nobody;
  (void)nothing;
  timeout_ms = milliseconds;
  return 0;
}

static size_t discard(char *data, size_t size, size_t count, void *nobody)
{
  (void)data;
  (void)nobody;
  return size * count;
}

static CURL *fetch(const char *url, const char *authorities)
{
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
  return easy;
}

static double cpu_us(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec +
         usage.ru_stime.tv_usec;
}

static double now_s(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void act(void)
{
  struct epoll_event events[EVENTS];
  int running, ready = epoll_wait(epoll, events, EVENTS, timeout_ms < 0 ? 100 : timeout_ms);
  if(ready == 0)
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  for(int i = 0; i < ready; i++) {
    unsigned seen = events[i].events;
    int mask = (seen & EPOLLIN ? CURL_CSELECT_IN : 0) | (seen & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (seen & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(multi, events[i].data.fd, mask, &running);
  }
}

int main(int argc, char **argv)
{
  if(argc != 5)
    return 2;
  double seconds = atof(argv[2]), began_us = 0, began_s;
  int in_flight = atoi(argv[3]), left, is_warm = 0;
  long done = 0, failed = 0;
  CURLMsg *message;
  curl_global_init(CURL_GLOBAL_ALL);
  epoll = epoll_create1(0);
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  for(int i = 0; i < in_flight; i++)
    curl_multi_add_handle(multi, fetch(argv[1], argv[4]));
  began_s = now_s();
  while(now_s() < began_s + seconds) {
    act();
    while((message = curl_multi_info_read(multi, &left))) {
      CURL *easy = message->easy_handle;
      failed += message->data.result != CURLE_OK;
      done++;
      curl_multi_remove_handle(multi, easy);
      curl_multi_add_handle(multi, easy);
    }
    /* The first fetches read the authorities and warm the caches; they are not counted. */
    if(!is_warm && done >= in_flight) {
      is_warm = 1;
      done = failed = 0;
      began_s = now_s();
      began_us = cpu_us();
    }
  }
  printf("%ld %ld %.0f %.6f\n", done, failed, cpu_us() - began_us, now_s() - began_s);
  return 0;
}
