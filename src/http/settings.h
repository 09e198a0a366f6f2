/* The settings of a client that reach libcurl. */
#ifndef BYTENITE_SETTINGS_H
#define BYTENITE_SETTINGS_H

#include <stdbool.h>

/* A NULL string stands for the default. */
typedef struct http_settings {
  const char *base_url;
  bool allow_http;           /* plain http to other machines too */
  long connect_timeout_ms;
  const char *user_agent;
  const char *ca_file;       /* read now, not at each connection */
  const char *ca_path;
  const char *client_cert;
  const char *client_key;
  const char *proxy;         /* NULL or "" connects directly */
  const char *no_proxy;
  bool remote_proxy;         /* connects directly to a loopback base URL */
  bool pollable;             /* with a descriptor for event loops */
  long max_connections;      /* kept for later requests */
} http_settings;

#endif
