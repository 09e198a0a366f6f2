-- The kinds of Errors: what each one means, in a sentence, and what helps. A kind without a text
-- always comes with a message of its own.

return {
  config = {},
  invalid = {},
  unauthorized = {
    text = "not authenticated: the service does not accept this credential",
    hint = "check the API key or access token (option api_key, BYTENITE_API_KEY, "
      .. "BYTENITE_ACCESS_TOKEN)",
  },
  forbidden = {
    text = "the credential is valid, but has no permission for this",
    hint = "ask for permission to manage secrets, or use another API key",
  },
  not_found = {
    text = "there is no such secret",
    hint = "check secretType and id; list() shows what there is",
  },
  conflict = {
    text = "the service reports a conflict with its current state",
    hint = "look at what there is with list(), then decide anew",
  },
  rejected = {
    text = "the service refuses the request",
    hint = "look at what the service says, and at what was sent",
  },
  rate_limited = {
    text = "too many requests",
    hint = "call less often, or later",
  },
  unavailable = {
    text = "the service is temporarily unavailable",
    hint = "try again later",
  },
  server = {
    text = "the service failed",
    hint = "try again later; if it stays, report the request id to the service",
  },
  timeout = {
    text = "no answer in time",
    hint = "check the network and base_url, or allow more time (timeout, deadline)",
  },
  network = {
    text = "no answer from the service",
    hint = "check the network, base_url and the proxy settings",
  },
  tls = {
    text = "no trusted connection to the service",
    hint = "check base_url, the machine's clock and the CA certificates (ca_file, ca_path)",
  },
  protocol = {
    text = "the answer is not one of the Secrets API",
    hint = "check that base_url is the ByteNite API, and not a proxy's or login page",
  },
  memory = {
    text = "not enough memory",
  },
  cancelled = {
    text = "interrupted before the answer came",
  },
}
