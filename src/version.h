/* The one place of the version: the rockspecs and CHANGELOG.md repeat it, and a
 * spec compares them. */
#ifndef BYTENITE_VERSION_H
#define BYTENITE_VERSION_H

#define BYTENITE_VERSION "0.1.0"

#endif
