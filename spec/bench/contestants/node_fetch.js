// Contestant: Node's fetch. OPERATION URL CA WARMUP COUNT; the CA comes through
// NODE_EXTRA_CA_CERTS.
const [operation, base, , warmup, count] = process.argv.slice(2);
const url = `${base}/v1/auth/secrets`;
const headers = { Authorization: "0iKp4vYw1Zb7sQhX9dLr2TfNc8mUeJgA6oRxV3tBy5E" };
const body = {
  secret: {
    id: "s3-secret",
    secretType: "s3",
    expiresAt: "2025-12-29T18:02:27.140Z",
    accessKey: "AKIAIOSFODNN7EXAMPLE",
    params: { ANY_ADDITIONAL_PROPERTY: "text" },
    name: "My S3 Secret",
  },
  secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const calls = {
  list: () => fetch(url, { headers }),
  put: () => fetch(url, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }),
  delete: () => fetch(`${url}/s3/s3-secret`, { method: "DELETE", headers }),
};

async function repeat(times) {
  for (let i = 0; i < times; i++) {
    const answer = await calls[operation]();
    if (answer.status !== 200) throw new Error(answer.status);
    await answer.json();
  }
}

function cpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function main() {
  await repeat(Number(warmup));
  const before = cpu();
  const wall = performance.now();
  await repeat(Number(count));
  console.log(cpu() - before, (performance.now() - wall) / 1000);
}

main();
