'use strict';

// Assets and who owns them: the functions of assets/chaincode, on Fabric's own shim for Node.
const { Contract } = require('fabric-contract-api');

const FIRST = [
  ['asset1', 'blue', 5, 'Tomoko', 300],
  ['asset2', 'red', 5, 'Brad', 400],
  ['asset3', 'green', 10, 'Jin Soo', 500],
];

class Assets extends Contract {
  async InitLedger(ctx) {
    for (const fields of FIRST) {
      await this.put(ctx, this.asset(...fields));
    }
  }

  async CreateAsset(ctx, id, color, size, owner, value) {
    if (await this.AssetExists(ctx, id)) {
      throw new Error(`the asset ${id} already exists`);
    }
    await this.put(ctx, this.asset(id, color, size, owner, value));
  }

  async ReadAsset(ctx, id) {
    const held = await ctx.stub.getState(id);
    if (held.length === 0) {
      throw new Error(`the asset ${id} does not exist`);
    }
    return held.toString();
  }

  async UpdateAsset(ctx, id, color, size, owner, value) {
    await this.ReadAsset(ctx, id);
    await this.put(ctx, this.asset(id, color, size, owner, value));
  }

  async DeleteAsset(ctx, id) {
    await this.ReadAsset(ctx, id);
    await ctx.stub.deleteState(id);
  }

  async AssetExists(ctx, id) {
    return (await ctx.stub.getState(id)).length > 0;
  }

  // Gives an asset to another owner, and announces it; returns the old owner.
  async TransferAsset(ctx, id, owner) {
    const held = JSON.parse(await this.ReadAsset(ctx, id));
    const before = held.Owner;
    held.Owner = owner;
    ctx.stub.setEvent('Transfer', Buffer.from(id));
    await this.put(ctx, held);
    return before;
  }

  async GetAllAssets(ctx) {
    const found = [];
    for await (const state of ctx.stub.getStateByRange('', '')) {
      found.push(JSON.parse(Buffer.from(state.value).toString()));
    }
    return JSON.stringify(found);
  }

  async Break() {
    process.exit(3);
  }

  asset(id, color, size, owner, value) {
    return { AppraisedValue: Number(value), Color: color, ID: id, Owner: owner, Size: Number(size) };
  }

  async put(ctx, held) {
    await ctx.stub.putState(held.ID, Buffer.from(JSON.stringify(held)));
  }
}

module.exports.contracts = [Assets];
