/* Which CA certificates a handle trusts, set in libcurl's options. */
#ifndef BYTENITE_TRUST_H
#define BYTENITE_TRUST_H

#include "http/setter.h"
#include "http/settings.h"
#include "http/tls/ca_store.h"

/* Sets them for the model handle, with `ca` for the certificates of ca_file.
 * NULL, or what is wrong with ca_file. */
const char *trust_set(
  setter *s, ca_store *ca, const http_settings *settings
);

/* Sets what a copy of the model needs besides. The model itself holds no
 * certificates: when memory ends in the middle of copying them, a libcurl
 * before 8.5 frees those of the original. */
void trust_set_copy(setter *s, const ca_store *ca);

/* Where a client without a setting for it looks for CA certificates: a
 * directory, a file, or NULL when that is up to the TLS library. */
const char *trust_default(void);

#endif
