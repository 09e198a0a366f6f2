#include "bytes/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <termios.h>
#include <unistd.h>

#include "bytes/secret_source.h"

#define LOOK_MS 100  /* how often signals that came are looked for */
#define DRAIN_MS 100 /* what was pasted has ended when nothing more comes */

#define BACKSPACE '\b'
#define DELETE '\177'

/* The last one lets the program go on, later. */
static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
#define SIGNALS (sizeof signals / sizeof *signals)

typedef struct terminal {
  int fd;
  struct termios before;
  sigset_t mask; /* of this thread, before */
  sigset_t held; /* signals that are held back */
} terminal;

/* A problem, and of which kind. */
typedef struct problem {
  const char *kind;
  const char *text;
} problem;

static const problem none = {NULL, NULL};
static const problem interrupted = {"cancelled", "was interrupted"};
static const problem ended = {"cancelled", "was ended without an answer"};
static const problem absent = {"config", "found no terminal to ask at"};
static const problem refused = {"config", "cannot use its terminal"};
static const problem empty = {"invalid", "was answered with an empty line"};
static const problem too_long = {
  "invalid", "was answered with more than 64 KiB"
};
static const problem many_lines = {
  "invalid", "was answered with more than one line; a file can hold them"
};
static const problem no_memory = {
  "memory", "cannot keep an answer: memory is short"
};

/* --- signals --- */

static bool acts(int number) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

/* What the host has blocked is left to it. */
static void hold_signals(terminal *t) {
  size_t i;
  sigemptyset(&t->held);
  pthread_sigmask(SIG_SETMASK, NULL, &t->mask);
  for (i = 0; i < SIGNALS; i++) {
    if (!acts(signals[i]) || sigismember(&t->mask, signals[i]) == 1) continue;
    sigaddset(&t->held, signals[i]);
  }
  pthread_sigmask(SIG_BLOCK, &t->held, NULL);
}

/* The first of those that have come, or 0. */
static int held_signal(const terminal *t) {
  sigset_t pending;
  size_t i;
  sigemptyset(&pending);
  sigpending(&pending);
  for (i = 0; i < SIGNALS; i++) {
    if (
      sigismember(&pending, signals[i]) == 1
      && sigismember(&t->held, signals[i]) == 1
    ) {
      return signals[i];
    }
  }
  return 0;
}

/* Those that have come act before this returns. */
static void release_signals(const terminal *t) {
  pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
}

/* --- the terminal --- */

static int open_terminal(void) {
  int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 && isatty(STDIN_FILENO)) {
    fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  }
  return fd;
}

/* What was typed too early, or too much, is dropped. */
static bool set_terminal(const terminal *t, const struct termios *settings) {
  while (tcsetattr(t->fd, TCSAFLUSH, settings) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

/* Byte by byte: where the terminal gathers lines, it cuts off what is longer
 * than 4 KiB. Reading never waits, for a signal drops what was typed. */
static bool hide_keys(const terminal *t) {
  struct termios hidden = t->before;
  hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
  hidden.c_cc[VMIN] = 0;
  hidden.c_cc[VTIME] = 0;
  return set_terminal(t, &hidden);
}

static bool show(const terminal *t, const char *text, size_t length) {
  while (length > 0) {
    ssize_t written = write(t->fd, text, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text += written;
    length -= (size_t)written;
  }
  return true;
}

/* What poll(2) says of the terminal, or 0. */
static short wait_for_keys(const terminal *t, int ms) {
  struct pollfd input = {t->fd, POLLIN, 0};
  return poll(&input, 1, ms) > 0 ? input.revents : 0;
}

static problem read_byte(const terminal *t, char *at) {
  while (held_signal(t) == 0) {
    short events = wait_for_keys(t, LOOK_MS);
    ssize_t got = events == 0 ? 0 : read(t->fd, at, 1);
    if (got == 1) return none;
    if (got == 0 && (events & POLLHUP) != 0) return refused;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return refused;
  }
  return interrupted;
}

/* --- the line --- */

/* Whether a byte is what the terminal is set to for this purpose. */
static bool is_key(const terminal *t, size_t purpose, char byte) {
  cc_t key = t->before.c_cc[purpose];
  return key != _POSIX_VDISABLE && key == (cc_t)byte;
}

/* The last character, as UTF-8 has it. */
static void erase(secret *line) {
  while (line->length > 0) {
    line->length--;
    if ((line->bytes[line->length] & 0xC0) != 0x80) return;
  }
}

static bool ends_line(char byte) {
  return byte == '\n' || byte == '\r';
}

/* Takes what was pasted after the first line, so that the shell does not; tells
 * whether it is more than empty lines. */
static bool drain(const terminal *t, char *at) {
  bool found = false;
  int ms = 0;
  while (wait_for_keys(t, ms) != 0 && read_byte(t, at).text == NULL) {
    found = found || !ends_line(*at);
    ms = DRAIN_MS;
  }
  return found;
}

/* There is room for one byte more than is allowed. */
static problem read_line(const terminal *t, secret *line) {
  bool overflow = false;
  for (;;) {
    char *at = line->bytes + line->length;
    problem p = read_byte(t, at);
    if (p.text != NULL) return p;
    if (ends_line(*at)) break;
    if (is_key(t, VEOF, *at)) {
      if (line->length == 0) return ended;
      break;
    }
    if (is_key(t, VERASE, *at) || *at == BACKSPACE || *at == DELETE) {
      erase(line);
    } else if (is_key(t, VKILL, *at)) {
      line->length = 0;
    } else if (line->length < SECRET_MAX) {
      line->length++;
    } else {
      overflow = true;
    }
  }
  if (drain(t, line->bytes + line->length)) return many_lines;
  if (overflow) return too_long;
  return line->length == 0 ? empty : none;
}

/* --- asking --- */

static problem ask_once(
  const terminal *t, const char *text, size_t length, secret *line
) {
  problem p;
  if (!hide_keys(t)) return refused;
  p = show(t, text, length) ? read_line(t, line) : refused;
  show(t, "\n", 1);
  set_terminal(t, &t->before);
  return p;
}

/* To set what is set already stops a program that is in the background, as long
 * as a signal can still end it. */
static bool await_foreground(terminal *t) {
  return tcgetattr(t->fd, &t->before) == 0 && set_terminal(t, &t->before);
}

/* Once more after the program was stopped and is continued. */
static problem ask(terminal *t, const char *text, size_t length, secret *line) {
  problem p;
  bool stopped;
  do {
    secret_wipe(line);
    if (!await_foreground(t)) return refused;
    hold_signals(t);
    p = ask_once(t, text, length, line);
    stopped = p.text == interrupted.text && held_signal(t) == SIGTSTP;
    release_signals(t);
  } while (stopped);
  return p;
}

const char *secret_take_prompt(
  secret **s, const char *text, size_t length, const char **kind
) {
  secret *line = secret_new(SECRET_MAX + 1);
  terminal t;
  problem p = line == NULL ? no_memory : absent;
  t.fd = line == NULL ? -1 : open_terminal();
  if (t.fd >= 0) {
    p = ask(&t, text, length, line);
    close(t.fd);
  }
  if (p.text == NULL) {
    if (secret_take_string(s, line->bytes, line->length) != NULL) p = no_memory;
  }
  secret_release(line);
  *kind = p.kind;
  return p.text;
}
