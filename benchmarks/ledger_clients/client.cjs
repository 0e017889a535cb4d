// The same work as client.py with the official Node client, unmodified.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const { connect, hash, signers } = require("@hyperledger/fabric-gateway");

const WARM_UP = 4;
const work = JSON.parse(process.argv[2]);

async function main() {
  const client = new grpc.Client(work.address, grpc.credentials.createSsl(fs.readFileSync(work.tls_root)));
  const gateway = connect({
    client,
    identity: { mspId: work.msp_id, credentials: fs.readFileSync(work.certificate) },
    signer: signers.newPrivateKeySigner(crypto.createPrivateKey(fs.readFileSync(work.key))),
    hash: hash.sha256,
  });
  const contract = gateway.getNetwork(work.channel).getContract(work.chaincode);
  const put = (key) => contract.submitTransaction("Put", key, "x".repeat(64));
  await Promise.all(Array.from({ length: WARM_UP }, (_, n) => put(`${work.prefix}-w${n}`)));

  const latencies = [];
  let failed = 0;
  const began = performance.now();
  const cpu = process.cpuUsage();
  const end = began + work.seconds * 1000;
  async function one(number) {
    for (let count = 1; performance.now() < end; count++) {
      const start = performance.now();
      try {
        await put(`${work.prefix}-${number}-${count}`);
        latencies.push((performance.now() - start) / 1000);
      } catch {
        failed++;
      }
    }
  }
  await Promise.all(Array.from({ length: work.clients }, (_, number) => one(number)));
  const used = process.cpuUsage(cpu);
  const report = {
    seconds: (performance.now() - began) / 1000,
    cpu_seconds: (used.user + used.system) / 1e6,
    latencies,
    failed,
  };
  gateway.close();
  client.close();
  console.log(JSON.stringify(report));
}

main();
