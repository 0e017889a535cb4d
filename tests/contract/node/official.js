// Runs commands with the official Fabric Gateway client: a line of JSON in, the outcome as a line of JSON out.
//
//   node official.js CONNECTION      reads [COMMAND, ARGUMENT…] from standard input until it ends
//
// CONNECTION is JSON: {address, root, mspId, certificate, key, channel, chaincode}; the certificates and key are PEM.

import * as crypto from 'node:crypto';
import * as readline from 'node:readline';
import * as grpc from '@grpc/grpc-js';
import { checkpointers, connect, hash, signers } from '@hyperledger/fabric-gateway';

const settings = JSON.parse(process.argv[2]);
const client = new grpc.Client(settings.address, grpc.credentials.createSsl(Buffer.from(settings.root)));
const gateway = connect({
  client,
  hash: hash.sha256,
  identity: { mspId: settings.mspId, credentials: Buffer.from(settings.certificate) },
  signer: signers.newPrivateKeySigner(crypto.createPrivateKey(settings.key)),
});
const network = gateway.getNetwork(settings.channel);
const contract = network.getContract(settings.chaincode);
const text = (bytes) => Buffer.from(bytes).toString();

async function take(stream, wanted, read) {
  const found = [];
  try {
    for await (const item of stream) {
      const value = read(item);
      if (value !== undefined) found.push(value);
      if (found.length >= wanted) return found;
    }
  } finally {
    stream.close();
  }
  throw new Error('the stream ended');
}

const describe = (event) => ({
  block: Number(event.blockNumber),
  transaction: event.transactionId,
  name: event.eventName,
  payload: text(event.payload),
});

const commands = {
  evaluate: async (name, ...args) => text(await contract.evaluateTransaction(name, ...args)),

  submit: async (name, ...args) => text(await contract.submitTransaction(name, ...args)),

  submitTransient: async (name, key, secret) =>
    text(await contract.submit(name, { arguments: ['secret', key], transientData: { secret } })),

  submitTo: async (organizations, name, ...args) =>
    text(await contract.submit(name, { arguments: args, endorsingOrganizations: organizations.split(',') })),

  status: async (name, ...args) => {
    const commit = await contract.submitAsync(name, { arguments: args });
    const { code, blockNumber, successful, transactionId } = await commit.getStatus();
    return { code, block: Number(blockNumber), successful, transaction: transactionId, result: text(commit.getResult()) };
  },

  offline: async (name, ...args) => {
    const sign = signers.newPrivateKeySigner(crypto.createPrivateKey(settings.key));
    const unsigned = contract.newProposal(name, { arguments: args });
    const proposal = gateway.newSignedProposal(unsigned.getBytes(), await sign(unsigned.getDigest()));
    const endorsed = await proposal.endorse();
    const transaction = gateway.newSignedTransaction(endorsed.getBytes(), await sign(endorsed.getDigest()));
    const sent = await transaction.submit();
    const commit = gateway.newSignedCommit(sent.getBytes(), await sign(sent.getDigest()));
    return (await commit.getStatus()).code;
  },

  events: async (startBlock, name, count) => {
    const events = await network.getChaincodeEvents(settings.chaincode, { startBlock: BigInt(startBlock) });
    return take(events, Number(count), (event) => (event.eventName === name ? describe(event) : undefined));
  },

  eventsAfter: async (block, transaction, name, count) => {
    const checkpoint = checkpointers.inMemory();
    await checkpoint.checkpointTransaction(BigInt(block), transaction);
    const events = await network.getChaincodeEvents(settings.chaincode, { checkpoint });
    return take(events, Number(count), (event) => (event.eventName === name ? describe(event) : undefined));
  },

  blocks: async (startBlock, count) => {
    const blocks = await network.getBlockEvents({ startBlock: BigInt(startBlock) });
    return take(blocks, Number(count), (block) => ({
      number: Number(block.getHeader().getNumber()),
      data: Buffer.from(block.getHeader().getDataHash_asU8()).toString('hex'),
    }));
  },

  blocksAndPrivateData: async (startBlock, count) => {
    const pairs = await network.getBlockAndPrivateDataEvents({ startBlock: BigInt(startBlock) });
    return take(pairs, Number(count), (pair) => Number(pair.getBlock().getHeader().getNumber()));
  },

  // Reads a checkpoint file, and hears the events behind it; each is recorded in it.
  eventsOfFile: async (path, name, count) => {
    const checkpoint = await checkpointers.file(path);
    const events = await network.getChaincodeEvents(settings.chaincode, { checkpoint, startBlock: 0n });
    const found = await take(events, Number(count), (event) => (event.eventName === name ? event : undefined));
    await checkpoint.checkpointChaincodeEvent(found.at(-1));
    return found.map(describe);
  },

  filteredBlocks: async (startBlock, count) => {
    const blocks = await network.getFilteredBlockEvents({ startBlock: BigInt(startBlock) });
    return take(blocks, Number(count), (block) => ({
      number: Number(block.getNumber()),
      transactions: block.getFilteredTransactionsList().map((t) => [t.getTxid(), t.getTxValidationCode()]),
    }));
  },
};

async function outcome([command, ...parameters]) {
  try {
    return { result: await commands[command](...parameters) };
  } catch (error) {
    return {
      error: error.constructor.name,
      code: error.code,
      transaction: error.transactionId,
      message: error.message,
      details: (error.details ?? []).map(({ address, mspId, message }) => ({ address, mspId, message })),
    };
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await outcome(JSON.parse(line))));
}
gateway.close();
client.close();
