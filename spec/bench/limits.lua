-- What a call over HTTP on a kept connection takes, as `make bench-guard` last found it: with
-- Debian 12 on x86-64, and 5 % more is allowed. Lower it when a call became cheaper.

return {
  libcurl = {
    ["7.88.1"] = {
      instructions = { list = 134200, put = 226700, delete = 160500 },
      allocations = { list = 70.1, put = 86.1, delete = 73.4 },
      system_calls = { list = 6, put = 6, delete = 6 },
    },
  },
  growth = { resident = 256, heap = 64 }, -- KiB, without slack
}
