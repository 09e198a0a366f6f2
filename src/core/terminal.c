#include "core/terminal.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static int check_fd(lua_State *L, int arg) {
  lua_Integer fd = luaL_checkinteger(L, arg);
  luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, arg, "descriptor expected");
  return (int)fd;
}

static int core_guard_streams(lua_State *L) {
  int fd;
  for (fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    /* The lowest free descriptor is the one. */
    if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) {
      return luaL_error(L, "/dev/null cannot be opened");
    }
  }
  return 0;
}

static int core_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(check_fd(L, 1)));
  return 1;
}

static int core_terminal_width(lua_State *L) {
  struct winsize size;
  int fd = check_fd(L, 1);
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

/* --- characters --- */

static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale;

/* Never freed: other states may use it. */
static void find_utf8_locale(void) {
  static const char *const names[] = {"C.UTF-8", "UTF-8", "en_US.UTF-8"};
  size_t i;
  for (i = 0; utf8_locale == (locale_t)0 && i < 3; i++) {
    utf8_locale = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
  }
}

/* Whatever the locale of the process is, in this thread and for a moment. */
static int width_of(const char *text, size_t length) {
  locale_t before = uselocale(utf8_locale);
  mbstate_t state = {0};
  wchar_t character;
  size_t used = mbrtowc(&character, text, length, &state);
  int width = used == length && length > 0 ? wcwidth(character) : -1;
  uselocale(before);
  return width;
}

static int core_character_width(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  int width;
  pthread_once(&utf8_once, find_utf8_locale);
  width = utf8_locale == (locale_t)0 ? -1 : width_of(text, length);
  if (width < 0) return 0;
  lua_pushinteger(L, width);
  return 1;
}

/* --- waiting --- */

static int core_poll(lua_State *L) {
  struct pollfd entry = {-1, POLLIN, 0};
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e6, 2, "seconds expected");
  if (!lua_isnoneornil(L, 1)) entry.fd = check_fd(L, 1);
  lua_pushboolean(L, poll(&entry, 1, (int)(seconds * 1000)) == 1);
  return 1;
}

static const luaL_Reg functions[] = {
  {"character_width", core_character_width},
  {"guard_streams", core_guard_streams},
  {"is_terminal", core_is_terminal},
  {"poll", core_poll},
  {"terminal_width", core_terminal_width},
  {NULL, NULL},
};

void terminal_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
