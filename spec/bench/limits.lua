-- What a call over HTTP on a kept connection takes, as `make bench-guard` last found it: with
-- Debian 12 on x86-64, and 5 % more is allowed. Lower it when a call became cheaper.

return {
  libcurl = {
    ["7.88.1"] = {
      instructions = { list = 128800, put = 199000, delete = 134500 },
      allocations = { list = 53, put = 67, delete = 53 },
      system_calls = { list = 7, put = 7, delete = 7 },
    },
  },
  growth = { resident = 256, heap = 64 }, -- KiB, without slack
}
