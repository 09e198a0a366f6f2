-- What all contestants send.

return {
  api_key = "9Qw2eRt5yUi8oPa1sDf4gHj7kLz0xCv3",
  token = "0iKp4vYw1Zb7sQhX9dLr2TfNc8mUeJgA6oRxV3tBy5E",
  secret = {
    id = "s3-secret",
    secretType = "s3",
    expiresAt = "2025-12-29T18:02:27.140Z",
    accessKey = "AKIAIOSFODNN7EXAMPLE",
    params = { ANY_ADDITIONAL_PROPERTY = "text" },
    name = "My S3 Secret",
  },
  secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
