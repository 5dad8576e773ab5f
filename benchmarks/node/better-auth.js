// What does Better Auth spend on one call of get-session? CPU and wall time, in one process.
//
//     node benchmarks/node/better-auth.js [REQUESTS A ROUND] [ROUNDS]
//
// Its store is its own adapter for memory: no database is asked, which makes it a lower bound.

import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";

const [requests, rounds] = process.argv.slice(2).map(Number);
const origin = "http://localhost:3000";
const tables = { user: [], session: [], account: [], verification: [] };
const auth = betterAuth({
  baseURL: origin,
  secret: "for-benchmarks-only-for-benchmarks-only",
  database: memoryAdapter(tables),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});

const credentials = { name: "alice", email: "alice@example.org", password: "correct horse battery" };
const { headers } = await auth.api.signUpEmail({ body: credentials, returnHeaders: true });
const cookie = headers
  .getSetCookie()
  .map((line) => line.split(";")[0])
  .join("; ");

async function call() {
  const request = new Request(`${origin}/api/auth/get-session`, { headers: { cookie } });
  const answer = await (await auth.handler(request)).json();
  if (answer?.user?.name !== "alice") throw new Error(JSON.stringify(answer));
}

const times = [];
for (let round = 0; round <= rounds; round++) {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  for (let number = 0; number < requests; number++) await call();
  const { user, system } = process.cpuUsage(cpu);
  const wallMicroseconds = Number(process.hrtime.bigint() - wall) / 1000;
  // The first round warms up.
  if (round) times.push({ cpu: (user + system) / requests, wall: wallMicroseconds / requests });
}
console.log(JSON.stringify({ node: process.version, times }));
