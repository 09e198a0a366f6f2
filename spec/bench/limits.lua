-- What a call over HTTP on a kept connection takes, by the version of libcurl and the machine, as
-- `make bench-guard` last found it on Debian 12; 5 % more is allowed. Lower it when a call became
-- cheaper.

return {
  calls = {
    ["7.88.1 x86_64"] = {
      instructions = { list = 116400, put = 145100, delete = 99000 },
      allocations = { list = 52, put = 55, delete = 42 },
      system_calls = { list = 6, put = 6, delete = 6 },
    },
  },
  growth = { resident = 256, heap = 64 }, -- KiB, without slack
}
