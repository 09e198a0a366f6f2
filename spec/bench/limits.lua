-- What a call over HTTP on a kept connection takes, by the version of libcurl and the machine, as
-- `make bench-guard` last found it on Debian 12; 5 % more is allowed. Lower it when a call became
-- cheaper.

return {
  calls = {
    ["7.88.1 x86_64"] = {
      instructions = { list = 128800, put = 199000, delete = 134500 },
      allocations = { list = 53, put = 67, delete = 53 },
      system_calls = { list = 7, put = 7, delete = 7 },
    },
  },
  growth = { resident = 256, heap = 64 }, -- KiB, without slack
}
