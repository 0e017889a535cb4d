// Writes stages.json: the stages of one transaction as the official Node client (1.12) makes them, on any network.
// node generate.cjs '{"address","tls_root","certificate","key","msp_id","channel","chaincode"}' > stages.json
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const { checkpointers, connect, hash, signers } = require("@hyperledger/fabric-gateway");

const work = JSON.parse(process.argv[2]);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const stage = (value) => ({ bytes: hex(value.getBytes()), digest: hex(value.getDigest()) });

async function main() {
  const client = new grpc.Client(work.address, grpc.credentials.createSsl(fs.readFileSync(work.tls_root)));
  const sign = signers.newPrivateKeySigner(crypto.createPrivateKey(fs.readFileSync(work.key)));
  const certificate = fs.readFileSync(work.certificate);
  const gateway = connect({
    client,
    identity: { mspId: work.msp_id, credentials: certificate },
    signer: sign,
    hash: hash.sha256,
  });
  const network = gateway.getNetwork(work.channel);
  const contract = network.getContract(work.chaincode);
  const proposal = contract.newProposal("Put", {
    arguments: ["key", new Uint8Array([0, 255])],
    transientData: { secret: Buffer.from("hidden") },
    endorsingOrganizations: work.organizations,
  });
  const vector = { msp_id: work.msp_id, certificate: certificate.toString(), channel: work.channel };
  vector.transaction_id = proposal.getTransactionId();
  vector.proposal = stage(proposal);
  const transaction = await proposal.endorse();
  vector.transaction = { ...stage(transaction), result: hex(transaction.getResult()) };
  const commit = await transaction.submit();
  vector.commit = stage(commit);
  const events = network.newChaincodeEventsRequest(work.chaincode, { startBlock: 7n });
  vector.chaincode_events = { ...stage(events), chaincode: work.chaincode, start_block: 7 };
  const file = `${process.env.TMPDIR ?? "/tmp"}/official-checkpoint-${process.pid}.json`;
  const checkpointer = await checkpointers.file(file);
  await checkpointer.checkpointTransaction(12n, vector.transaction_id);
  vector.checkpoint = { file: fs.readFileSync(file, "utf8"), block_number: 12 };
  fs.rmSync(file);
  console.log(JSON.stringify(vector, null, 2));
  gateway.close();
  client.close();
}

main();
