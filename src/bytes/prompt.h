/* Asks the person at the terminal for a secret, which is not shown, and goes
 * from the terminal straight into its own pages.
 *
 * The terminal is put back before a signal that ends, interrupts or stops the
 * program acts: this thread holds it back meanwhile. No handler is installed.
 * In a program with several threads another one may take the signal first. */
#ifndef BYTENITE_PROMPT_H
#define BYTENITE_PROMPT_H

#include <stddef.h>

#include "bytes/secret.h"

/* Shows a text and reads a line of 1 byte to 64 KiB, without its newline. Sets
 * `*s` and returns NULL, or returns a problem, words that follow "the prompt",
 * and sets `*kind` to the kind of Error that it is. */
const char *secret_take_prompt(
  secret **s, const char *text, size_t length, const char **kind
);

#endif
